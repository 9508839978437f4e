"""Rough cost of a job before it runs. Figures: two cores, no GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.jobs.schemas import Estimates
from service.jobs.specs import Resolved

START_SECONDS = 6.0
"""Starting the child process and importing its libraries."""
TRAIN_SECONDS = 90.0
"""Training is bounded by steps rather than by rows; narrow tables take less."""
TRAIN_COLUMNS = 15
CELLS_PER_SECOND = 200_000.0
"""Cells drawn per second: a network of usual width draws about 100,000 on each core."""
CTGAN_STEP_SECONDS = 0.01
"""Of model ctgan, at TRAIN_COLUMNS columns."""
EVALUATE_SECONDS = 40.0
TRIAL_SECONDS = 10.0
"""Drawing and judging of one trial of a search."""
BASE_BYTES = 600 * 1024**2
CELL_BYTES = 60
CSV_CELL_BYTES = 8


def estimate(job: Resolved) -> Estimates:
    """Seconds and bytes for a resolved job."""
    cells = job.rows * job.columns
    seconds = START_SECONDS
    if job.kind == "synthesize":
        seconds += min(_training(job), _limit(job.spec["options"]))
    if job.kind == "tune":
        trial = TRAIN_SECONDS * max(job.columns / TRAIN_COLUMNS, 0.3) + TRIAL_SECONDS
        seconds += min(job.spec["trials"] * trial, job.spec["max_time"] or math.inf)
    if job.kind in ("synthesize", "sample"):
        seconds += cells / CELLS_PER_SECOND
    if job.kind in ("synthesize", "evaluate"):
        seconds += EVALUATE_SECONDS
    memory = BASE_BYTES + (CELL_BYTES * cells if job.kind != "sample" else 0)
    return Estimates(seconds=round(seconds, 1), memory_bytes=memory, sample_bytes=cells * CSV_CELL_BYTES)


def _training(job: Resolved) -> float:
    """Seconds, were there no limit. Rows to train on are taken to be as many as are asked for."""
    options, wide = job.spec["options"], max(job.columns / TRAIN_COLUMNS, 0.3)
    if options.get("model") != "ctgan":
        return TRAIN_SECONDS * wide
    return (options["epochs"] or 300) * max(1.0, job.rows / (options["batch"] or 500)) * CTGAN_STEP_SECONDS * wide


def _limit(options: Mapping[str, Any]) -> float:
    """Seconds after which training ends."""
    limit = options.get("max_time")
    return math.inf if limit is None else float(limit)
