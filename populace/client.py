"""The Python client."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from populace.resources.budgets import Budgets
from populace.resources.datasets import Datasets
from populace.resources.jobs import Jobs
from populace.resources.keys import Keys
from populace.resources.reports import Reports
from populace.resources.samples import Samples, Synthesizers
from populace.transport import Transport, is_loopback

DEFAULT_URL = "http://127.0.0.1:8400"


def default_home() -> Path:
    """Where an embedded service keeps its key: POPULACE_HOME, else ~/.populace."""
    return Path(os.environ.get("POPULACE_HOME") or Path.home() / ".populace")


def default_key(base_url: str) -> str | None:
    """POPULACE_API_KEY, else the embedded service's own key file; that one is only for this machine."""
    if key := os.environ.get("POPULACE_API_KEY"):
        return key.strip()
    file = default_home() / "key"
    if is_loopback(base_url) and file.is_file():
        return file.read_text(encoding="utf-8").strip()
    return None


class Client:
    """Everything that the service does, as Python calls. Use it as a context manager, or call close().

    base_url: by default POPULACE_URL, else http://127.0.0.1:8400. api_key: by default POPULACE_API_KEY, else the key
    that the embedded service wrote for its owner. timeout: seconds for one answer. retries: of repeatable calls.
    Every call raises populace.ApiError when the service refuses or cannot be reached. Safe to share between threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = base_url or os.environ.get("POPULACE_URL") or DEFAULT_URL
        key = api_key or default_key(url)
        self._transport = Transport(url, key, timeout=timeout, retries=retries, transport=transport)
        self.has_key = key is not None
        self.base_url = self._transport.base_url
        self.datasets = Datasets(self._transport)
        self.budgets = Budgets(self._transport)
        self.jobs = Jobs(self._transport)
        self.synthesizers = Synthesizers(self._transport)
        self.samples = Samples(self._transport)
        self.reports = Reports(self._transport)
        self.keys = Keys(self._transport)

    def health(self) -> dict[str, Any]:
        """Whether the service is up; needs no key."""
        return dict(self._transport.json("GET", "/health"))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
