"""Stored tables of a job folder, and samples written to it piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.conditions import parse_conditions
from models.schema import schema_from_json
from models.synthesize import Synthesizer, sample_batches
from models.table import StoredWriter, Table, batch_rows
from worker.reporting import Part, Reporter

SHARD_ROWS = 1_000_000
"""Rows drawn by one call. Rows depend on the seed and their number alone, so a shard can be drawn anywhere."""
EVALUATED_ROWS = 1_000_000
"""Rows of a sample that an evaluation reads. They are independent draws, so the first ones stand for all."""


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


def write_sample(
    synthesizer: Synthesizer, path: Path, *, rows: int, where: Sequence[str], seed: int, progress: Reporter
) -> None:
    """Draw `rows` rows into a Parquet file, shard after shard, a row group in memory at a time."""
    conditions = parse_conditions(where, synthesizer.schema)
    with StoredWriter(path, synthesizer.schema.names) as writer:
        for start in range(0, rows, SHARD_ROWS):
            count = min(SHARD_ROWS, rows - start)
            part = Part(progress, start / rows, (start + count) / rows)
            for batch in sample_batches(synthesizer, count, where=conditions, seed=seed, start=start, progress=part):
                writer.write(batch)
