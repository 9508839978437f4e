"""A stored table -> synthesizer, sample and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.errors import InvalidCondition
from models.synthesize import fit
from models.table import Table
from worker.archives import pack
from worker.reporting import Reporter
from worker.verbs import EVALUATED_ROWS
from worker.verbs.evaluate import assess, in_shares, under
from worker.verbs.stored import mode_of, read_stored, read_training, warned, write_sample

MIN_REAL_ROWS = 20
"""Real rows under the conditions of a sample below which an evaluation says nothing."""


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidSchema where the data contradicts the schema, InvalidInput, InvalidCondition."""
    spec = job["spec"]
    if spec.get("privacy"):
        from worker.verbs import private

        return private.run(job, folder, progress)
    real, options, checkpoint = read_training(job, folder, progress)
    _judgeable(real, spec)
    synthesizer = fit(real, options=options, progress=progress, checkpoint=checkpoint)
    synthesizer.save(folder / "synthesizer")
    pack(folder / "synthesizer", folder / "out" / "synthesizer.tar")
    progress.step("sample")
    warnings = warned(synthesizer, spec, progress)
    path = folder / "out" / "sample.parquet"
    costs = write_sample(
        synthesizer,
        path,
        rows=spec["rows"],
        where=spec["where"],
        seed=spec["seed"],
        progress=progress,
        balance=spec.get("balance"),
        mode=mode_of(spec),
    )
    synthetic = read_stored(path, job["schema"], EVALUATED_ROWS)
    evaluation = assess(real, synthetic, spec, options.holdout, options.seed, progress)
    if costs:
        evaluation["sections"]["rules"]["cost"] = costs["rules"]
    return {
        "schema": job["schema"],
        "manifest": synthesizer.manifest,
        "rows": spec["rows"],
        "warnings": warnings,
        **costs,
        "evaluation": evaluation,
    }


def _judgeable(real: Table, spec: dict[str, Any]) -> None:
    """Raises InvalidCondition before training where too few real rows are like the sample that is asked for."""
    table = under(real, spec["where"])
    what, hint = "meet the conditions", "Train without conditions, then draw a sample under these conditions"
    if spec.get("balance") and len(table) >= MIN_REAL_ROWS:
        [table] = in_shares([table], spec)
        what, hint = "can be chosen in the asked shares", "Train without a balance, then draw a balanced sample"
    if (spec["where"] or spec.get("balance")) and len(table) < MIN_REAL_ROWS:
        raise InvalidCondition(
            f"Fewer than {MIN_REAL_ROWS} rows of the table {what}, so their sample could not be judged.",
            hint=f"{hint} from the synthesizer.",
        )
