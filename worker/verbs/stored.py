"""Stored tables of a job folder, and samples written to it piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.balance import parse_balance
from models.conditions import parse_conditions
from models.gan.ruling import Costs
from models.ingest import check_schema
from models.options import FitOptions
from models.schema import schema_from_json
from models.support import warnings_of
from models.synthesize import Synthesizer, sample_batches
from models.table import StoredWriter, Table, batch_rows
from worker.reporting import Reporter


def read_training(
    job: dict[str, Any], folder: Path, progress: Reporter, *, check: bool = True
) -> tuple[Table, FitOptions, Path]:
    """The table of a job that trains, the options and the folder of checkpoints. check: the table against its schema.

    Raises InvalidSchema where the data contradicts the schema, InvalidInput.
    """
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    progress.step("profile")
    if check:
        check_schema(real)
    options = FitOptions.from_json(job["spec"]["options"])
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    return real, replace(options, threads=options.threads or job["threads"]), checkpoint


def read_parts(folder: Path, schema: Any, rows: int, name: str = "sample") -> Table:
    """The first `rows` rows of a sample whose parts lie in `folder` as sample.parquet, sample-1.parquet, ..."""
    parts: list[pa.Table] = []
    path = folder / f"{name}.parquet"
    while path.exists() and rows > 0:
        parts.append(read_stored(path, schema, rows).data)
        rows -= parts[-1].num_rows
        path = folder / f"{name}-{len(parts)}.parquet"
    return Table(schema_from_json(schema), pa.concat_tables(parts))


def read_stored(path: Path, schema: Any, rows: int | None = None) -> Table:
    """The stored table at `path` (its first `rows` rows) under a schema given as JSON."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if rows is None or file.metadata.num_rows <= rows:
            return Table(schema_from_json(schema), file.read(use_threads=False))
        batches = []
        left = rows
        for batch in file.iter_batches(batch_size=batch_rows(file.metadata.num_columns), use_threads=False):
            batches.append(batch.slice(0, left))
            left -= batch.num_rows
            if left <= 0:
                break
        return Table(schema_from_json(schema), pa.Table.from_batches(batches))


def read_synthesizer(job: Mapping[str, Any], folder: Path) -> Synthesizer:
    """The synthesizer of a job folder. Raises InvalidArtifact."""
    trained = Synthesizer.load(folder / "synthesizer")
    options = {**trained.manifest["options"], "threads": job["threads"]}  # of this machine, not of the one that trained
    return replace(trained, manifest={**trained.manifest, "options": options})


def mode_of(spec: Mapping[str, Any]) -> str:
    """Of the sample that a job draws; jobs from before there were modes have none."""
    return str(spec.get("mode") or "full")


def warned(synthesizer: Synthesizer, spec: Mapping[str, Any], progress: Reporter) -> list[dict[str, str]]:
    """Warnings on a sample, for its record; each is an event of the job too."""
    found = [w.to_json() for w in warnings_of(synthesizer, spec["where"], spec.get("balance"), mode_of(spec))]
    for warning in found:
        progress.event("warning", warning)
    return found


def write_sample(
    synthesizer: Synthesizer,
    path: Path,
    *,
    rows: int,
    where: Sequence[str],
    seed: int,
    progress: Reporter,
    balance: Mapping[str, Any] | None = None,
    start: int = 0,
    mode: str = "full",
) -> dict[str, Any]:
    """Draw `rows` rows from row `start` on into a Parquet file, a row group in memory at a time. Rows depend on the
    seed and their number alone, so the rows of a sample can be drawn anywhere. -> what the schema's rules cost, as
    `rules`, if it has any."""
    conditions = parse_conditions(where, synthesizer.schema)
    shares = None if balance is None else parse_balance(balance, synthesizer.schema, conditions)
    costs = Costs()
    with StoredWriter(path, synthesizer.schema.names) as writer:
        how: dict[str, Any] = {"where": conditions, "balance": shares, "seed": seed, "start": start, "mode": mode}
        for batch in sample_batches(synthesizer, rows, **how, progress=progress, costs=costs):
            writer.write(batch)
    return {"rules": costs.to_json()} if synthesizer.schema.rules else {}
