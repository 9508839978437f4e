"""Scores of predictions on bootstrapped test rows, for many draws at once.

A draw is a count of each test row (Efron and Tibshirani 1993, chapter 13). All methods and both sources of training
rows meet the same draws, so that differences between them are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.classifiers.base import Floats, Labels

Draws = Floats
"""float64 (rounds, N): how often each test row was drawn, times its survey weight. The first draw is the
rows as they are."""


def draws(rows: int, rounds: int, rng: np.random.Generator, weights: Floats | None = None) -> Draws:
    """The rows as they are, then `rounds` bootstrap draws of them, each row with its survey weight (N,)."""
    drawn = [np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(rounds)]
    times = np.asarray([np.ones(rows), *drawn], float)
    return times if weights is None else times * weights


def auc(positive: Labels, score: Floats, times: Draws) -> Floats:
    """(rounds,) area under the ROC curve in each draw, ties half; NaN where a class is absent."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
    weights = times[:, order]
    hit = np.asarray(positive, bool)[order]
    up = np.add.reduceat(weights * hit, starts, axis=1)
    down = np.add.reduceat(weights * ~hit, starts, axis=1)
    below = np.cumsum(down, axis=1) - down
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((up * (below + down / 2)).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1)))


def class_scores(y: Labels, p: Floats, times: Draws) -> dict[str, Floats]:
    """AUC (mean of one against the rest), macro F1 and accuracy of class probabilities (N, K) in each draw."""
    k = p.shape[1]
    cells = y * k + p.argmax(axis=1)
    tables = np.stack([np.bincount(cells, w, k * k) for w in times]).reshape(len(times), k, k)
    hits = np.diagonal(tables, axis1=1, axis2=2)
    both = tables.sum(axis=1) + tables.sum(axis=2)
    with np.errstate(invalid="ignore"):
        f1 = np.where(both > 0, 2 * hits / both, np.nan)
    each = (
        [auc(y == 1, p[:, 1], times)] if k == 2 else [auc(y == c, p[:, c], times) for c in range(k) if (y == c).any()]
    )
    return {
        "utility_auc": _mean(np.stack(each)),
        "utility_macro_f1": _mean(f1.T),
        "utility_accuracy": hits.sum(axis=1) / times.sum(axis=1),
    }


def number_scores(y: Floats, guess: Floats, times: Draws) -> dict[str, Floats]:
    """R2 and mean absolute error of predictions (N,) in each draw."""
    n = times.sum(axis=1)
    y, guess = y - y.mean(), guess - y.mean()
    mean = times @ y / n
    total = times @ y**2 - n * mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(total > 1e-12 * n, 1 - times @ (y - guess) ** 2 / total, np.nan)
    return {"utility_r2": r2, "utility_mae": times @ np.abs(y - guess) / n}


@dataclass(frozen=True)
class Told:
    """Score of the test rows, its 95% interval over draws, and its standard deviation."""

    value: float
    low: float
    high: float
    deviation: float


def told(values: Floats) -> Told:
    """values: (1 + rounds,), the first of the rows as they are."""
    first, rest = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not len(rest):
        return Told(first, np.nan, np.nan, np.nan)
    low, high = np.percentile(rest, (2.5, 97.5))
    return Told(first, float(min(low, first)), float(max(high, first)), float(rest.std()))


def differences(a: Mapping[str, Floats], b: Mapping[str, Floats]) -> dict[str, Told]:
    """a - b, draw by draw."""
    return {name: told(a[name] - b[name]) for name in a}


def _mean(values: Floats) -> Floats:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))
