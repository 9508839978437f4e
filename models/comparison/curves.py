"""Learning curves and validation curves, with what they show in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifiers.base import Estimator, Floats, Labels
from models.comparison.folds import Fold, Rows
from models.progress import SILENT, Progress

Scorer = Callable[[Estimator, Floats, Labels], float]
"""Score of a fitted model on rows; higher is better (errors with their sign turned)."""
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
LEAST = 10
"""Training rows of a learning curve's first point, at least."""
CLOSE = 0.01
"""Scores that differ by less, or by less than a standard error over the folds, count as equal (the one-standard-error
rule: Breiman, Friedman, Olshen and Stone 1984, section 3.4.3)."""


@dataclass(frozen=True)
class Point:
    """training, validation: mean score over folds, on the rows learnt from and on the others; spread: standard
    error of the latter over the folds. at: rows, or the value of an option."""

    at: Any
    training: float
    validation: float
    spread: float


def learning_curve(
    make: Callable[[], Estimator],
    x: Floats,
    y: Labels,
    folds: Sequence[Fold],
    score: Scorer,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Point]:
    """Scores by number of training rows: of each fold's training rows, nested random parts."""
    orders = [np.random.default_rng([seed, k]).permutation(fold.train) for k, fold in enumerate(folds)]
    most = min(len(o) for o in orders)
    sizes = sorted({min(most, max(LEAST, round(share * most))) for share in shares})
    return [
        _point(n, make, x, y, [(o[:n], f.test) for o, f in zip(orders, folds, strict=True)], score, progress)
        for n in sizes
    ]


def validation_curve(
    make: Callable[[Any], Estimator],
    values: Sequence[Any],
    x: Floats,
    y: Labels,
    folds: Sequence[Fold],
    score: Scorer,
    *,
    progress: Progress = SILENT,
) -> list[Point]:
    """Scores by value of an option, in the order of `values`."""
    parts = [(f.train, f.test) for f in folds]
    return [_point(v, lambda v=v: make(v), x, y, parts, score, progress) for v in values]  # type: ignore[misc]


def _point(
    at: Any,
    make: Callable[[], Estimator],
    x: Floats,
    y: Labels,
    parts: Sequence[tuple[Rows, Rows]],
    score: Scorer,
    progress: Progress,
) -> Point:
    seen, unseen = [], []
    for train, test in parts:
        progress.check()
        model = make().fit(x[train], y[train])
        seen.append(score(model, x[train], y[train]))
        unseen.append(score(model, x[test], y[test]))
    return Point(at, float(np.mean(seen)), float(np.mean(unseen)), _error(unseen))


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def read_learning(points: Sequence[Point], floor: float | None = None, sign: int = 1) -> str:
    """What a learning curve shows. floor: score of the baseline; sign: -1 where the measure is an error."""
    last = points[-1]
    gap = last.training - last.validation
    noise = max(CLOSE, last.spread)
    said = f"On its own training rows it reads {sign * last.training:.3f}, on others {sign * last.validation:.3f}"
    if floor is not None and last.validation - floor < noise and last.training - floor < 2 * noise:
        return (
            f"{said}: underfitting. Neither is clearly better than the baseline: other features or methods are needed."
        )
    if gap > 2 * noise:
        out = f"{said}: overfitting, it has learnt peculiarities of its training rows"
    elif gap > noise:
        out = f"{said}: slight overfitting"
    else:
        out = f"{said}: they agree, no overfitting; a more flexible method may find more"
    if len(points) > 1:
        risen = last.validation - points[-2].validation
        more = risen > max(CLOSE / 2, last.spread / 2)
        out += ". More rows would still help" if more else ". More rows would change little"
    return out + "."


def read_validation(points: Sequence[Point]) -> tuple[int, list[str], str]:
    """(place of the best value, a word for each value, a sentence). A value that is worse than the best one on unseen
    rows underfits where it is worse on its own training rows too, and overfits where it is as good or better there."""
    best = max(range(len(points)), key=lambda i: points[i].validation)
    top = points[best]
    words = []
    for i, p in enumerate(points):
        if i == best:
            words.append("best")
        elif top.validation - p.validation <= max(CLOSE, top.spread):
            words.append("as good")
        else:
            words.append("underfits" if p.training < top.training - CLOSE / 2 else "overfits")
    parts = [f"{_named(top.at)} is best"]
    for word in ("underfits", "overfits"):
        if those := [_named(p.at) for p, w in zip(points, words, strict=True) if w == word]:
            parts.append(f"{', '.join(those)} {word if len(those) == 1 else word[:-1]}")
    if len(parts) == 1:
        parts.append("the others are as good within the spread of the folds")
    return best, words, "; ".join(parts) + "."


def _named(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
