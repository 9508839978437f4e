"""What the lifecycle hands out, and the guard that every write of a worker passes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.base import epoch_now
from service.db.tables import Job, JobEvent

QUEUE_OF = {
    "profile": "cpu",
    "synthesize": "gpu",
    "sample": "gpu",
    "evaluate": "cpu",
    "tune": "gpu",
    "compare": "cpu",
}
ENDED = frozenset({"succeeded", "failed", "cancelled"})
HELD = ("running", "cancelling")


class FencedError(Exception):
    """This attempt no longer holds the job: it was cancelled, re-queued or given to another worker. Write nothing."""


@dataclass(frozen=True)
class Claim:
    """One attempt at one job, as its worker holds it. (id, attempt) is the fencing token of all its writes."""

    id: str
    attempt: int
    max_attempts: int
    tenant_id: str
    kind: str
    spec: Mapping[str, Any]
    dataset_id: str | None
    synthesizer_id: str | None
    sample_id: str | None
    checkpoint_blob_id: str | None


@dataclass(frozen=True)
class StepReport:
    """State of one step. started_ago, ended_ago: seconds before `made` (this process's clock), None if it has not."""

    fraction: float = 0.0
    message: str = ""
    started_ago: float | None = None
    ended_ago: float | None = None
    made: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Event:
    """type: state, step, progress, checkpoint, trial; touched or noise (service.privacy.ledger)."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)


def now(session: Session) -> float:
    """Seconds since 1970 on the database's clock."""
    return float(session.execute(select(epoch_now())).scalar_one())


def hold(session: Session, job_id: str, *states: str, attempt: int | None = None) -> Job | None:
    """The job, locked until the transaction ends, if it is in one of the states (and in that attempt); else None.

    Postgres locks the row and checks the condition again once it has the lock; on SQLite the write transaction is
    exclusive from its start. So what the caller then changes is guarded by the condition, and the events of one job
    get their ids in the order in which they become visible.
    """
    parent_id = session.execute(select(Job.parent_id).where(Job.id == job_id)).scalar_one_or_none()
    if parent_id is not None:  # what happens to a shard concerns the whole sample; always parents first
        session.execute(select(Job.id).where(Job.id == parent_id).with_for_update())
    query = select(Job).where(Job.id == job_id, Job.state.in_(states))
    if attempt is not None:
        query = query.where(Job.attempt == attempt)
    return session.execute(query.with_for_update().execution_options(populate_existing=True)).scalar_one_or_none()


def hold_claim(session: Session, claim: Claim, *states: str) -> Job:
    """As `hold`, for the worker's own attempt. Raises FencedError."""
    job = hold(session, claim.id, *(states or ("running",)), attempt=claim.attempt)
    if job is None:
        raise FencedError(claim.id)
    return job


def emit(session: Session, job: Job, event: Event) -> None:
    """Append an event. The caller holds the job."""
    session.add(JobEvent(job_id=job.id, attempt=job.attempt, type=event.type, data=dict(event.data)))
    session.flush()
