"""A trained synthesizer -> another sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.synthesize import Synthesizer
from worker.reporting import Reporter
from worker.verbs.stored import write_sample


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidCondition or InvalidArtifact."""
    progress.step("read")
    trained = Synthesizer.load(folder / "synthesizer")
    options = {**trained.manifest["options"], "threads": job["threads"]}  # of this machine, not of the one that trained
    synthesizer = replace(trained, manifest={**trained.manifest, "options": options})
    spec = job["spec"]
    progress.step("sample")
    write_sample(
        synthesizer,
        folder / "out" / "sample.parquet",
        rows=spec["rows"],
        where=spec["where"],
        seed=spec["seed"],
        progress=progress,
    )
    return {"rows": spec["rows"]}
