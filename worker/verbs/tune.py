"""A stored table -> the training options that did best on rows held out inside its training part; or the options of a
method of classification or regression that did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.comparison.search_options import SearchOptions
from models.evaluation.result import clean
from models.ingest import check_schema
from models.tuning.options import TuneOptions
from models.tuning.search import tune
from worker.reporting import Reporter
from worker.verbs.stored import read_stored, read_training


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidSchema where the data contradicts the schema, InvalidInput, InvalidData."""
    spec = job["spec"]
    if spec.get("method"):
        return of_method(job, folder, progress)
    real, options, checkpoint = read_training(job, folder, progress)
    tuning = TuneOptions.from_json(
        {name: spec[name] for name in ("objective", "trials", "max_time", "validation", "space")}
    )
    progress.step("tune")
    found = tune(real, options=options, tuning=tuning, target=spec["target"], progress=progress, checkpoint=checkpoint)
    return {"tuning": found.to_json()}


def of_method(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidInput, InvalidSchema, and InvalidData where no trial succeeded."""
    from models.comparison.search import search

    progress.step("read")
    table = read_stored(folder / "in" / "table.parquet", job["schema"])
    progress.step("profile")
    check_schema(table)
    progress.step("tune")
    found = search(table, SearchOptions.from_json(job["spec"]["options"]), progress=progress)
    report = found.to_json()
    told = report["sections"]["search"]
    tuning = {name: told[name] for name in ("method", "target", "trials", "best", "ended", "verdict")}
    tuning |= {"options": clean(found.options), "score": told["measure"], "better": told["direction"]}
    return {"tuning": tuning, "evaluation": report}
