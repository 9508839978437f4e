"""Queries of jobs, steps and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from models.progress import STEPS
from service.db.base import new_id
from service.db.tables import Dataset, Job, JobEvent, JobStep, Synthesizer
from service.jobs.lifecycle.types import QUEUE_OF, Event, emit, now


def add(
    session: Session,
    tenant_id: str,
    kind: str,
    spec: dict[str, Any],
    *,
    max_attempts: int,
    dataset_id: str | None = None,
    synthesizer_id: str | None = None,
    sample_id: str | None = None,
) -> Job:
    """A queued job with its steps and first event. It counts as hinted: the caller sends the hint after commit."""
    moment = now(session)
    job = Job(
        id=new_id("job"),
        tenant_id=tenant_id,
        kind=kind,
        state="queued",
        queue=QUEUE_OF[kind],
        spec=spec,
        dataset_id=dataset_id,
        synthesizer_id=synthesizer_id,
        sample_id=sample_id,
        attempt=0,
        max_attempts=max_attempts,
        hinted_at=moment,
        created_at=moment,
    )
    session.add(job)
    session.flush()
    session.add_all(JobStep(job_id=job.id, name=name, position=i) for i, name in enumerate(STEPS[kind]))
    emit(session, job, Event("state", {"state": "queued", "attempt": 0}))
    return job


def get(session: Session, tenant_id: str, job_id: str) -> Job | None:
    query = select(Job).where(Job.id == job_id, Job.tenant_id == tenant_id, Job.parent_id.is_(None))
    return session.execute(query).scalar_one_or_none()


def state(session: Session, tenant_id: str, job_id: str) -> str | None:
    """The state alone: specs are long."""
    query = select(Job.state).where(Job.id == job_id, Job.tenant_id == tenant_id)
    return session.execute(query).scalar_one_or_none()


def steps(session: Session, job_ids: Sequence[str]) -> dict[str, list[JobStep]]:
    """Steps of several jobs, in order."""
    out: dict[str, list[JobStep]] = {i: [] for i in job_ids}
    rows = select(JobStep).where(JobStep.job_id.in_(job_ids)).order_by(JobStep.job_id, JobStep.position)
    for step in session.execute(rows).scalars():
        out[step.job_id].append(step)
    return out


def matching(tenant_id: str, *, state: str | None, kind: str | None, dataset_id: str | None) -> Select[Job]:
    """Query of the tenant's jobs that fit what is given."""
    query = select(Job).where(Job.tenant_id == tenant_id, Job.parent_id.is_(None))
    for column, value in ((Job.state, state), (Job.kind, kind), (Job.dataset_id, dataset_id)):
        if value is not None:
            query = query.where(column == value)
    return query


def events(session: Session, job_id: str, *, after: int, limit: int) -> list[JobEvent]:
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after).order_by(JobEvent.id).limit(limit)
    return list(session.execute(query).scalars())


def count_events(session: Session, job_id: str) -> int:
    return session.execute(select(func.count()).select_from(JobEvent).where(JobEvent.job_id == job_id)).scalar_one()


def profile_job_id(session: Session, dataset_id: str) -> str | None:
    query = select(Job.id).where(Job.dataset_id == dataset_id, Job.kind == "profile")
    return session.execute(query).scalar_one_or_none()


def has_schema(session: Session, dataset_id: str | None, version: int) -> bool:
    """Whether the dataset is there, with this version of its schema."""
    return (
        session.execute(select(Dataset.schema_version).where(Dataset.id == dataset_id)).scalar_one_or_none() == version
    )


def made_by(session: Session, job_id: str) -> Job:
    """The job that made a sample: a sample goes with its job."""
    return session.get_one(Job, job_id)


def training_spec(session: Session, synthesizer_id: str) -> dict[str, Any]:
    """Spec of the job that trained the synthesizer."""
    query = select(Job.spec).join(Synthesizer, Synthesizer.job_id == Job.id).where(Synthesizer.id == synthesizer_id)
    return dict(session.execute(query).scalar_one())
