"""Keys of the caller's own tenant."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.errors import Conflict, NotFound
from service import audit
from service.db.base import epoch_now, new_id
from service.db.session import Database
from service.db.tables import ApiKey
from service.keys import repository
from service.keys.schemas import KeyIn, KeyOut, NewKeyOut
from service.paging import Page, iso, iso_or_none, newest
from service.security.keys import make_key
from service.security.principal import Principal


def _view(key: ApiKey) -> KeyOut:
    return KeyOut(
        id=key.id,
        name=key.name,
        prefix=f"pop_{key.prefix}",
        role=key.role,
        created_at=iso(key.created_at),
        last_used_at=iso_or_none(key.last_used_at),
        revoked_at=iso_or_none(key.revoked_at),
    )


def list_keys(session: Session, caller: Principal, limit: int, cursor: str | None) -> Page[KeyOut]:
    total, rows, following = newest(session, repository.of_tenant(caller.tenant_id), ApiKey, limit, cursor)
    return Page(total=total, items=[_view(k) for k in rows], next_cursor=following)


def create(database: Database, caller: Principal, wanted: KeyIn) -> NewKeyOut:
    made = make_key()
    with database.write() as session:
        key = ApiKey(
            id=new_id("key"),
            tenant_id=caller.tenant_id,
            name=wanted.name,
            prefix=made.prefix,
            hash=made.hash,
            role=wanted.role,
        )
        session.add(key)
        audit.record(session, caller, "key.create", key.id)
        session.flush()
        session.refresh(key)
        view = _view(key)
    return NewKeyOut(**view.model_dump(), token=made.token)


def revoke(database: Database, caller: Principal, key_id: str) -> None:
    """Raises NotFound; Conflict for the key that makes the request."""
    if key_id == caller.key_id:
        raise Conflict("A key cannot revoke itself.", hint="Use another admin key.")
    with database.write() as session:
        key = repository.get(session, caller.tenant_id, key_id)
        if key is None:
            raise NotFound("There is no such key.", hint="GET /v1/keys lists them.")
        if key.revoked_at is None:
            key.revoked_at = session.scalar(epoch_now().select())
            audit.record(session, caller, "key.revoke", key.id)
