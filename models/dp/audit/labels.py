"""An audit of label discovery: a label that one row alone has must not come out.

A stability histogram publishes labels whose noisy counts pass a threshold. Of a label that a single unit has, this
happens with the chance that the plan charges as delta; seeing it once says that this unit is in the table.
"""

from __future__ import annotations

import math
import time

import pyarrow as pa
from scipy.stats import binom

from models.dp import discovery as discovering
from models.dp.audit.bounds import rate_bounds
from models.dp.audit.finding import ALARM, CONFIDENCE, Finding
from models.privacy.domain import discovery
from models.schema import Column, Kind, Schema
from models.table import Table

SCHEMA = Schema((Column("town", Kind.CATEGORICAL),))
HERMIT, CROWD = "a town of one", 2_000


def lone_label(epsilon: float, delta: float, runs: int) -> Finding:
    """Find the labels of a table with one row of a town of its own, many times. A town of many must be found."""
    start = time.perf_counter()
    history = discovery(SCHEMA, epsilon, delta, spent=(), rows_per_unit=1)
    charged = math.fsum(event.delta for event in history if event.delta is not None)
    towns = pa.array(["a large town"] * CROWD + [HERMIT], pa.string())
    table = Table(SCHEMA, pa.table({"town": towns}))
    found = [discovering.discover(table, SCHEMA, history)["town"].categories or () for _ in range(runs)]
    seen, blind = sum(HERMIT in labels for labels in found), sum("a large town" not in labels for labels in found)
    p = float(binom.sf(seen - 1, runs, charged)) if seen else 1.0
    low = rate_bounds(seen, runs, 1 - CONFIDENCE)[0]
    return Finding(
        "discovery: a label of one row",
        p > ALARM and not blind,
        f"published in {seen} of {runs} runs" + (f", a town of many missed in {blind}" if blind else ""),
        p=p,
        trials=runs,
        seconds=time.perf_counter() - start,
        figures={"delta_charged": charged, "delta_lower": low},
    )
