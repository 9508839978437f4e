"""/health: the process answers. /ready: it can work. /metrics: figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import func, select

from models.errors import PopulaceError
from service.db import migrate
from service.db.base import epoch_now
from service.db.tables import Blob, Dataset, Job, Report, Sample, Synthesizer
from service.deps import Caller, Db, Reading

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


class NotReady(PopulaceError):
    """The database cannot be used as it is."""

    code, status, title = "not_ready", 503, "Not ready"


@router.get("/health", summary="The process answers (no key)")
def health() -> Health:
    return Health(status="ok")


@router.get("/ready", summary="The database answers and is at this release's revision (no key)")
def ready(database: Db) -> Health:
    try:
        found = migrate.revision(database)
    except Exception as error:  # whatever a driver raises: the answer is the same
        raise NotReady("The database does not answer.", hint="See `populace doctor`.") from error
    if found != migrate.head():
        raise NotReady("The database is at another revision.", hint="Run `populace migrate`.")
    return Health(status="ready")


@router.get("/metrics", summary="Figures in Prometheus' text format", response_class=Response)
def metrics(caller: Caller, session: Reading) -> Response:
    """Counts of the caller's tenant."""
    mine = Job.tenant_id == caller.tenant_id
    lines = ["# TYPE populace_jobs gauge"]
    for kind, state, count in session.execute(
        select(Job.kind, Job.state, func.count()).where(mine).group_by(Job.kind, Job.state)
    ):
        lines.append(f'populace_jobs{{kind="{kind}",state="{state}"}} {count}')
    oldest = session.scalar(select(epoch_now() - func.min(Job.created_at)).where(mine, Job.state == "queued"))
    gauges: dict[str, float] = {"populace_oldest_queued_seconds": max(0.0, oldest or 0.0)}
    for name, table in (("datasets", Dataset), ("synthesizers", Synthesizer), ("samples", Sample), ("reports", Report)):
        own = select(func.count()).select_from(table).where(table.tenant_id == caller.tenant_id)
        gauges[f"populace_{name}"] = session.scalar(own) or 0
    if caller.role == "admin":
        gauges["populace_stored_bytes"] = float(session.scalar(select(func.sum(Blob.bytes))) or 0)
    for name, value in gauges.items():
        lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
