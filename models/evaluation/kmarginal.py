"""The k-marginal score of NIST's SDNist on its scale from 0 to 1000, and the subsample that scores the same.

1000 times (1 - mean total variation) over all pairs of columns, numbers in 20 bins of equal rank; where a table has an
area column, over triples of it and each pair (Task et al. 2023, "SDNist v2: Deidentified Data Report Tool", NIST IR;
the 2-marginals "PUMA, a, b" of the Diverse Communities excerpts). The equivalent subsample is the share of the real
rows, drawn without replacement, whose score comes nearest. As many fresh real rows as there are real rows differ from
these by the noise of two samples and score like a subsample of a third, not like all of them: 1/f - 1 = 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from models.evaluation.bars import distance_quantile
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.groups import area_of
from models.evaluation.intervals import Z
from models.evaluation.marginals import GROUPS, compare
from models.evaluation.matrix import Cells, Ints, bootstrap, independent, sample
from models.evaluation.result import Metric

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Subsamples, as SDNist has them."""
BINS = 20
MOST_CELLS = 150
"""Columns of more cells are left out of the pairs: they measure nothing but noise (SDNist leaves out INDP)."""
PAIRS = 276
ALPHA = 0.001
"""Chance that fresh real rows miss the bar."""


def scores(
    tables: Sequence[Ints], sizes: Sequence[int], pairs: Sequence[tuple[int, ...]], group: int | None
) -> tuple[list[float], tuple[float, float], float]:
    """Scores of cells (N, D) of each table but the first, against the first; what chance makes of the first score's
    mean distance: its mean, and a standard deviation that it does not exceed (distances are correlated); and the first
    score's standard error."""
    first = () if group is None else (group,)
    total, chance, left = np.zeros(len(tables) - 1), np.zeros(2), np.zeros(GROUPS)
    for pair in pairs:
        keys, size = [np.zeros(len(t), np.int64) for t in tables], 1
        for j in (*first, *pair):
            keys = [k * sizes[j] + t[:, j] for k, t in zip(keys, tables, strict=True)]
            size *= sizes[j]
        distances, jackknife, moments = compare(keys, size)
        total += distances
        chance += moments
        left += jackknife
    count = max(len(pairs), 1)
    mean, deviation = chance / count
    error = 1000 * np.sqrt((GROUPS - 1) / GROUPS * ((left - left.mean()) ** 2).sum()) / count
    return [float(v) for v in 1000 * (1 - total / count)], (float(mean), float(deviation)), float(error)


def equivalent(score: float, curve: Sequence[float]) -> float:
    """The fraction of FRACTIONS whose score comes nearest."""
    return FRACTIONS[int(np.argmin([abs(score - c) for c in curve]))]


def subsamples(real: Ints, rng: Generator) -> list[Ints]:
    """Nested random subsamples of the real rows, one for each of FRACTIONS."""
    order = rng.permutation(len(real))
    return [real[order[: max(1, round(f * len(real)))]] for f in FRACTIONS]


def pairs_of(sizes: Sequence[int], group: int | None, most: int, rng: Generator) -> list[tuple[int, ...]]:
    """All pairs of columns with at most MOST_CELLS cells, without the group; of more than `most` a random choice."""
    chosen = [j for j, size in enumerate(sizes) if j != group and size <= MOST_CELLS]
    every: list[tuple[int, ...]] = list(itertools.combinations(chosen, 2))
    if len(every) <= most:
        return every
    return [every[i] for i in np.sort(rng.choice(len(every), most, replace=False))]


def k_marginal(context: Context) -> Part:
    """Score and equivalent subsample, with the yardsticks' own."""
    rng = context.rng("k_marginal")
    real = sample(context.real, context.options.rows, rng)
    rows = min(len(real), len(context.synthetic))
    tables = {
        "synthetic": sample(context.synthetic, rows, rng),
        "ceiling": bootstrap(real, rows, rng),
        "floor": independent(real, rows, rng),
    }
    if len(context.holdout) >= FEW_ROWS:
        tables["holdout"] = sample(context.holdout, rows, rng)
    cells = Cells.fit(real, BINS)
    group = area_of(context)
    pairs = pairs_of(cells.sizes, group, PAIRS, rng)
    if not pairs:
        why = "There is no pair of columns with few enough values."
        return Part(
            [
                Metric(
                    "k_marginal",
                    None,
                    "k_marginal",
                    direction="higher",
                    goal=1000.0,
                    unit="points",
                    note=why,
                    status="unavailable",
                )
            ]
        )
    codes = cells.codes(real)
    smaller = subsamples(codes, rng)
    read, chance, error = scores(
        [codes, *(cells.codes(t) for t in tables.values()), *smaller], cells.sizes, pairs, group
    )
    bar = 1000 * (1 - distance_quantile(*chance, ALPHA))
    found = dict(zip(tables, read, strict=False))
    curve = read[len(tables) :]
    by = f", each with {context.names[group]}" if group is not None else ""
    note = (
        f"{len(pairs):,} pairs{by}; {rows:,} rows of each table. As many fresh real rows score like a subsample of 33%."
    )
    like = {name: equivalent(score, curve) for name, score in found.items()}

    def metric(name: str, of: dict[str, float], goal: float, unit: str, bar: float) -> Metric:
        value, *yards = (of.get(t) for t in ("synthetic", "ceiling", "holdout", "floor"))
        status = "pass" if (value or 0.0) >= bar else "fail"
        how = {"direction": "higher", "goal": goal, "unit": unit, "note": note, "bar": bar, "status": status}
        ends = (found["synthetic"] - Z * error, min(1000.0, found["synthetic"] + Z * error))
        if name == "k_marginal_subsample":
            # Between the fractions, by lines: the figure itself is one of them.
            first, last = np.interp(ends, np.maximum.accumulate(curve), FRACTIONS)
            ends = (float(first), float(last))
        how |= {"low": min(value or 0.0, ends[0]), "high": max(value or 0.0, ends[1])}
        return Metric(name, value, "k_marginal", "", *yards, **how)  # type: ignore[arg-type]

    metrics = [
        metric("k_marginal", found, 1000.0, "points", bar),
        metric("k_marginal_subsample", like, 1.0, "share", equivalent(bar, curve)),
    ]
    section = {
        "group": None if group is None else context.names[group],
        "scores": found,
        "equivalent": like,
        "curve": [{"fraction": f, "score": c} for f, c in zip(FRACTIONS, curve, strict=True)],
        "note": note,
    }
    return Part(metrics, {"k_marginal": section}, {"k_marginal_rows": rows, "k_marginal_pairs": len(pairs)})
