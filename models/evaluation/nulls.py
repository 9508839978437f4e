"""What chance alone makes of a distance between two samples of one distribution: mean and standard deviation.

Total variation: by permutation. Given the pooled counts of the cells, which rows belong to which table is a draw
without replacement, so a cell's count in the first table is hypergeometric (Lehmann and Romano 2005, section 15.2). No
cell needs to be frequent: rare cells, and those that one table lacks, are accounted for exactly.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaln, ndtri, stdtrit, xlog1py, xlogy

from models.evaluation.matrix import Floats

EXACT = 64
"""Up to so many cells their covariances are computed one by one."""
LEAST_FREEDOM = 3.0
TAIL = 0.9995
"""Quantile at which Student's t is taken for the normal."""


def variation_moments(first: Floats, second: Floats) -> tuple[float, float]:
    """Counts (C,) of two tables -> mean and standard deviation of their total variation over all ways to deal out the
    pooled rows. Empty tables read (0, 0)."""
    a, b = float(first.sum()), float(second.sum())
    if a <= 0 or b <= 0:
        return 0.0, 0.0
    pooled = first + second
    pooled, cells = np.unique(pooled[pooled > 0], return_counts=True)
    total, share = a + b, a / (a + b)
    variance = pooled * share * (1 - share) * (total - pooled) / max(total - 1, 1)
    shrink = np.sqrt((total - pooled) / max(total - 1, 1))
    deviation = np.minimum(_mean_deviation(pooled, share) * shrink, np.sqrt(variance))
    own = float((cells * np.maximum(variance - deviation**2, 0.0)).sum())
    size = 0.5 * (1 / a + 1 / b)
    shared = _covariances(np.repeat(pooled, cells), np.repeat(variance, cells), total)
    return size * float((cells * deviation).sum()), size * math.sqrt(own + shared)


def _mean_deviation(pooled: Floats, share: float) -> Floats:
    """E|X - EX| of X binomial(pooled, share) (De Moivre; Diaconis and Zabell 1991, equation 1.1)."""
    n = pooled
    m = np.floor(n * share) + 1
    m = np.minimum(m, n)
    choose = -np.log1p(n) - betaln(n - m + 1, m + 1)
    return np.asarray(2 * m * np.exp(choose + xlogy(m, share) + xlog1py(n - m + 1, -share)))


def _covariances(pooled: Floats, variance: Floats, total: float) -> float:
    """Sum over pairs of cells of the covariance of their absolute deviations, as if both were normal."""
    ratio = np.sqrt(pooled / np.maximum(total - pooled, 1e-9))
    if len(pooled) <= EXACT:
        r = np.clip(np.outer(ratio, ratio), 0.0, 1.0)
        each = (np.sqrt(1 - r**2) + r * np.arcsin(r) - 1) * np.sqrt(np.outer(variance, variance))
        return 2 / math.pi * float(each.sum() - np.trace(each))
    weighted = np.sqrt(variance) * np.minimum(ratio, 1.0) ** 2
    return float(weighted.sum() ** 2 - (weighted**2).sum()) / math.pi


def kolmogorov_moments(a: float, b: float) -> tuple[float, float]:
    """Mean and standard deviation of the Kolmogorov-Smirnov distance of samples of a and b rows (Marsaglia, Tsang and
    Wang 2003, the limit); ties only make it smaller. Empty samples read (0, 0)."""
    if a <= 0 or b <= 0:
        return 0.0, 0.0
    size = math.sqrt(1 / a + 1 / b)
    return 0.868731 * size, 0.260333 * size


def share_moments(gone: float, a: float, b: float) -> tuple[float, float]:
    """Mean and standard deviation of the difference of two shares; gone: the share in both samples together."""
    if a <= 0 or b <= 0:
        return 0.0, 0.0
    size = math.sqrt(max(gone * (1 - gone), 0.0) * (1 / a + 1 / b))
    return half_normal(size)


def half_normal(deviation: float) -> tuple[float, float]:
    """Mean and standard deviation of |X|, X normal about 0."""
    return deviation * math.sqrt(2 / math.pi), deviation * math.sqrt(1 - 2 / math.pi)


def correlation_moments(x: Floats, y: Floats, a: float, b: float, weights: Floats | None = None) -> tuple[float, float]:
    """Mean and standard deviation of half the difference of two correlations; x, y: both tables' values in one (N,),
    NaN missing, of which complete rows are used; a, b: complete rows of each, or with survey weights (N,) of mean 1
    their sums.

    The columns need not be normal: the variance is the mean square of the influence function (Devlin, Gnanadesikan and
    Kettenring 1975). Where few rows make up most of it, as with heavy tails, Student's t with that many degrees of
    freedom takes the normal's place.
    """
    both = np.isfinite(x) & np.isfinite(y)
    if min(a, b) < 2 or both.sum() < 4:
        return 0.0, 0.0
    w = np.ones(int(both.sum())) if weights is None else weights[both]
    if w.sum() <= 0:
        return 0.0, 0.0
    x, y = (v - np.average(v, weights=w) for v in (x[both], y[both]))
    x, y = (v / (math.sqrt(np.average(v * v, weights=w)) or 1.0) for v in (x, y))
    square = (w * (x * y - float(np.average(x * y, weights=w)) / 2 * (x * x + y * y))) ** 2
    total = float(square.sum())
    if total <= 0:
        return 0.0, 0.0
    weight = max(total**2 / float((square**2).sum()), LEAST_FREEDOM)
    heavier = float(stdtrit(weight, TAIL)) / float(ndtri(TAIL))
    return half_normal(heavier * math.sqrt(total / float(w.sum()) * (1 / a + 1 / b)) / 2)
