"""HTTP with a key, retries of what may be repeated, and problems turned into ApiError."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from populace.errors import ApiError

RETRIED = frozenset({429, 502, 503, 504})
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_loopback(url: str) -> bool:
    return httpx.URL(url).host in LOOPBACK


class Transport:
    """One connection pool to one service.

    retries: how often a repeatable call is tried again after a lost connection or 429, 502, 503, 504, with
    exponential backoff from 0.2 s and jitter (a Retry-After of up to 30 s is honoured). Calls that are not repeatable
    are tried again only if the connection could not be made, when nothing was sent.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        timeout: float = 60.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"User-Agent": "populace-client", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self.timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            transport=transport,
            trust_env=not is_loopback(base_url),  # a proxy for the internet must not see calls to this machine
        )
        self.base_url = str(self._http.base_url).rstrip("/")

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool | None = None,
        read_timeout: float | None = None,
        **kwargs: Any,
    ) -> httpx.Response:
        """The answer, if it is a success. Raises ApiError. read_timeout: seconds to wait for the answer to start."""
        if repeatable is None:
            repeatable = method in REPEATABLE
        if read_timeout is not None:
            kwargs["timeout"] = httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0), read=read_timeout)
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                response = self._http.request(method, path, **kwargs)
            except httpx.TransportError as error:
                if last or not (repeatable or isinstance(error, httpx.ConnectError)):
                    raise self._unreachable(error) from error
                self._pause(attempt)
                continue
            if response.is_success:
                return response
            if method == "DELETE" and attempt and response.status_code == 404:
                return response  # the first try reached the service; its answer was lost
            if last or not repeatable or response.status_code not in RETRIED:
                raise ApiError.from_response(response)
            self._pause(attempt, response.headers.get("Retry-After"))
        raise AssertionError("unreachable")

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        return self.request(method, path, **kwargs).json()

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> Iterator[httpx.Response]:
        """A GET whose body the caller iterates over. Raises ApiError, also for a body that breaks off."""
        timeout = httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0), read=read_timeout or self.timeout)
        try:
            with self._http.stream(
                "GET", path, params=dict(params or {}), headers=dict(headers or {}), timeout=timeout
            ) as response:
                if not response.is_success:
                    response.read()
                    raise ApiError.from_response(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _pause(self, attempt: int, retry_after: str | None = None) -> None:
        seconds = 0.2 * 2.0**attempt * (0.75 + 0.5 * random.random())
        if retry_after and retry_after.isdigit():
            seconds = min(max(seconds, float(retry_after)), 30.0)
        self._sleep(seconds)

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        if isinstance(error, httpx.ReadTimeout):
            return ApiError(
                "timeout",
                f"{self.base_url} did not answer in time.",
                hint="Try again, or give the client a longer timeout.",
            )
        return ApiError(
            "unreachable",
            f"No service answers at {self.base_url} ({type(error).__name__}).",
            hint="Start one with `populace serve`, or name another with --url or POPULACE_URL.",
        )
