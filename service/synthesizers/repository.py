from __future__ import annotations

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from service.db.tables import Job, Report, Sample, Synthesizer
from service.jobs.lifecycle import drop_parts
from service.jobs.lifecycle.types import ENDED


def of_tenant(tenant_id: str) -> Select[Synthesizer]:
    return select(Synthesizer).where(Synthesizer.tenant_id == tenant_id)


def get(session: Session, tenant_id: str, synthesizer_id: str) -> Synthesizer | None:
    return session.scalar(of_tenant(tenant_id).where(Synthesizer.id == synthesizer_id))


def in_use(session: Session, synthesizer_id: str) -> bool:
    query = select(Job.id).where(Job.synthesizer_id == synthesizer_id, Job.state.not_in(ENDED))
    return session.scalar(query.limit(1)) is not None


def remove(session: Session, synthesizer: Synthesizer) -> list[str]:
    """Delete it with its samples and their reports -> ids of the blobs that nothing refers to now."""
    samples = select(Sample.id).where(Sample.synthesizer_id == synthesizer.id)
    blobs = [synthesizer.artifact_blob_id]
    for sample in session.scalars(select(Sample).where(Sample.synthesizer_id == synthesizer.id)).all():
        blobs += {sample.table_blob_id, *drop_parts(session, sample.job_id)}
    session.execute(delete(Report).where(Report.sample_id.in_(samples)))
    session.execute(delete(Sample).where(Sample.synthesizer_id == synthesizer.id))
    session.execute(delete(Synthesizer).where(Synthesizer.id == synthesizer.id))
    return blobs
