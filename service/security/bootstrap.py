"""Embedded mode makes its own tenant and key; full mode's first admin key is made by `populace keys bootstrap`."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.base import new_id
from service.db.session import Database
from service.db.tables import ApiKey, Tenant
from service.security.keys import make_key, matches, split_token
from service.settings import Settings


def ensure_embedded_key(settings: Settings, database: Database) -> Path:
    """`home`/key (mode 0600) holds a valid admin key afterwards; an existing valid one is kept."""
    path = settings.home / "key"
    with database.write() as session:
        if path.exists() and _valid(session, path.read_text(encoding="utf-8")):
            return path
        token = create_tenant_key(session, "default", "embedded")
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(token + "\n")
        temporary.replace(path)
    return path


def create_tenant_key(session: Session, tenant: str, name: str, role: str = "admin") -> str:
    """A new key of the tenant of that name (made if need be) -> its token, which is stored nowhere."""
    owner = session.scalar(select(Tenant).where(Tenant.name == tenant))
    if owner is None:
        owner = Tenant(id=new_id("ten"), name=tenant)
        session.add(owner)
        session.flush()
    key = make_key()
    session.add(ApiKey(id=new_id("key"), tenant_id=owner.id, name=name, prefix=key.prefix, hash=key.hash, role=role))
    return key.token


def _valid(session: Session, token: str) -> bool:
    parts = split_token(token)
    key = session.scalar(select(ApiKey).where(ApiKey.prefix == parts[0])) if parts else None
    return key is not None and key.revoked_at is None and matches(parts[1] if parts else "", key.hash)
