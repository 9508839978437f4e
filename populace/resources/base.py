"""What the nouns share: get, list, walk over all pages, delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

from populace.records import Page, Record
from populace.transport import Transport

R = TypeVar("R", bound=Record)


class Resource(Generic[R]):
    path: ClassVar[str]

    def __init__(self, transport: Transport, record: type[R]) -> None:
        self._transport = transport
        self._record = record

    def _url(self, id: str, *rest: str) -> str:
        return "/".join([self.path, quote(id, safe=""), *rest])

    def get(self, id: str) -> R:
        """One of them by id. Raises ApiError `not_found`, also for what belongs to another tenant."""
        return self._record.from_json(self._transport.json("GET", self._url(id)))

    def list(self, *, limit: int | None = None, cursor: str | None = None, **filters: str | None) -> Page[R]:
        """One page, newest first. filters: e.g. state="running" for jobs."""
        params = {k: v for k, v in {"limit": limit, "cursor": cursor, **filters}.items() if v is not None}
        raw = self._transport.json("GET", self.path, params=params)
        return Page(raw["total"], tuple(self._record.from_json(i) for i in raw["items"]), raw.get("next_cursor"))

    def each(self, **filters: str | None) -> Iterator[R]:
        """All of them, page after page."""
        cursor: str | None = None
        while True:
            page = self.list(limit=None, cursor=cursor, **filters)
            yield from page
            cursor = page.next_cursor
            if cursor is None:
                return


class Deletable(Resource[R]):
    def delete(self, id: str) -> None:
        """Remove it and everything derived from it. Raises ApiError `conflict` while jobs run on it."""
        self._transport.request("DELETE", self._url(id))


def given(**values: Any) -> dict[str, Any]:
    """Only what was given: the service's defaults stay the service's."""
    return {k: v for k, v in values.items() if v is not None}
