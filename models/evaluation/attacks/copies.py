"""Exact and near copies of training rows in the sample, against how often the holdout repeats them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.evaluation.attacks.rates import Rate, passing, risk
from models.evaluation.attacks.setting import Finding, Setting
from models.evaluation.attacks.space import affordable
from models.evaluation.context import FEW_ROWS
from models.evaluation.matrix import Floats, Ints, Keys, Matrix, independent, sample
from models.evaluation.result import Metric

MARGIN, SLACK = 1.1, 0.0005
"""A sample may repeat a tenth and 5 in 10,000 rows more than the holdout does: it may favour frequent combinations."""
NEAR = 0.05
"""Numbers that differ by less of their standard deviation count as equal."""
ALIKE = {"close in all columns": "all columns", "close in all columns but one": "all columns but at most one"}
"""Subject of a figure, and what it says; columns that may differ: none, one."""
BLOCK = 1 << 17


def copies(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Share of synthetic rows equal to any training row in every modelled column."""
    context = s.context
    known = context.known
    mine = _equal(context.synthetic, known)
    held = _equal(context.holdout, known) if len(context.holdout) >= FEW_ROWS else None
    base = independent(context.real, min(len(context.real), context.options.rows), context.rng("copies"))
    note = (
        f"{mine} synthetic rows equal one of the {context.real_rows:,} training rows in all modelled columns. The "
        "ceiling is what a copy of the training data reads; the goal is what the holdout reads."
    )
    section: dict[str, Any] = {"copies": mine.hits, "distinct_training_share": len(known) / context.real_rows}
    floor = _equal(base, known).value
    if held is None:
        note += f" No holdout control (fewer than {FEW_ROWS} holdout rows): hold out rows before training."
        return [_finding("copies", "", mine, None, 1.0, floor, note)], section
    return [_finding("copies", "", mine, held, 1.0, floor, note)], section


def near_copies(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Share of rows that agree with a training row in all columns, close numbers as equal, and in all but one."""
    context = s.context
    if not s.enough:
        missing = Metric("near_copies", None, "disclosure", status="unavailable", note=s.lack())
        return [Finding(replace(missing, subject=name)) for name in ALIKE], {}
    known = sample(context.real, context.options.rows, s.rng("near copies"))
    most = affordable(context.options.distance_rows, len(known), 2 * len(context.names))
    apart, control = (_apart(m.take(np.arange(min(most, len(m)))), known) for m in (s.synthetic, s.controls))
    found = []
    for columns, (name, words) in enumerate(ALIKE.items()):
        rate, held = (Rate(int((a <= columns).sum()), len(a)) for a in (apart, control))
        note = (
            f"{rate} synthetic rows agree with one of {len(known):,} training rows in {words}, numbers within {NEAR} "
            f"standard deviations; {held} holdout rows do."
        )
        found.append(_finding("near_copies", name, rate, held, 1.0, None, note))
    return found, {}


def _finding(
    name: str, subject: str, mine: Rate, held: Rate | None, ceiling: float, floor: float | None, note: str
) -> Finding:
    low, high = mine.interval
    control = None if held is None else held.value
    metric = Metric(
        name, mine.value, "disclosure", subject, ceiling, control, floor, low, high, goal=control, note=note
    )
    if held is None:
        return Finding(metric)
    excess, allowed = risk(mine, held), MARGIN * held.value + SLACK
    p = excess.p if mine.value > allowed else 1.0
    return Finding(
        metric, replace(excess, p=p, bar=lambda chance: max(allowed, passing(mine.rows, held, chance) / mine.rows))
    )


def _equal(matrix: Matrix, known: Keys) -> Rate:
    return Rate(int(np.isin(matrix.row_keys(), known).sum()), len(matrix))


def _apart(rows: Matrix, known: Matrix) -> Ints:
    """In how many columns each row differs from its most similar known row. (N,)"""
    close = NEAR * np.array([_deviation(known.values[:, j]) for j in range(len(known.columns))])
    n = len(known)
    step = max(1, BLOCK // n)
    odd, apart = np.empty((step, n), bool), np.empty((step, n), np.float32)
    tally = np.empty((step, n), np.uint16)
    mine, theirs = (_scaled(m, close) for m in (rows, known))
    found = np.empty(len(rows), np.int64)
    for at in range(0, len(rows), step):
        size = min(step, len(rows) - at)
        count, other, gap = tally[:size], odd[:size], apart[:size]
        count[:] = 0
        for j, column in enumerate(known.columns):
            here, there = mine[j, at : at + size, None], theirs[j]
            if column.labelled:
                np.not_equal(here, there, out=other)
            else:
                np.subtract(here, there, out=gap)
                np.abs(gap, out=gap)
                np.greater(gap, np.float32(1), out=other)
            np.add(count, other.view(np.uint8), out=count)
        found[at : at + size] = count.min(axis=1)
    return found


def _deviation(values: Floats) -> float:
    present = values[np.isfinite(values)]
    spread = float(present.std()) if len(present) else 0.0
    return spread or 1.0


def _scaled(matrix: Matrix, close: Floats) -> np.ndarray:
    """(D, N) float32: labels as codes, numbers in units of what counts as equal; each missing code far from all."""
    labelled = np.array([c.labelled for c in matrix.columns])
    values = np.where(labelled, matrix.values, matrix.values / close)
    gone = -1e6 * (1 + matrix.missing.astype(np.float64)) - 1e9
    return np.ascontiguousarray(np.where(matrix.missing >= 0, gone, values).T.astype(np.float32))
