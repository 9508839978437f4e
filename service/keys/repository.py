from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.db.tables import ApiKey


def of_tenant(tenant_id: str) -> Select[ApiKey]:
    return select(ApiKey).where(ApiKey.tenant_id == tenant_id)


def get(session: Session, tenant_id: str, key_id: str) -> ApiKey | None:
    return session.scalar(of_tenant(tenant_id).where(ApiKey.id == key_id))
