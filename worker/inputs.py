"""A claimed job -> a folder with everything that its child needs, which sees neither database nor store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.errors import NotFound
from service.db.session import Database
from service.db.tables import Dataset, Sample, SamplePart, Synthesizer
from service.jobs.lifecycle import Claim
from service.jobs.private import is_private
from service.settings import Settings
from service.storage import BlobStore
from worker.archives import unpack
from worker.limits import job_memory, job_threads
from worker.verbs import EVALUATED_ROWS, REPLICATE


def materialise(claim: Claim, folder: Path, settings: Settings, database: Database, store: BlobStore) -> None:
    """Write `folder`/job.json and the input files. Raises NotFound if an input was deleted meanwhile."""
    facts, blobs = _describe(claim, database)
    for name, blob_id in blobs.items():
        with (folder / "in" / name).open("xb") as file:
            for chunk in store.chunks(blob_id):
                file.write(chunk)
    for name in ("synthesizer", "checkpoint"):
        archive = folder / "in" / f"{name}.tar"
        if archive.exists():
            unpack(archive, folder / name)
            archive.unlink()
    job = {
        "kind": claim.kind,
        "attempt": claim.attempt,
        "private": is_private(claim.spec),
        "spec": dict(claim.spec),
        "threads": job_threads(settings),
        "memory_bytes": job_memory(settings),
        "checkpoint_seconds": settings.checkpoint_seconds,
        "limits": {
            "max_unpacked_bytes": settings.max_unpacked_bytes,
            "max_columns": settings.max_columns,
            "max_rows": settings.max_table_rows,
        },
        **facts,
    }
    descriptor = os.open(folder / "job.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(job, out, allow_nan=False)


def _describe(claim: Claim, database: Database) -> tuple[dict[str, Any], Mapping[str, str]]:
    """(facts for job.json, input file name -> blob id)."""
    facts: dict[str, Any] = {}
    blobs: dict[str, str | None] = {}
    with database.read() as session:
        dataset = session.get(Dataset, claim.dataset_id) if claim.dataset_id else None
        synthesizer = session.get(Synthesizer, claim.synthesizer_id) if claim.synthesizer_id else None
        sample = session.get(Sample, claim.sample_id) if claim.sample_id else None
        if claim.kind == "profile" and dataset is not None:
            facts["filename"] = dataset.name
            blobs["upload"] = dataset.upload_blob_id
        elif claim.kind in ("synthesize", "tune") and dataset is not None:
            facts["schema"] = claim.spec["schema"]
            blobs["table.parquet"] = dataset.table_blob_id
            if claim.checkpoint_blob_id:
                blobs["checkpoint.tar"] = claim.checkpoint_blob_id
        elif claim.kind == "sample" and synthesizer is not None:
            facts["schema"] = claim.spec.get("schema", synthesizer.schema)
            blobs["synthesizer.tar"] = synthesizer.artifact_blob_id
            if claim.spec.get("impute"):
                blobs["table.parquet"] = None if dataset is None else dataset.table_blob_id
        elif claim.kind == "evaluate" and "real" in claim.spec:
            facts["schema"], facts["schemas"] = claim.spec["schema"], {}
            blobs["table.parquet"] = None if dataset is None else dataset.table_blob_id
            more = {REPLICATE.format(i): id for i, id in enumerate(claim.spec.get("replicates") or (), 2)}
            for role, id in {**claim.spec, **more}.items():
                if role in ("synthetic", "holdout", *more):
                    other = session.get(Dataset, id)
                    facts["schemas"][role] = None if other is None else other.schema
                    blobs[f"{role}.parquet"] = None if other is None else other.table_blob_id
        elif claim.kind == "compare":
            facts["schema"] = claim.spec["schema"]
            if "sample_id" not in claim.spec:
                blobs["table.parquet"] = None if dataset is None else dataset.table_blob_id
            elif sample is not None:
                blobs |= _parts(session, sample)
            if "test" in claim.spec:
                test = session.get(Dataset, claim.spec["test"])
                blobs["test.parquet"] = None if test is None else test.table_blob_id
        elif claim.kind == "evaluate" and dataset is not None and synthesizer is not None and sample is not None:
            facts["schema"], facts["split"] = sample.schema, synthesizer.manifest["split"]
            if privacy := synthesizer.manifest.get("privacy"):
                facts["private_split"] = {"unit": privacy["unit"]["column"], "schema": dataset.schema}
            blobs["table.parquet"] = dataset.table_blob_id
            blobs |= _parts(session, sample)
            for i, id in enumerate(claim.spec.get("replicates") or (), 2):
                further, name = session.get(Sample, id), REPLICATE.format(i)
                blobs |= {name: None} if further is None else _parts(session, further, name)
    found = {name: blob_id for name, blob_id in blobs.items() if blob_id is not None}
    if not found or len(found) < len(blobs):
        raise NotFound("What the job works on was deleted.", hint="Upload the table again and start a new job.")
    return facts, found


def _parts(session: Session, sample: Sample, name: str = "sample") -> dict[str, str | None]:
    """As many parts of a sample as an evaluation reads."""
    out: dict[str, str | None] = {f"{name}.parquet": sample.table_blob_id}
    query = select(SamplePart).where(SamplePart.job_id == sample.job_id).order_by(SamplePart.position)
    rows = 0
    for part in session.scalars(query):
        if part.position and rows < EVALUATED_ROWS:
            out[f"{name}-{part.position}.parquet"] = part.blob_id
        rows += part.row_count
    return out
