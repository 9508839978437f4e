"""A trained synthesizer -> another sample, or a table with its missing cells filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.synthesize import with_student
from worker.reporting import Reporter
from worker.verbs import impute
from worker.verbs.stored import mode_of, read_synthesizer, warned, write_sample


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidCondition or InvalidArtifact; of an imputation also what models.synthesize.impute raises."""
    progress.step("read")
    synthesizer = read_synthesizer(job, folder)
    spec = job["spec"]
    if spec.get("impute"):
        return impute.run(synthesizer, job, folder, progress)
    progress.step("sample")
    if mode_of(spec) == "fast":
        synthesizer = with_student(synthesizer, progress)
    warnings = warned(synthesizer, spec, progress)
    costs = write_sample(
        synthesizer,
        folder / "out" / "sample.parquet",
        rows=spec["rows"],
        where=spec["where"],
        seed=spec["seed"],
        progress=progress,
        balance=spec.get("balance"),
        start=spec.get("start", 0),
        mode=mode_of(spec),
    )
    return {"rows": spec["rows"], "warnings": warnings, **costs}
