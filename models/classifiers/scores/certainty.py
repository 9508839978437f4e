"""How certain a score is, and how honest probabilities are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.classifiers.base import Floats, Labels

Score = Callable[[Labels, Any], float]


def interval(
    score: Score, y: Labels, predicted: Any, rng: np.random.Generator, rounds: int = 100
) -> tuple[float, float]:
    """95% percentile bootstrap over test rows (Efron and Tibshirani 1993, chapter 13)."""
    draws = (rng.integers(0, len(y), len(y)) for _ in range(rounds))
    values = np.array([score(y[rows], predicted[rows]) for rows in draws])
    values = values[np.isfinite(values)]
    return tuple(np.percentile(values, (2.5, 97.5)).tolist()) if len(values) else (float("nan"), float("nan"))


def calibration(
    hit: Labels, confidence: Floats, bins: int = 10, weights: Floats | None = None
) -> list[dict[str, float]]:
    """Per bin of equal width that holds rows: mean predicted probability, observed share, rows. hit: bool (N,);
    weights: (N,) of the rows, above 0."""
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    w = np.ones(len(confidence)) if weights is None else weights
    return [
        {
            "predicted": float(np.average(confidence[where == b], weights=w[where == b])),
            "observed": float(np.average(hit[where == b], weights=w[where == b])),
            "rows": int((where == b).sum()),
        }
        for b in range(bins)
        if (where == b).any()
    ]
