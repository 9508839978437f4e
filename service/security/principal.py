"""Who is calling: a key -> its tenant."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from models.errors import Unauthenticated
from service.db.base import epoch_now
from service.db.session import Database
from service.db.tables import ApiKey
from service.security.keys import matches, split_token

TOUCH_SECONDS = 300
"""`last_used_at` is no more precise than this: not every request may cost a write."""


@dataclass(frozen=True)
class Principal:
    tenant_id: str
    key_id: str
    role: str


def authenticate(database: Database, token: str | None) -> Principal:
    """Raises Unauthenticated; the answer does not tell an unknown key from a wrong or revoked one."""
    refused = Unauthenticated(
        "No valid API key came with the request.",
        hint="Send `Authorization: Bearer pop_…`; embedded mode keeps its key in the file `key` of its home folder.",
    )
    parts = split_token(token or "")
    if parts is None:
        raise refused
    prefix, secret = parts
    stale = (ApiKey.last_used_at.is_(None)) | (ApiKey.last_used_at < epoch_now() - TOUCH_SECONDS)
    with database.read() as session:
        row = session.execute(select(ApiKey, stale).where(ApiKey.prefix == prefix)).one_or_none()
    if row is None or not matches(secret, row[0].hash) or row[0].revoked_at is not None:
        raise refused
    key = row[0]
    if row[1]:
        with database.write() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=epoch_now()))
    return Principal(key.tenant_id, key.id, key.role)
