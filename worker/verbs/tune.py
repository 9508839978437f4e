"""A stored table -> the training options that did best on rows held out inside its training part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.ingest import check_schema
from models.options import FitOptions
from models.tuning.options import TuneOptions
from models.tuning.search import tune
from worker.reporting import Reporter
from worker.verbs.stored import read_stored


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidSchema where the data contradicts the schema, InvalidInput, InvalidData."""
    spec = job["spec"]
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    progress.step("profile")
    check_schema(real)
    options = FitOptions.from_json(spec["options"])
    options = replace(options, threads=options.threads or job["threads"])
    tuning = TuneOptions.from_json(
        {name: spec[name] for name in ("objective", "trials", "max_time", "validation", "space")}
    )
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    progress.step("tune")
    found = tune(real, options=options, tuning=tuning, target=spec["target"], progress=progress, checkpoint=checkpoint)
    return {"tuning": found.to_json()}
