"""An upload -> its stored form, schema and profile. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.ingest import Limits, infer_schema, profile, read_upload
from models.table import Table, write_parquet
from worker.reporting import Reporter


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidData, TooLarge or UnsupportedMedia for an upload that is not a usable table, InvalidInput for a
    target that it has not, or that nothing could learn."""
    given = job["limits"]
    limits = Limits(max_bytes=given["max_unpacked_bytes"], max_rows=given["max_rows"], max_columns=given["max_columns"])
    progress.step("read")
    data, dialect, storages = read_upload(
        folder / "in" / "upload", filename=job.get("filename"), limits=limits, progress=progress
    )
    progress.step("profile")
    table = Table(infer_schema(data, dialect, storages), data)
    progress.update(0.5, "schema inferred")
    progress.check()
    facts = profile(table, target=job["spec"].get("target"))
    write_parquet(data, folder / "out" / "table.parquet")
    return {"schema": table.schema.to_json(), "profile": facts, "rows": len(table)}
