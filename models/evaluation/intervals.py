"""95% intervals of figures that no formula of their own part gives."""

from __future__ import annotations

import math

import numpy as np

from models.evaluation.marginals import reach
from models.evaluation.matrix import Floats

Z = 1.959964
"""Of a 95% interval."""
Interval = tuple[float, float]


def wilson(share: float, rows: float) -> Interval:
    """Of a share of independent rows (Wilson 1927), which has a width at 0 and 1, too. Of a mean of figures in [0, 1]
    per row it is too wide rather than too narrow: none varies more than one of 0 and 1 with the same mean."""
    if rows <= 0 or not math.isfinite(share):
        return 0.0, 1.0
    middle = share + Z * Z / (2 * rows)
    spread = Z * math.sqrt(max(share * (1 - share), 0.0) / rows + Z * Z / (4 * rows * rows))
    low, high = ((middle + d) / (1 + Z * Z / rows) for d in (-spread, spread))
    return (0.0 if share <= 0 else max(0.0, low)), (1.0 if share >= 1 else min(1.0, high))


def compound_poisson(sizes: Floats) -> Interval:
    """Of a sum of sizes (K,) > 0 that come in as many independent rare events: the exact interval of a Poisson count
    (Garwood 1936), scaled to the sum's variance (Fay and Feuer 1997, Statistics in Medicine 16, equations 2 and 3)."""
    from scipy.stats import chi2

    total, square = float(sizes.sum()), float((sizes**2).sum())
    if total <= 0:
        return 0.0, float(chi2.ppf(0.975, 2)) / 2
    scale, largest = square / total, float(sizes.max())
    low = float(chi2.ppf(0.025, 2 * total / scale)) * scale / 2
    above, beyond = total + largest, square + largest**2
    return low, float(chi2.ppf(0.975, 2 * above**2 / beyond)) * beyond / above / 2


def jackknife(value: float, left: Floats, rows: int) -> Interval:
    """Of a figure in [0, 1] of so many rows, from what it reads without each group of them, left (GROUPS,) (Efron and
    Tibshirani 1993, section 11.5, with groups)."""
    spread = reach(left, rows)
    return max(0.0, value - spread), min(1.0, value + spread)


def largest(z: Floats) -> Interval:
    """Of the largest of |means| whose estimates z (p,) have standard deviation 1, however they are correlated. The
    largest estimate exceeds the largest mean by no more than the largest error (Bonferroni), and falls short of it by
    no more than the error of one."""
    from scipy.special import ndtri

    most = float(np.abs(z).max())
    return max(0.0, most + float(ndtri(0.0125 / len(z)))), most + Z


def ratio_of_medians(a: Floats, b: Floats, rng: np.random.Generator, rounds: int = 200) -> Interval:
    """Of median(a) / median(b): percentile bootstrap of both (Efron and Tibshirani 1993, chapter 13); NaN where the
    ratio is undefined."""
    if np.median(b) <= 0:
        return float("nan"), float("nan")
    value = float(np.median(a) / np.median(b))
    above, below = (np.median(v[rng.integers(0, len(v), (rounds, len(v)))], axis=1) for v in (a, b))
    kept = below > 0
    low, high = np.percentile(above[kept] / below[kept], (2.5, 97.5))
    return min(float(low), value), max(float(high), value)
