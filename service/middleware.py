"""What every request passes: an id, protective headers, a check of its host and of its size. Plain ASGI: nothing is
buffered."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import http_problem, problem_response, unexpected

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::\d+)?")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

MAX_BODY_BYTES = 32 * 1024**2
"""Of a JSON request, the only kind that is held in memory; a schema of 2,000 columns fits."""
UPLOAD = ("POST", "/v1/datasets")
"""The one request that streams its body, and has its own limit."""


class BrokenOff(Exception):
    """An answer that had begun cannot be finished; the server closes the connection."""


class RequestContext:
    """Outermost. Keeps the caller's X-Request-ID if it is harmless, otherwise makes one; answers unexpected errors.

    Errors end here, because the server would log them whole, and their messages may hold data.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if GIVEN_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            response = unexpected(Request(scope), error)
            if begun:
                raise BrokenOff(f"request {request_id} could not be finished") from None
            await response(scope, receive, send_with_headers)


class HostCheck:
    """Answers to these host names only, so that a web page elsewhere cannot reach us by rebinding its own name."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self.app, self.allowed = app, frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            found = HOST.fullmatch(Headers(scope=scope).get("host", ""))
            if found is None or found[1].lower() not in self.allowed:
                problem = http_problem(400, "This service does not answer to that host name.", "Use http://127.0.0.1.")
                await problem_response(Request(scope), problem)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses bodies over MAX_BODY_BYTES of all requests but uploads, by what is declared and by what comes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) == UPLOAD:
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
            await problem_response(Request(scope), http_problem(413))(scope, receive, send)
            return
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > MAX_BODY_BYTES:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)
