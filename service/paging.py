"""Lists are {total, items, next_cursor}, newest first; times are ISO 8601 in UTC."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from models.errors import InvalidInput

Item = TypeVar("Item")

MAX_DIGITS = 18
"""Of a number that fits into a column of 64 bits."""


class Page(BaseModel, Generic[Item]):
    total: int
    items: list[Item]
    next_cursor: str | None = None


def iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def newest(
    session: Session, query: Select[Any], table: Any, limit: int, cursor: str | None
) -> tuple[int, Sequence[Any], str | None]:
    """(total, rows of this page, next cursor) of a query over one mapped class with created_at and id."""
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    if cursor is not None:
        moment, _, last = cursor.partition("~")
        try:
            at = float(moment)
        except ValueError:
            raise _bad_cursor() from None
        if not math.isfinite(at):
            raise _bad_cursor()
        query = query.where(or_(table.created_at < at, and_(table.created_at == at, table.id < last)))
    rows = session.scalars(query.order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    return total, shown, f"{shown[-1].created_at!r}~{shown[-1].id}" if len(rows) > limit else None


def number_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isdecimal() and len(cursor) <= MAX_DIGITS):
        raise _bad_cursor()
    return int(cursor)


def _bad_cursor() -> InvalidInput:
    return InvalidInput("The cursor is not one of ours.", hint="Pass `next_cursor` of the page before.")
