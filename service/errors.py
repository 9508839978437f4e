"""Every error leaves as RFC 9457 problem+json; none echoes what the caller or the data said."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models.errors import Detail, InvalidInput, PopulaceError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def problem_response(request: Request, problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    body = {**problem, "instance": request.url.path, "request_id": request_id(request)}
    return JSONResponse(body, status_code=int(problem["status"]), headers=headers, media_type=MEDIA_TYPE)


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def install(app: FastAPI) -> None:
    app.add_exception_handler(PopulaceError, _populace)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _populace(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PopulaceError)  # noqa: S101 - the handler is registered for this class only
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return problem_response(request, error.to_problem(), headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = [Detail(tuple(e["loc"]), str(e["msg"])) for e in error.errors()]
    where = ", ".join(".".join(str(part) for part in d.loc[1:]) or "body" for d in details[:5])
    invalid = InvalidInput(f"The request is malformed: {where}.", hint="See /docs for its form.", errors=details)
    return problem_response(request, invalid.to_problem())


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    title = HTTPStatus(error.status_code).phrase
    problem = {
        "type": "about:blank",
        "title": title,
        "status": error.status_code,
        "detail": str(error.detail or title),
        "code": title.lower().replace(" ", "_"),
        "hint": "See /docs for what there is." if error.status_code in (404, 405) else "",
        "errors": [],
    }
    return problem_response(request, problem, dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Messages and tracebacks of unexpected errors may hold data: the log gets the place, the caller the id.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    log.error("request %s: unexpected %s at %s", request_id(request), type(error).__name__, place)
    problem = PopulaceError(
        "An unexpected error.", hint="Quote the request_id to whoever runs the service."
    ).to_problem()
    return problem_response(request, problem)
