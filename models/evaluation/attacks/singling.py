"""Singling out: does a description that fits one synthetic row fit exactly one person that was trained on?

Predicates and attack: Giomi et al. 2023 (PoPETs 2023(2), section 4.1), after Cohen and Nissim 2020 (arXiv:1904.06009).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.evaluation.attacks.rates import Excess, Rate, flipped, risk
from models.evaluation.attacks.setting import Finding, Setting
from models.evaluation.intervals import Z
from models.evaluation.matrix import Floats, Ints, Matrix, sample
from models.evaluation.result import Metric

COLUMNS = 4
"""Conditions of a multivariate predicate."""
PREDICATES = 2_000
ATTEMPTS = 60
"""Predicates that are tried, at most, for each that is wanted."""
NARROW = 0.02
"""A predicate of several columns is tried where its narrowest condition fits no more of the synthetic rows."""
HIGH = 1e18


@dataclass(frozen=True, eq=False)
class Predicates:
    """columns: int (K, C); low, high: float64 (K, C): a row fits where every column lies between, ends included."""

    columns: Ints
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, rows: Ints) -> Predicates:
        return Predicates(self.columns[rows], self.low[rows], self.high[rows])


@dataclass(frozen=True, eq=False)
class Sorted:
    """table (D, N): numbers and codes as they are, each missing code a value of its own below all others; order,
    ordered (D, N): the rows of each column in its order, and the values so."""

    table: Floats
    order: Ints
    ordered: Floats

    @staticmethod
    def of(matrix: Matrix) -> Sorted:
        gone = matrix.missing.astype(np.float64)
        table = np.ascontiguousarray(np.where(gone >= 0, -HIGH * (2 + gone), matrix.values).T)
        order = np.argsort(table, axis=1, kind="stable")
        return Sorted(table, order, np.take_along_axis(table, order, 1))


def singled(predicates: Predicates, rows_of: Sorted, widest: float = 1.0) -> Ints:
    """Row that each predicate singles out, -1 where it fits none or several. (K,)

    A predicate's narrowest condition is a short run of rows of a sorted column; only these are tried for the others.
    One whose narrowest condition fits more than a share `widest` of the rows is not tried: -1.
    """
    table, order = rows_of.table, rows_of.order
    begin, end = np.empty(predicates.columns.shape, np.int64), np.empty(predicates.columns.shape, np.int64)
    for j, values in enumerate(rows_of.ordered):
        at = np.nonzero(predicates.columns == j)
        begin[at] = np.searchsorted(values, predicates.low[at], side="left")
        end[at] = np.searchsorted(values, predicates.high[at], side="right")
    width = end - begin
    best = width.argmin(axis=1)
    out = np.full(len(predicates), -1)
    for k in np.flatnonzero(width.min(axis=1) <= widest * table.shape[1]):
        c = best[k]
        rows = order[predicates.columns[k, c], begin[k, c] : end[k, c]]
        for other in range(predicates.columns.shape[1]):
            if other == c or not len(rows):
                continue
            x = table[predicates.columns[k, other], rows]
            rows = rows[(x >= predicates.low[k, other]) & (x <= predicates.high[k, other])]
        if len(rows) == 1:
            out[k] = rows[0]
    return out


def univariate(synthetic: Sorted, labelled: Floats, most: int, rng: np.random.Generator) -> Predicates:
    """Values that occur once, and the ends of the numbers."""
    columns, low, high = [], [], []
    for j, column in enumerate(synthetic.table):
        values, times = np.unique(column, return_counts=True)
        once = values[times == 1]
        columns += [j] * len(once)
        low += once.tolist()
        high += once.tolist()
        numbers = values[values > -HIGH]
        if not labelled[j] and len(numbers):
            columns += [j, j]
            low += [-HIGH, float(numbers[-1])]
            high += [float(numbers[0]), HIGH]
    pick = rng.permutation(len(columns))
    found = Predicates(np.array(columns, np.int64)[pick, None], np.array(low)[pick, None], np.array(high)[pick, None])
    return found.take(np.flatnonzero(singled(found, synthetic) >= 0)[:most]) if len(columns) else found


def multivariate(synthetic: Sorted, labelled: Floats, most: int, rng: np.random.Generator) -> Predicates:
    """Conditions taken from a synthetic row in COLUMNS columns: its label, or at least (at most) its number where that
    is above (below) the median; those that fit one synthetic row only."""
    table = synthetic.table
    d, n = table.shape
    fixed = labelled > 0
    middle = np.array([np.median(c[c > -HIGH]) if (c > -HIGH).any() else 0.0 for c in table])
    width = min(COLUMNS, d)
    kept: list[Predicates] = []
    have, tried = 0, 0
    while have < most and tried < ATTEMPTS * most:
        size = max(200, most)
        tried += size
        columns = np.sort(rng.random((size, d)).argpartition(width - 1, axis=1)[:, :width], axis=1)
        value = table[columns, rng.integers(0, n, size)[:, None]]
        exact = fixed[columns] | (value <= -HIGH)
        above = value > middle[columns]
        drawn = Predicates(
            columns,
            np.where(exact | above, value, -HIGH),
            np.where(exact | ~above, value, HIGH),
        )
        drawn = drawn.take(np.flatnonzero(singled(drawn, synthetic, NARROW) >= 0))
        kept.append(drawn)
        have += len(drawn)
    parts = [np.concatenate([getattr(p, f) for p in kept]) for f in ("columns", "low", "high")]
    _, first = np.unique(np.concatenate(parts, axis=1), axis=0, return_index=True)
    return Predicates(*parts).take(np.sort(first)[:most])


def singling_out(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Both kinds of predicates, on as many training rows as there are holdout rows (their number matters)."""
    names = ("singling_out_univariate", "singling_out_multivariate")
    if not s.enough:
        return [Finding(Metric(n, None, "disclosure", status="unavailable", note=s.lack())) for n in names], {}
    context, rng = s.context, s.rng("singling out")
    rows = min(len(context.real), len(context.holdout), context.options.rows)
    inside, outside = (Sorted.of(sample(m, rows, rng)) for m in (context.real, context.holdout))
    synthetic = Sorted.of(s.synthetic)
    labelled = np.array([c.labelled for c in context.real.columns])
    found, section = [], []
    for name, make in zip(names, (univariate, multivariate), strict=True):
        context.progress.check()
        predicates = make(synthetic, labelled, PREDICATES, rng)
        if len(predicates) < 30:
            note = f"Only {len(predicates)} predicates single out a synthetic row, too few to attack with; needs 30."
            found.append(Finding(Metric(name, None, "disclosure", status="unavailable", note=note)))
            continue
        a, b = singled(predicates, inside), singled(predicates, outside)
        attack, control = (Rate(int((x >= 0).sum()), len(x)) for x in (a, b))
        excess = risk(attack, control)
        hubs = np.concatenate([np.bincount(x[x >= 0], minlength=rows).astype(float) for x in (a, b)])
        excess = _tossed(excess, hubs, rows, len(a), 1 - control.value)
        note = (
            f"Predicates that fit one synthetic row fit exactly one of {rows:,} training rows: {attack}; one of as "
            f"many holdout rows: {control}. The figure is (attack - control) / (1 - control)."
        )
        metric = Metric(name, excess.value, "disclosure", "", None, 0.0, None, max(-1.0, excess.low), excess.high,
                        goal=0.0, note=note)  # fmt: skip
        found.append(Finding(metric, excess))
        section.append({"attack": name, "predicates": len(a), "training": attack.value, "holdout": control.value})
    return found, {"singling_out": section}


def _tossed(excess: Excess, hubs: Floats, rows: int, predicates: int, left: float) -> Excess:
    """Predicates that single out the same row succeed and fail together: the test counts rows, not predicates."""
    spread, p, bar = flipped(hubs, np.repeat([1.0, -1.0], rows))
    wide = Z * spread / predicates / (left or 1.0)
    low, high = min(excess.low, excess.value - wide), max(excess.high, excess.value + wide)
    most = max(excess.highest, (excess.value + wide) * left)
    return replace(
        excess,
        low=low,
        high=min(1.0, high),
        p=p,
        most=most,
        bar=lambda chance: bar(chance) / (predicates * (left or 1.0)),
    )
