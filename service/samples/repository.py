from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from service.db.tables import Job, Report, Sample, SamplePart
from service.jobs.lifecycle import drop_parts
from service.jobs.lifecycle.types import ENDED
from service.reports.repository import combined, combines


def of_tenant(tenant_id: str) -> Select[Sample]:
    return select(Sample).where(Sample.tenant_id == tenant_id)


def get(session: Session, tenant_id: str, sample_id: str) -> Sample | None:
    return session.scalar(of_tenant(tenant_id).where(Sample.id == sample_id))


def jobs_of(session: Session, samples: Sequence[Sample]) -> dict[str, Job]:
    """job id -> the job that made a sample."""
    query = select(Job).where(Job.id.in_([s.job_id for s in samples]))
    return {job.id: job for job in session.scalars(query)}


def in_use(session: Session, sample_id: str) -> bool:
    busy = or_(Job.sample_id == sample_id, combines(sample_id))
    query = select(Job.id).where(busy, Job.state.not_in(ENDED))
    return session.scalar(query.limit(1)) is not None


def remove(session: Session, sample: Sample) -> list[str]:
    """Delete it with its reports -> ids of the blobs that nothing refers to now."""
    session.execute(delete(Report).where(or_(Report.sample_id == sample.id, combined(sample.id))))
    session.execute(delete(Sample).where(Sample.id == sample.id))
    return [*{sample.table_blob_id, *drop_parts(session, sample.job_id)}]


def parts(session: Session, sample: Sample) -> list[str]:
    """Blobs of its rows, in order."""
    query = select(SamplePart.blob_id).where(SamplePart.job_id == sample.job_id).order_by(SamplePart.position)
    return list(session.scalars(query)) or [sample.table_blob_id]
