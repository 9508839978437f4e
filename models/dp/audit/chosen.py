"""Audits of the distances by which tables are chosen (models/dp/selection.py)."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
from scipy.stats import chi2

from models.dp import release as releasing
from models.dp import selection
from models.dp.audit.canary import judged
from models.dp.audit.finding import ALARM, Finding
from models.dp.audit.invented import SIZES, counted, people
from models.dp.pairs import choose
from models.dp.release import Release
from models.dp.selection import independent, part
from models.rng import stream

COLUMNS, CELLS = 5, 3
RELEASES = 60


def distance_canary(epsilon: float, delta: float, releases: int, rows: int, seed: int = 0) -> Finding:
    """A unit in cells where nobody else is, and the reference expects nobody, moves each distance by all its rows, the
    most that it may. Its coin is guessed from the distances, as in canary.py."""
    start = time.perf_counter()
    sizes = (CELLS,) * COLUMNS
    pairs = choose(sizes, one_way=0.0)
    rng = stream(seed, "canary", "distances", repr(epsilon), rows)
    others = rng.integers(0, CELLS - 1, (30, COLUMNS))
    unit = np.full((2 * rows, COLUMNS), CELLS - 1)
    references = [np.bincount(others[:, a] * CELLS + others[:, b], minlength=CELLS**2) for a, b in pairs.axes]
    _, (event,) = releasing.plan(pairs, epsilon, delta, rows_per_unit=rows)
    coins = rng.random(releases) < 0.5
    ratios = np.empty(releases)
    for i, coin in enumerate(coins):
        codes = np.concatenate([others, unit]) if coin else others
        units = np.minimum(np.arange(len(codes)), len(others))
        seen = releasing.distances_for(codes, pairs, references, event, rows_per_unit=rows, units=units)
        ratios[i] = ((2 * seen.values - rows) * rows / (2 * seen.sd**2)).sum()
    name = f"distances: canary, unit of {rows} rows"
    return judged(name, ratios, coins, epsilon, delta, time.perf_counter() - start)


def distance_noise(releases: int = RELEASES) -> Finding:
    """Distances are those of the exact tables from products of the released columns, with the noise that is stated:
    whoever knows the rows finds no more and no less between them (chi-square, both sides)."""
    start = time.perf_counter()
    codes = people()
    workload = choose(SIZES, one_way=0.3, rows=0.1)
    _, (event,) = releasing.plan(workload, 1.0, 1e-9)
    off = np.concatenate([_residuals(selection.released(codes, workload, event), codes) for _ in range(releases)])
    total = float((off**2).sum())
    p = min(1.0, 2 * min(float(chi2.cdf(total, len(off))), float(chi2.sf(total, len(off)))))
    return Finding(
        "distances: noise",
        p > ALARM,
        f"{total / len(off):.2f} of the variance stated, in {len(off):,} distances",
        p=p,
        trials=len(off),
        seconds=time.perf_counter() - start,
    )


def _residuals(drawn: Release, codes: np.ndarray) -> np.ndarray:
    """Noise of each distance in units of its sd, as worked out from the rows."""
    assert drawn.distances is not None  # noqa: S101 - tables were chosen
    single = part(drawn.workload, [i for i, axes in enumerate(drawn.workload.axes) if len(axes) < 2])
    kept = len(single.axes)
    columns = Release(single, drawn.counts[:kept], drawn.sd[:kept], drawn.rows, drawn.rows_per_unit, drawn.events)
    pairs = choose(drawn.workload.sizes, one_way=0.0)
    assert pairs.axes == drawn.distances.axes == tuple(combinations(range(len(SIZES)), 2))  # noqa: S101 - as released
    exact = [np.abs(counted(codes, a) - r).sum() for a, r in zip(pairs.axes, independent(columns, pairs), strict=True)]
    found: np.ndarray = (drawn.distances.values - np.array(exact)) / drawn.distances.sd
    return found
