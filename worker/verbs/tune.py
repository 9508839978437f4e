"""A stored table -> the training options that did best on rows held out inside its training part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.tuning.options import TuneOptions
from models.tuning.search import tune
from worker.reporting import Reporter
from worker.verbs.stored import read_training


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidSchema where the data contradicts the schema, InvalidInput, InvalidData."""
    spec = job["spec"]
    real, options, checkpoint = read_training(job, folder, progress)
    tuning = TuneOptions.from_json(
        {name: spec[name] for name in ("objective", "trials", "max_time", "validation", "space")}
    )
    progress.step("tune")
    found = tune(real, options=options, tuning=tuning, target=spec["target"], progress=progress, checkpoint=checkpoint)
    return {"tuning": found.to_json()}
