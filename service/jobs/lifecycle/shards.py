"""A large sample drawn by several workers: child jobs that are claimed, leased, fenced and retried as any job.

The parent waits; no worker holds it. Its children go on under its lock, each with rows of its own, and whichever ends
last publishes the whole sample in the transaction in which it ends. Locks are taken parent first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from models.progress import STEPS
from service.db.base import new_id
from service.db.tables import Job, JobEvent, JobStep, SamplePart
from service.jobs.lifecycle.types import ENDED, HELD, Event, emit, hold, now

FOREVER = 1e12
"""Lease of a parent: what can be lost is its children, which have leases of their own."""


def split(session: Session, parent: Job, ranges: Sequence[tuple[int, int]]) -> None:
    """Make the children of a queued sample job: one for each (first row, rows)."""
    common = {
        "tenant_id": parent.tenant_id,
        "kind": parent.kind,
        "state": "queued",
        "queue": parent.queue,
        "dataset_id": parent.dataset_id,
        "synthesizer_id": parent.synthesizer_id,
        "attempt": 0,
        "max_attempts": parent.max_attempts,
        "hinted_at": parent.hinted_at,
        "created_at": parent.created_at,
        "parent_id": parent.id,
    }
    spec = {k: v for k, v in parent.spec.items() if k != "shards"}
    ids = [new_id("job") for _ in ranges]
    jobs = [
        {**common, "id": i, "spec": {**spec, "shard": n, "start": start, "rows": rows}}
        for n, (i, (start, rows)) in enumerate(zip(ids, ranges, strict=True))
    ]
    steps = [
        {"job_id": i, "name": name, "position": at, "fraction": 0.0, "message": ""}
        for i in ids
        for at, name in enumerate(STEPS[parent.kind])
    ]
    queued = {"type": "state", "data": {"state": "queued", "attempt": 0}, "attempt": 0}
    parent.shards = len(jobs)
    session.flush()
    session.execute(insert(Job), jobs)
    session.execute(insert(JobStep), steps)
    session.execute(insert(JobEvent), [{"job_id": i, **queued} for i in ids])


def tell_progress(session: Session, child: Job, events: Sequence[Event]) -> None:
    """A child has come further: so has its parent, which runs as soon as one child does. The caller holds both."""
    parent = session.get_one(Job, child.parent_id)
    moment = now(session)
    if parent.state == "queued":
        parent.state, parent.attempt, parent.lease_until, parent.started_at = "running", 1, FOREVER, moment
        emit(session, parent, Event("state", {"state": "running", "attempt": 1}))
        _step(session, parent, "read", fraction=1.0, started_at=moment, ended_at=moment)
        _step(session, parent, "sample", started_at=moment)
    if parent.state != "running" or not events:
        return
    drawn = case((Job.state == "succeeded", 1.0), else_=JobStep.fraction)
    query = (
        select(func.sum(drawn), func.sum(case((Job.state == "succeeded", 1), else_=0)))
        .join(JobStep, (JobStep.job_id == Job.id) & (JobStep.name == "sample"))
        .where(Job.parent_id == parent.id)
    )
    total, done = session.execute(query).one()
    fraction, message = float(total) / (parent.shards or 1), f"{done} of {parent.shards} parts are drawn"
    _step(session, parent, "sample", fraction=fraction, message=message)
    emit(session, parent, Event("progress", {"step": "sample", "fraction": round(fraction, 4), "message": message}))
    if child.spec["shard"] == 0:  # what holds for the whole sample is said once
        for event in events:
            if event.type == "warning":
                emit(session, parent, event)


def keep_part(session: Session, child: Job, rows: int, blob_id: str) -> None:
    """The rows of a child that has drawn them; its parent's last transaction makes them a sample."""
    part = SamplePart(job_id=child.parent_id, position=child.spec["shard"], row_count=rows, blob_id=blob_id)
    session.add(part)
    session.flush()


def parent_of_last(session: Session, child: Job) -> Job | None:
    """The parent, held, if this child that has just succeeded was the last one."""
    left = select(Job.id).where(Job.parent_id == child.parent_id, Job.state != "succeeded").limit(1)
    if child.parent_id is None or session.execute(left).first() is not None:
        return None
    parent = hold(session, child.parent_id, "queued", "running")
    if parent is not None:
        moment = now(session)
        _step(session, parent, "sample", fraction=1.0, ended_at=moment)
        _step(session, parent, "publish", fraction=1.0, started_at=moment, ended_at=moment)
    return parent


def results(session: Session, parent: Job) -> list[dict[str, Any]]:
    """What the children that have succeeded tell of their rows."""
    query = select(Job.result).where(Job.parent_id == parent.id, Job.state == "succeeded").order_by(Job.id)
    return [result for result in session.execute(query).scalars() if result]


def first_part(session: Session, parent: Job) -> str:
    """Blob of the first rows of a sample whose parts are all there."""
    query = select(SamplePart.blob_id).where(SamplePart.job_id == parent.id).order_by(SamplePart.position).limit(1)
    return str(session.execute(query).scalar_one())


def working(session: Session, parent: Job) -> bool:
    """Whether a worker still holds one of the children."""
    return session.execute(select(Job.id).where(Job.parent_id == parent.id, Job.state.in_(HELD))).first() is not None


def unfinished(session: Session, parent: Job) -> list[str]:
    query = select(Job.id).where(Job.parent_id == parent.id, Job.state.not_in(ENDED)).order_by(Job.id)
    return list(session.execute(query).scalars())


def drop_parts(session: Session, job_id: str) -> list[str]:
    """Forget the parts of a job. Answers their blobs, to delete after commit."""
    blobs = select(SamplePart.blob_id).where(SamplePart.job_id == job_id)
    ids = list(session.execute(blobs).scalars())
    session.execute(delete(SamplePart).where(SamplePart.job_id == job_id))
    return ids


def _step(session: Session, job: Job, name: str, **values: Any) -> None:
    changed: Mapping[str, Any] = values
    session.execute(update(JobStep).where(JobStep.job_id == job.id, JobStep.name == name).values(**changed))
