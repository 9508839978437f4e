"""What a caller of the client has to handle: one error, with the service's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


class ApiError(Exception):
    """A refused request or a failed job (RFC 9457 problem), or a service that could not be reached.

    code: stable name, e.g. `invalid_condition`; `unreachable` when no service answered, `timeout` when waiting ran out.
    message: what is wrong. hint: how to fix it. errors: places, each {loc, msg, hint}.
    status: HTTP status, 0 when there was no answer. request_id: to find the request in the service's log.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        status: int = 0,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.errors = tuple(dict(e) for e in errors)
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    @classmethod
    def from_problem(cls, problem: Mapping[str, Any], *, request_id: str | None = None) -> ApiError:
        """From a problem object, as in an error answer, a failed job or a rejected dataset."""
        return cls(
            str(problem.get("code") or "unknown"),
            str(problem.get("detail") or problem.get("title") or "The service gave no reason."),
            hint=str(problem.get("hint") or ""),
            errors=[e for e in problem.get("errors") or () if isinstance(e, Mapping)],
            status=int(problem.get("status") or 0),
            request_id=problem.get("request_id") or request_id,
        )

    @classmethod
    def from_response(cls, response: httpx.Response) -> ApiError:
        """From an answer that is not a success; its body must have been read."""
        request_id = response.headers.get("X-Request-ID")
        try:
            body = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            body = None
        if isinstance(body, Mapping) and ("code" in body or "detail" in body):
            return cls.from_problem({"status": response.status_code, **body}, request_id=request_id)
        return cls(
            "unexpected_answer",
            f"The server answered {response.status_code} {response.reason_phrase} without a reason.",
            hint="Is this address a Populace service, and does a proxy stand in between?",
            status=response.status_code,
            request_id=request_id,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "errors": list(self.errors),
            "status": self.status,
            "request_id": self.request_id,
        }
