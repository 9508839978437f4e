"""Paired tests of two methods that were scored on the same folds, and intervals of a cross-validated score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, chi2, t

from models.classifiers.base import Floats, Labels

EXACT = 25
"""Up to so many rows that only one of two methods gets right, McNemar's test counts exactly."""


@dataclass(frozen=True)
class Paired:
    """Mean over folds with its 95% interval, and the two-sided p value of "the mean is 0"."""

    value: float
    low: float
    high: float
    p: float


def corrected(values: Floats, test_share: float, level: float = 0.95) -> Paired:
    """Corrected resampled t-test (Nadeau and Bengio 2003, Machine Learning 52, section 3; for repeated k-fold Bouckaert
    and Frank 2004): the folds share training rows, so that the variance of the mean of J values is not s^2 / J but
    s^2 (1 / J + test rows / training rows).

    values: (J,) per fold, a score or the difference of two; test_share: test rows / training rows. Without two values
    there is no interval (NaN).
    """
    values = np.asarray(values, np.float64)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Paired(mean, math.nan, math.nan, math.nan)
    error = float(np.sqrt((1 / n + test_share) * values.var(ddof=1)))
    half = float(t.ppf((1 + level) / 2, n - 1)) * error
    p = float(2 * t.sf(abs(mean) / error, n - 1)) if error > 0 else float(mean == 0)
    return Paired(mean, mean - half, mean + half, p)


def holm(p: Sequence[float]) -> list[float]:
    """p values, adjusted for their number (Holm 1979): the chance of one false finding among all stays below the level.
    NaN stays NaN and does not count."""
    known = [i for i, v in enumerate(p) if v == v]
    out, highest = list(p), 0.0
    for place, i in enumerate(sorted(known, key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(known) - place) * p[i]))
        out[i] = highest
    return out


def mcnemar(first: Labels, second: Labels) -> tuple[int, int, float]:
    """McNemar's test (1947) on rows that both methods predicted without having seen them.

    first, second: (N,) whether each method is right. Returns the rows that only the first gets right, only the second,
    and the two-sided p value: exact binomial up to EXACT such rows, else chi-squared with Edwards' correction.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    if a + b == 0:
        return a, b, 1.0
    if a + b <= EXACT:
        return a, b, float(binomtest(a, a + b).pvalue)
    return a, b, float(chi2.sf(max(abs(a - b) - 1, 0) ** 2 / (a + b), 1))
