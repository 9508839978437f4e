from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import LedgerEntry, LedgerHead, PrivacyBudget

Row = PrivacyBudget | LedgerEntry
TABLES: tuple[type[PrivacyBudget] | type[LedgerEntry], ...] = (PrivacyBudget, LedgerEntry)


def head(session: Session, tenant_id: str, dataset_id: str) -> LedgerHead | None:
    """Also of a dataset that was deleted."""
    query = select(LedgerHead).where(LedgerHead.dataset_id == dataset_id, LedgerHead.tenant_id == tenant_id)
    return session.scalars(query).one_or_none()


def newest(session: Session, dataset_id: str, limit: int, before: int | None) -> list[Row]:
    """Lines of the ledger, budgets among the entries, newest first."""
    found: list[Row] = []
    for table in TABLES:
        query = select(table).where(table.dataset_id == dataset_id, *([table.seq < before] if before else []))
        found.extend(session.scalars(query.order_by(table.seq.desc()).limit(limit)))
    return sorted(found, key=lambda row: -row.seq)[:limit]


def oldest(session: Session, dataset_id: str, limit: int, after: int) -> list[Row]:
    """The same from the oldest on."""
    found: list[Row] = []
    for table in TABLES:
        query = select(table).where(table.dataset_id == dataset_id, table.seq > after)
        found.extend(session.scalars(query.order_by(table.seq).limit(limit)))
    return sorted(found, key=lambda row: row.seq)[:limit]
