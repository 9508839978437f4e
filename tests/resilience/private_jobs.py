"""A job that carries a reservation, as a private fit will, submitted as any job is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from models.accounting import Event, gaussian
from service.db.session import Database
from service.idempotency import fingerprint
from service.jobs import service
from service.jobs.resolved import Resolved
from service.privacy.schemas import BudgetIn, BudgetOut
from service.privacy.service import set_budget
from service.security.principal import Principal
from service.settings import Settings

DELTA = 1e-9
FIT = {"fit": (gaussian(60.0, label="all pairs"),)}


def caller(tenant_id: str = "ten_a") -> Principal:
    return Principal(tenant_id, "key_a", "custodian")


def allow(bench: Any, epsilon: float, **more: Any) -> BudgetOut:
    """Set the budget of the bench's dataset."""
    wanted = BudgetIn(**{"epsilon": epsilon, "delta": DELTA, "rows_at_most": 1000, **more})
    return set_budget(bench.database, caller(bench.tenant_id), bench.dataset_id, wanted)


def submit(
    database: Database,
    settings: Settings,
    tenant_id: str,
    dataset_id: str,
    shares: Mapping[str, tuple[Event, ...]] = FIT,
    *,
    key: str | None = None,
    **spec: Any,
) -> str:
    """A queued job with its reservation -> its id. Raises what the ledger refuses it by."""

    def plan(session: Session) -> Resolved:
        whole = {"seed": 1, "where": [], "rows": 10, "schema": {"columns": []}, "schema_version": 0, **spec}
        return Resolved("synthesize", whole, 10, 1, dataset_id=dataset_id, shares=shares)

    asked = fingerprint([dataset_id, {a: [e.to_json() for e in h] for a, h in shares.items()}])
    job, _ = service.place(database, caller(tenant_id), plan, settings, key=key, asked=asked, private=True)
    return job.id
