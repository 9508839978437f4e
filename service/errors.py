"""Every error leaves as RFC 9457 problem+json; none echoes what the caller or the data said."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from models.errors import Detail, InvalidInput, PopulaceError, TooLarge

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_DETAILS = 50
HINTS = {404: "See /docs for what there is.", 405: "See /docs for what there is."}


def problem_response(request: Request, problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    body = {**problem, "instance": request.url.path, "request_id": request_id(request)}
    return JSONResponse(body, status_code=int(problem["status"]), headers=headers, media_type=MEDIA_TYPE)


def http_problem(status: int, detail: str = "", hint: str = "") -> dict[str, Any]:
    """Body for an error of the protocol rather than of ours."""
    if status == TooLarge.status:
        return TooLarge(detail or "The request's body is too large.", hint=hint).to_problem()
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": title.lower().replace(" ", "_"),
        "hint": hint or HINTS.get(status, ""),
        "errors": [],
    }


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def install(app: FastAPI) -> None:
    """Unexpected errors are answered by service.middleware.RequestContext, by means of `unexpected`."""
    app.add_exception_handler(PopulaceError, _populace)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)


async def _populace(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PopulaceError)  # noqa: S101 - the handler is registered for this class only
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return problem_response(request, error.to_problem(), headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = [Detail(tuple(e["loc"]), _message(e)) for e in error.errors()[:MAX_DETAILS]]
    where = ", ".join(".".join(str(part) for part in d.loc[1:]) or "body" for d in details[:5])
    invalid = InvalidInput(f"The request is malformed: {where}.", hint="See /docs for its form.", errors=details)
    return problem_response(request, invalid.to_problem())


def _message(error: dict[str, Any]) -> str:
    """Pydantic's message, but for the one that repeats the input."""
    if error["type"] == "union_tag_invalid":
        return f"Input should be one of {error['ctx']['expected_tags']}"
    return str(error["msg"])


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem_response(request, http_problem(error.status_code, error.detail), dict(error.headers or {}))


async def _unstorable(request: Request, error: Exception) -> JSONResponse:
    """A text that the database cannot hold or compare, e.g. with a NUL in it (PostgreSQL)."""
    invalid = InvalidInput("The request holds a value that cannot be stored.", hint="Leave control characters out.")
    return problem_response(request, invalid.to_problem())


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Messages and tracebacks of unexpected errors may hold data: the log gets the place, the caller the id."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    log.error("request %s: unexpected %s at %s", request_id(request), type(error).__name__, place)
    problem = PopulaceError(
        "An unexpected error.", hint="Quote the request_id to whoever runs the service."
    ).to_problem()
    return problem_response(request, problem)
