"""Declarative base, ids and the database's own clock."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import JSON, Double, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.functions import FunctionElement

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class epoch_now(FunctionElement[float]):
    """Seconds since 1970 on the database's clock: leases must not depend on the clocks of the workers."""

    type = Double()
    inherit_cache = True


@compiles(epoch_now, "postgresql")
def _epoch_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(epoch_now, "sqlite")
def _epoch_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def new_id(prefix: str) -> str:
    """e.g. job_5f0c…: 80 random bits, not guessable, the kind readable in a log."""
    return f"{prefix}_{secrets.token_hex(10)}"
