"""What can be done with samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sqlalchemy.orm import Session

from models.errors import Conflict, NotFound
from models.schema import schema_from_json
from models.streaming import stream_csv, stream_parquet
from models.table import stored_batches
from service import audit
from service.db.session import Database
from service.db.tables import Job, Sample
from service.downloads import attachment
from service.jobs.private import is_private, when
from service.paging import Page, newest
from service.samples import repository
from service.samples.schemas import SampleOut
from service.security.principal import Principal
from service.storage import BlobStore

Format = Literal["csv", "parquet"]
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def view(sample: Sample, job: Job) -> SampleOut:
    """job: the one that made it."""
    result = job.result or {}
    imputed = bool(job.spec.get("impute"))
    return SampleOut(
        id=sample.id,
        dataset_id=sample.dataset_id,
        synthesizer_id=sample.synthesizer_id,
        job_id=sample.job_id,
        row_count=sample.row_count,
        where=sample.where,
        seed=sample.seed,
        kind="imputed" if imputed else "synthetic",
        confidential=imputed,
        balance=job.spec.get("balance"),
        mode=job.spec.get("mode") or "full",
        filled=result.get("filled"),
        warnings=result.get("warnings", []),
        created_at=str(when(sample.created_at, is_private(job.spec))),
    )


def find(session: Session, caller: Principal, sample_id: str) -> Sample:
    """Raises NotFound, also for another tenant's sample."""
    sample = repository.get(session, caller.tenant_id, sample_id)
    if sample is None:
        raise NotFound("There is no such sample.", hint="GET /v1/samples lists them.")
    return sample


def get(session: Session, caller: Principal, sample_id: str) -> SampleOut:
    sample = find(session, caller, sample_id)
    return view(sample, repository.jobs_of(session, [sample])[sample.job_id])


def list_samples(session: Session, caller: Principal, limit: int, cursor: str | None) -> Page[SampleOut]:
    total, rows, following = newest(session, repository.of_tenant(caller.tenant_id), Sample, limit, cursor)
    jobs = repository.jobs_of(session, rows)
    return Page(total=total, items=[view(s, jobs[s.job_id]) for s in rows], next_cursor=following)


def headers(session: Session, caller: Principal, sample_id: str, form: Format) -> dict[str, str]:
    """Of a download: its name, and for real records that they are confidential."""
    sample = get(session, caller, sample_id)
    if not sample.confidential:
        return attachment(f"{sample_id}.{form}")
    return {
        **attachment(f"confidential-{sample_id}.{form}"),
        "X-Populace-Kind": sample.kind,
        "X-Populace-Confidential": "holds real records",
    }


def content(session: Session, caller: Principal, store: BlobStore, sample_id: str, form: Format) -> Iterator[bytes]:
    """The table in the source's own columns, spelling and dialect (CSV) or types (Parquet); a row group in memory."""
    sample = find(session, caller, sample_id)
    schema = schema_from_json(sample.schema)
    parts = [store.open(blob_id) for blob_id in repository.parts(session, sample)]
    batches = (batch for part in parts for batch in stored_batches(part))
    return stream_csv(batches, schema) if form == "csv" else stream_parquet(batches, schema)


def delete(database: Database, store: BlobStore, caller: Principal, sample_id: str) -> None:
    """Delete it with its reports. Raises NotFound, Conflict while a job evaluates it."""
    with database.write() as session:
        sample = find(session, caller, sample_id)
        if repository.in_use(session, sample_id):
            raise Conflict("A job still evaluates this sample.", hint="Cancel it or wait for its end.")
        blobs = repository.remove(session, sample)
        audit.record(session, caller, "sample.delete", sample_id)
    store.delete(blobs)
