"""A sample against the real rows that its synthesizer was trained on, and against those that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.conditions import parse_conditions
from models.evaluation import evaluate
from models.synthesize import split
from models.table import Table
from worker.reporting import Reporter
from worker.verbs.stored import EVALUATED_ROWS, read_stored


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    synthetic = read_stored(folder / "in" / "sample.parquet", job["schema"], EVALUATED_ROWS)
    how = job["split"]
    return {"evaluation": assess(real, synthetic, job["spec"], how["fraction"], how["seed"], progress)}


def assess(
    real: Table, synthetic: Table, spec: dict[str, Any], fraction: float, seed: int, progress: Reporter
) -> dict[str, Any]:
    """Evaluation as JSON. The split is the one made before training, so the holdout is new to the synthesizer.

    A sample under conditions is compared with the real rows that meet them.
    """
    progress.step("evaluate")
    train_rows, holdout_rows = split(len(real), fraction, seed)
    train, holdout = (under(real.take(rows), spec["where"]) for rows in (train_rows, holdout_rows))
    evaluation = evaluate(train, holdout, synthetic, target=spec.get("target"), seed=spec["seed"], progress=progress)
    return dict(evaluation.to_json())


def under(table: Table, where: Sequence[str]) -> Table:
    """The rows that meet the conditions."""
    for condition in parse_conditions(where, table.schema):
        table = table.take(condition.matches(table).nonzero()[0])
    return table
