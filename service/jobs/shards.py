"""How a large sample is divided among workers. Rows depend on the seed and their number alone, so any of them can be
drawn anywhere."""

from __future__ import annotations

from service.jobs.resolved import Resolved
from service.settings import Settings

BLOCK = 8_192
"""Rows that the generator draws together: a shard begins with a whole block where it can."""
MOST_CELLS = 20_000_000
"""Cells of a shard: also a wide sample is stored in parts whose footers are small."""
MOST_SHARDS = 1_000


def ranges(job: Resolved, settings: Settings) -> list[tuple[int, int]]:
    """(first row, rows) of each shard of a sample job; one of them if it is not divided."""
    size = max(1, min(settings.shard_rows, MOST_CELLS // max(job.columns, 1)))
    if job.kind != "sample" or job.spec.get("impute") or job.rows <= size:
        return [(0, job.rows)]
    count = min(-(-job.rows // size), MOST_SHARDS)
    size = -(-job.rows // count)
    if size >= BLOCK:
        size += -size % BLOCK
    return [(start, min(size, job.rows - start)) for start in range(0, job.rows, size)]
