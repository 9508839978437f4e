"""A stored table -> synthesizer, sample and evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.errors import InvalidCondition
from models.ingest import check_schema
from models.options import FitOptions
from models.synthesize import fit
from worker.archives import pack
from worker.reporting import Reporter
from worker.verbs.evaluate import assess, under
from worker.verbs.stored import EVALUATED_ROWS, read_stored, write_sample

MIN_REAL_ROWS = 20
"""Real rows under the conditions of a sample below which an evaluation says nothing."""


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidSchema where the data contradicts the schema, InvalidInput, InvalidCondition."""
    spec = job["spec"]
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    progress.step("profile")
    check_schema(real)
    if spec["where"] and len(under(real, spec["where"])) < MIN_REAL_ROWS:
        raise InvalidCondition(
            f"Fewer than {MIN_REAL_ROWS} rows of the table meet the conditions, so their sample could not be judged.",
            hint="Train without conditions, then draw a sample under these conditions from the synthesizer.",
        )
    options = FitOptions.from_json(spec["options"])
    options = replace(options, threads=options.threads or job["threads"])
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    synthesizer = fit(real, options=options, progress=progress, checkpoint=checkpoint)
    synthesizer.save(folder / "synthesizer")
    pack(folder / "synthesizer", folder / "out" / "synthesizer.tar")
    progress.step("sample")
    path = folder / "out" / "sample.parquet"
    write_sample(synthesizer, path, rows=spec["rows"], where=spec["where"], seed=spec["seed"], progress=progress)
    synthetic = read_stored(path, job["schema"], EVALUATED_ROWS)
    evaluation = assess(real, synthetic, spec, options.holdout, options.seed, progress)
    return {
        "schema": job["schema"],
        "manifest": synthesizer.manifest,
        "rows": spec["rows"],
        "evaluation": evaluation,
    }
