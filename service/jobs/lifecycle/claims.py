"""Who works on what: claims, leases on the database's clock, and the reconciler that outlives every worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from models.errors import PopulaceError
from service.db.base import epoch_now
from service.db.tables import Job, JobStep
from service.jobs.lifecycle.ends import end
from service.jobs.lifecycle.types import HELD, Claim, Event, emit, hold, hold_claim, now


class WorkerLost(PopulaceError):
    """Every attempt ended with its worker vanishing."""

    code, status, title = "worker_lost", 500, "The worker was lost"


def claim(session: Session, *, worker: str, queues: Sequence[str], lease_seconds: float) -> Claim | None:
    """The oldest queued job of these queues, now running under a lease; None if there is none.

    Workers on Postgres skip rows that another is claiming; on SQLite the write transaction lets in one at a time.
    """
    oldest = (
        select(Job)
        .where(Job.state == "queued", Job.queue.in_(queues), Job.attempt < Job.max_attempts, Job.shards.is_(None))
        .order_by(Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    job = session.execute(oldest).scalar_one_or_none()
    if job is None:
        return None
    moment = now(session)
    job.state, job.worker, job.attempt = "running", worker[:200], job.attempt + 1
    job.lease_until = moment + lease_seconds
    job.started_at = job.started_at or moment
    session.execute(
        update(JobStep).where(JobStep.job_id == job.id).values(fraction=0.0, message="", started_at=None, ended_at=None)
    )
    emit(session, job, Event("state", {"state": "running", "attempt": job.attempt}))
    return Claim(
        id=job.id,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        tenant_id=job.tenant_id,
        kind=job.kind,
        spec=dict(job.spec),
        dataset_id=job.dataset_id,
        synthesizer_id=job.synthesizer_id,
        sample_id=job.sample_id,
        checkpoint_blob_id=job.checkpoint_blob_id,
    )


def heartbeat(session: Session, held: Claim, *, lease_seconds: float) -> str | None:
    """Extend the lease. `running`, `cancelling` (stop the work), or None (lost: stop and write nothing)."""
    answer = session.execute(
        update(Job)
        .where(Job.id == held.id, Job.attempt == held.attempt, Job.state.in_(HELD))
        .values(lease_until=epoch_now() + lease_seconds)
        .returning(Job.state)
    ).scalar_one_or_none()
    return None if answer is None else str(answer)


def state_of(session: Session, held: Claim) -> str | None:
    """As `heartbeat`, but without extending the lease."""
    query = select(Job.state).where(Job.id == held.id, Job.attempt == held.attempt, Job.state.in_(HELD))
    answer = session.execute(query).scalar_one_or_none()
    return None if answer is None else str(answer)


def requeue(session: Session, job: Job, reason: str) -> None:
    """Back to the queue, free for any worker, and to be hinted at. The caller holds the job."""
    job.state, job.lease_until, job.worker, job.hinted_at = "queued", None, None, None
    emit(session, job, Event("state", {"state": "queued", "attempt": job.attempt, "reason": reason}))


def release(session: Session, held: Claim) -> list[str]:
    """Give the job back unfinished because this worker shuts down. Raises FencedError; answers no blobs, as
    the checkpoint stays.

    It costs no attempt: the limit moves up rather than the count down, so that fencing tokens never repeat.
    """
    job = hold_claim(session, held)
    job.max_attempts += 1
    requeue(session, job, "worker_stopped")
    return []


@dataclass
class Reconciled:
    """What was found. queues: to hint; blobs: no longer referred to, to delete after commit."""

    requeued: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    blobs: list[str] = field(default_factory=list)


def reconcile(session: Session, *, hint_after: float) -> Reconciled:
    """Take back what vanished workers held, and hint again at jobs that wait for longer than hint_after seconds.

    Any number of workers may do so at a time: each job is held while it is changed.
    """
    out = Reconciled()
    moment = now(session)
    expired = select(Job.id).where(Job.state.in_(HELD), Job.lease_until < moment).order_by(Job.id)
    for job_id in session.execute(expired).scalars().all():
        job = hold(session, job_id, *HELD)
        if job is None or job.lease_until is None or job.lease_until >= moment:
            continue
        if job.state == "cancelling":
            out.blobs += end(session, job, "cancelled")
            out.cancelled.append(job_id)
        elif job.attempt < job.max_attempts:
            requeue(session, job, "worker_lost")
            out.requeued.append(job_id)
        else:
            lost = WorkerLost(
                f"The worker vanished in each of {job.attempt} attempts.",
                hint="Look at the workers' logs: most often the machine ran out of memory.",
            )
            out.blobs += end(session, job, "failed", problem=lost.to_problem())
            out.failed.append(job_id)
    waiting = (
        update(Job)
        .where(Job.state == "queued", Job.shards.is_(None))
        .where(or_(Job.hinted_at.is_(None), Job.hinted_at < moment - hint_after))
        .values(hinted_at=moment)
        .returning(Job.queue)
    )
    out.queues |= set(session.execute(waiting).scalars())
    return out
