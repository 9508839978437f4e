"""What the child does for each kind of job: run(job, folder, progress) -> outcome (JSON). Models only."""

EVALUATED_ROWS = 1_000_000
"""Rows of a sample that an evaluation reads. They are independent draws, so the first ones stand for all."""
REPLICATE = "synthetic-{}"
"""Role, and file, of a further sample of an evaluation, from 2 on."""
