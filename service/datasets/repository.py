from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from service.db.tables import Dataset, Job, Report, Sample, SamplePart, Synthesizer
from service.jobs.lifecycle.types import ENDED
from service.reports.repository import combined, combines


def of_tenant(tenant_id: str) -> Select[Dataset]:
    return select(Dataset).where(Dataset.tenant_id == tenant_id)


def get(session: Session, tenant_id: str, dataset_id: str) -> Dataset | None:
    return session.scalar(of_tenant(tenant_id).where(Dataset.id == dataset_id))


def profile_jobs(session: Session, dataset_ids: Sequence[str]) -> dict[str, str]:
    """dataset id -> id of the job that profiles it."""
    query = select(Job.dataset_id, Job.id).where(Job.kind == "profile", Job.dataset_id.in_(dataset_ids))
    return {dataset_id: job_id for dataset_id, job_id in session.execute(query) if dataset_id is not None}


def working_jobs(session: Session, dataset_id: str) -> Sequence[str]:
    """Jobs at work on the dataset, be it beside another one, or with what was made from it, such as an imputation of
    another one."""
    made = select(Synthesizer.id).where(Synthesizer.dataset_id == dataset_id)
    beside = [Job.spec[role].as_string() == dataset_id for role in ("synthetic", "holdout", "test")]
    busy = or_(Job.dataset_id == dataset_id, Job.synthesizer_id.in_(made), *beside, combines(dataset_id))
    return session.scalars(select(Job.id).where(busy, Job.state.not_in(ENDED))).all()


def remove(session: Session, dataset: Dataset) -> list[str]:
    """Delete the dataset and all derived from it -> ids of the blobs that nothing refers to now."""
    blobs = {dataset.upload_blob_id, dataset.table_blob_id}
    made = select(Synthesizer.id).where(Synthesizer.dataset_id == dataset.id)
    imputed = Sample.synthesizer_id.in_(made)  # tables of other datasets, filled in by its synthesizers
    blobs.update(session.scalars(select(Sample.table_blob_id).where(imputed)))
    for column, owner in (
        (Synthesizer.artifact_blob_id, Synthesizer),
        (Sample.table_blob_id, Sample),
        (Job.checkpoint_blob_id, Job),
    ):
        blobs.update(session.scalars(select(column).where(owner.dataset_id == dataset.id)))
    drawn = select(SamplePart.blob_id).join(Job, Job.id == SamplePart.job_id)
    blobs.update(session.scalars(drawn.where(Job.dataset_id == dataset.id)))
    session.execute(delete(Report).where(or_(Report.dataset_id == dataset.id, combined(dataset.id))))
    session.execute(delete(Sample).where(imputed))
    for table in (Sample, Synthesizer, Job):
        session.execute(delete(table).where(table.dataset_id == dataset.id))
    session.execute(delete(Dataset).where(Dataset.id == dataset.id))
    return [blob for blob in blobs if blob is not None]
