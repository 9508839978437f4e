"""Rough cost of a job before it runs, fitted to measurements on two cores without a GPU, and how far it may be off."""

from __future__ import annotations

import math

from models.schema import schema_from_json
from service.jobs import costs
from service.jobs.resolved import Resolved
from service.jobs.schemas import Estimates

START_SECONDS = 5.0
"""Starting the child process and importing its libraries."""
CELL_SECONDS, ROWS_POWER = 0.18, 0.3
"""A synthesize job takes START + CELL_SECONDS * columns * rows ** ROWS_POWER seconds: fitted to six tables of
bench/README.md (918 to 119,390 rows, 12 to 32 columns, mostly labels), which it meets within 30%. Steps grow slower
than rows, and wide tables take longer steps."""
TRAINING, EVALUATION = 0.75, 0.15
"""Shares of that which training and evaluation take (Adult: 38 and 8 of 54 s)."""
CELLS_PER_SECOND = 240_000.0
"""Cells drawn per second (Adult: 32,561 rows of 15 columns in 2 s)."""
CELLS_PER_SECOND_WHERE = 26_000.0
"""The same under conditions (Adult: 10,000 rows of women of 65 and more in 5.8 s)."""
CELLS_PER_SECOND_FAST = 1_500_000.0
"""The same in fast mode."""
DISTIL_SECONDS = 25.0
"""Making a synthesizer fit for fast mode."""
PRIVATE_SECONDS = 5.0
"""Of mechanism marginals (Adult: 4 s), nearly whatever the rows."""
CTGAN_STEP_SECONDS = 0.01
"""Of model ctgan, at 15 columns."""
BASE_BYTES = 600 * 1024**2
CELL_BYTES = 25
"""Of the table that a job reads (10,000,000 x 15: bench/README.md, Size)."""
CSV_CELL_BYTES = 8
FITTED, COMPARED, SINGLE = 2.5, 2.0, 3.0
"""The true time lies between an estimate divided and multiplied by this: where it is fitted to tables (those of numbers
alone train 2.5 times as long), of a comparison of methods, and where one figure stands behind it."""


def estimate(job: Resolved) -> Estimates:
    """Seconds and bytes for a resolved job."""
    cells = job.rows * job.columns
    seconds, factor = START_SECONDS, SINGLE
    if job.kind == "synthesize" and job.spec.get("privacy"):
        seconds += PRIVATE_SECONDS + EVALUATION * _work(job)
    elif job.kind == "synthesize":
        options = job.spec["options"]
        seconds += min(_training(job), options.get("max_time") or math.inf) + EVALUATION * _work(job)
        factor = SINGLE if options.get("model") == "ctgan" else FITTED
    elif job.kind == "tune" and job.spec.get("method"):
        each = costs.trial(job.spec["options"], schema_from_json(job.spec["schema"]), job.table_rows or job.rows)
        seconds += min(job.spec["trials"] * each, job.spec["max_time"] or math.inf)
    elif job.kind == "tune":
        seconds += min(job.spec["trials"] * _work(job), job.spec["max_time"] or math.inf)
    elif job.kind == "compare":
        schema, tested = schema_from_json(job.spec["schema"]), "test" in job.spec
        seconds += costs.comparison(job.spec["options"], schema, job.table_rows or job.rows, tested)
        factor = COMPARED
    elif job.kind == "evaluate":
        seconds += EVALUATION * _work(job)
    if job.kind in ("synthesize", "sample"):
        asked = job.spec.get("where") or job.spec.get("balance")
        fast = job.spec.get("mode") == "fast"
        usual = CELLS_PER_SECOND_FAST if fast else CELLS_PER_SECOND
        seconds += cells / (CELLS_PER_SECOND_WHERE if asked else usual)
        seconds += DISTIL_SECONDS if fast and job.kind == "synthesize" else 0.0
    whole = job.kind != "sample" or bool(job.spec.get("impute"))  # the table is in memory
    return Estimates(
        seconds=round(seconds, 1),
        seconds_low=round(seconds / factor, 1),
        seconds_high=round(seconds * factor, 1),
        memory_bytes=BASE_BYTES + (CELL_BYTES * (job.table_rows or job.rows) * job.columns if whole else 0),
        sample_bytes=cells * CSV_CELL_BYTES,
    )


def _work(job: Resolved) -> float:
    """Seconds of a synthesize job on the same table, its start left out."""
    return CELL_SECONDS * job.columns * math.pow(job.table_rows or job.rows, ROWS_POWER)


def _training(job: Resolved) -> float:
    """Seconds, were there no limit."""
    options, rows = job.spec["options"], job.table_rows or job.rows
    if options.get("model") == "ctgan":
        steps = (options["epochs"] or 300) * max(1.0, rows / (options["batch"] or 500))
        return float(steps * CTGAN_STEP_SECONDS * max(job.columns / 15, 0.3))
    usual = 1_000 * max(1.0, math.sqrt(rows / 30_000))  # models/gan/plan.py
    return TRAINING * _work(job) * float(options.get("steps") or usual) / usual
