"""Idempotency-Key: the same key and request give the same resource, however often they are sent.

`claim` and `settle` belong into the one transaction that creates the resource; the primary key (tenant, key) makes two
racing requests queue up behind each other.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from models.errors import Conflict
from service.db.tables import Idempotency


def fingerprint(request: Any) -> str:
    """Hash of a JSON-like request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


def claim(session: Session, tenant_id: str, key: str, request: str) -> str | None:
    """The id of the resource that this key made before, or None: the caller makes it now and calls `settle`.

    Raises Conflict if the key came with another request before.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(Idempotency).values(tenant_id=tenant_id, key=key, fingerprint=request).on_conflict_do_nothing()
    )
    return _resource(session.get_one(Idempotency, (tenant_id, key)), request)


def find(session: Session, tenant_id: str, key: str, request: str) -> str | None:
    """As `claim`, but None also where the key is new: nothing is written."""
    row = session.get(Idempotency, (tenant_id, key))
    return None if row is None else _resource(row, request)


def _resource(row: Idempotency, request: str) -> str | None:
    if row.fingerprint != request:
        raise Conflict(
            "This Idempotency-Key was used for another request.",
            hint="Use a new key for a new request.",
            code="idempotency_conflict",
        )
    return row.resource_id


def settle(session: Session, tenant_id: str, key: str, resource_id: str) -> None:
    """Remember what the key made."""
    mine = (Idempotency.tenant_id == tenant_id, Idempotency.key == key)
    session.execute(update(Idempotency).where(*mine).values(resource_id=resource_id))
