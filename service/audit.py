"""Who did what, when. Written in the transaction of the deed; only ids and names of actions, never data."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables import AuditEvent
from service.deps import Admin, Cursor, Limit, Reading
from service.paging import Page, iso, number_cursor
from service.security.principal import Principal


def record(session: Session, caller: Principal, action: str, object_id: str) -> None:
    session.add(AuditEvent(tenant_id=caller.tenant_id, key_id=caller.key_id, action=action, object_id=object_id))


class AuditOut(BaseModel):
    id: int
    key_id: str | None
    action: str
    object_id: str
    created_at: str


router = APIRouter(prefix="/v1/audit-events", tags=["audit"])


@router.get("", summary="Who did what, newest first")
def list_events(caller: Admin, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditOut]:
    mine = AuditEvent.tenant_id == caller.tenant_id
    before = number_cursor(cursor)
    query = select(AuditEvent).where(mine, *([AuditEvent.id < before] if before is not None else []))
    rows = session.scalars(query.order_by(AuditEvent.id.desc()).limit(limit + 1)).all()
    items = [
        AuditOut(id=r.id, key_id=r.key_id, action=r.action, object_id=r.object_id, created_at=iso(r.created_at))
        for r in rows[:limit]
    ]
    total = session.scalar(select(func.count()).select_from(AuditEvent).where(mine)) or 0
    return Page(total=total, items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)
