"""What can be done with datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Conflict, NotFound, ProblemError
from models.rules import check_rules
from models.schema import Schema, merge_schema, schema_from_json
from service import audit
from service.datasets import repository
from service.datasets.schemas import DatasetOut
from service.datasets.upload import Upload
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Dataset
from service.jobs.service import enqueue_profile
from service.paging import Page, iso, newest
from service.privacy import ledger
from service.security.principal import Principal
from service.settings import Settings
from service.storage import BlobStore


def view(dataset: Dataset, job_id: str | None) -> DatasetOut:
    return DatasetOut(
        id=dataset.id,
        name=dataset.name,
        state=dataset.state,
        media_type=dataset.media_type,
        bytes=dataset.bytes,
        sha256=dataset.sha256,
        row_count=dataset.row_count,
        column_count=dataset.column_count,
        schema_version=dataset.schema_version,
        problem=dataset.problem,
        job_id=job_id,
        created_at=iso(dataset.created_at),
    )


def create(
    database: Database, caller: Principal, settings: Settings, upload: Upload, target: str | None = None
) -> DatasetOut:
    """An uploaded blob becomes a dataset, and its profile job is queued, in one transaction."""
    with database.write() as session:
        dataset = Dataset(
            id=new_id("ds"),
            tenant_id=caller.tenant_id,
            name=upload.name,
            bytes=upload.blob.bytes,
            sha256=upload.blob.sha256,
            media_type=upload.media_type,
            upload_blob_id=upload.blob.id,
        )
        session.add(dataset)
        session.flush()
        job_id = enqueue_profile(session, caller.tenant_id, dataset.id, settings, target)
        audit.record(session, caller, "dataset.create", dataset.id)
        session.refresh(dataset)
        return view(dataset, job_id)


def find(session: Session, caller: Principal, dataset_id: str) -> Dataset:
    """Raises NotFound, also for another tenant's dataset."""
    dataset = repository.get(session, caller.tenant_id, dataset_id)
    if dataset is None:
        raise NotFound("There is no such dataset.", hint="GET /v1/datasets lists them.")
    return dataset


def get(session: Session, caller: Principal, dataset_id: str) -> DatasetOut:
    dataset = find(session, caller, dataset_id)
    return view(dataset, repository.profile_jobs(session, [dataset_id]).get(dataset_id))


def list_datasets(session: Session, caller: Principal, limit: int, cursor: str | None) -> Page[DatasetOut]:
    total, rows, following = newest(session, repository.of_tenant(caller.tenant_id), Dataset, limit, cursor)
    jobs = repository.profile_jobs(session, [d.id for d in rows])
    return Page(total=total, items=[view(d, jobs.get(d.id)) for d in rows], next_cursor=following)


def ready(session: Session, caller: Principal, dataset_id: str) -> Dataset:
    """Raises NotFound; Conflict while the dataset is pending; its own problem if it was rejected."""
    dataset = find(session, caller, dataset_id)
    if dataset.state == "pending":
        job_id = repository.profile_jobs(session, [dataset_id]).get(dataset_id)
        raise Conflict(
            "The dataset is still being read.",
            hint=f"Wait for job {job_id}: GET /v1/jobs/{job_id}?wait=60.",
            code="dataset_pending",
        )
    if dataset.state == "rejected":
        raise ProblemError({**(dataset.problem or {}), "status": 409})
    return dataset


def change_schema(
    database: Database, caller: Principal, dataset_id: str, change: Callable[[Schema], Schema]
) -> dict[str, Any]:
    """Replace the schema by `change` of it; columns keep their names and order. Data is checked when a job reads it."""
    with database.write() as session:
        dataset = ready(session, caller, dataset_id)
        current = schema_from_json(dataset.schema)
        changed = change(current)
        if changed.names != current.names:
            raise Conflict(
                "A schema must name the table's columns, all of them, in their order.",
                hint=f"Columns: {', '.join(current.names[:30])}.",
                code="invalid_schema",
            )
        check_rules(changed)
        dataset.schema = changed.to_json()
        dataset.schema_version += 1
        audit.record(session, caller, "dataset.schema", dataset.id)
        return dataset.schema


def patch_schema(database: Database, caller: Principal, dataset_id: str, patch: Any) -> dict[str, Any]:
    """Raises InvalidSchema with the place of what is wrong."""
    return change_schema(database, caller, dataset_id, lambda current: merge_schema(current, patch))


def put_schema(database: Database, caller: Principal, dataset_id: str, schema: Any) -> dict[str, Any]:
    """Raises InvalidSchema with the place of what is wrong."""
    return change_schema(database, caller, dataset_id, lambda current: schema_from_json(schema))


def upload_bytes(
    session: Session, caller: Principal, store: BlobStore, dataset_id: str
) -> tuple[Dataset, Iterator[bytes]]:
    """The original bytes, streamed. Raises NotFound once they are gone (rejected datasets keep none)."""
    dataset = find(session, caller, dataset_id)
    if dataset.upload_blob_id is None:
        raise NotFound("The uploaded bytes of this dataset are not kept.", hint="Rejected uploads are deleted.")
    return dataset, store.chunks(dataset.upload_blob_id)


def delete(database: Database, store: BlobStore, caller: Principal, dataset_id: str) -> None:
    """Delete it with all that was derived from it. Raises NotFound, Conflict while jobs work on it.

    Its privacy ledger stays, closed: what has left about its people does not come back.
    """
    with database.write() as session:
        dataset = find(session, caller, dataset_id)
        if jobs := repository.working_jobs(session, dataset_id):
            raise Conflict(
                f"{len(jobs)} job(s) still work on this dataset.",
                hint=f"Cancel them or wait: POST /v1/jobs/{jobs[0]}/cancel.",
                code="dataset_in_use",
            )
        blobs = repository.remove(session, dataset)
        ledger.close(session, dataset_id, caller.key_id)
        audit.record(session, caller, "dataset.delete", dataset_id)
    store.delete(blobs)
