"""How often an attack succeeds on rows that were trained on and on others, and whether the difference is chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, norm

from models.evaluation.intervals import Interval, Z, wilson
from models.evaluation.matrix import Floats, Ints


@dataclass(frozen=True)
class Rate:
    """hits among rows."""

    hits: int
    rows: int

    @property
    def value(self) -> float:
        return self.hits / self.rows if self.rows else float("nan")

    @property
    def interval(self) -> Interval:
        """95% (Wilson 1927)."""
        return wilson(self.value, self.rows)

    def __str__(self) -> str:
        return f"{100 * self.value:.2f}% of {self.rows:,}"


@dataclass(frozen=True)
class Excess:
    """How much better an attack does on training rows than on the control, with its 95% interval.

    p: the chance of at least as much where nothing was learnt by heart. bar: the largest value, in the unit of the
    attack's figure, that passes at a given chance of an error.
    """

    value: float
    low: float
    high: float
    p: float
    bar: Callable[[float], float]
    most: float | None = None
    """Upper end of the excess in points of a share, where `high` is a share of what the control leaves."""

    @property
    def highest(self) -> float:
        return self.high if self.most is None else self.most


def risk(attack: Rate, control: Rate) -> Excess:
    """(attack - control) / (1 - control): the share of what the control leaves that training gave away (Giomi et al.
    2023, PoPETs 2023(2), equation 5). Interval of the difference: Newcombe 1998, Statistics in Medicine 17, method 10;
    p: Fisher's exact test, one-sided."""
    a, c = attack.value, control.value
    (a_low, a_high), (c_low, c_high) = attack.interval, control.interval
    left = 1 - c if c < 1 else 1.0
    below = float(np.sqrt((a - a_low) ** 2 + (c_high - c) ** 2))
    above = float(np.sqrt((a_high - a) ** 2 + (c - c_low) ** 2))

    def bar(chance: float) -> float:
        return (passing(attack.rows, control, chance) / attack.rows - c) / left

    value, low, high = ((a - c + d) / left for d in (0.0, -below, above))
    return Excess(value, low, min(1.0, high), fisher(attack, control), bar, a - c + above)


def fisher(attack: Rate, control: Rate) -> float:
    """Chance that as many or more of the hits fall on the attacked rows, if every row is as likely to be hit."""
    return float(hypergeom.sf(attack.hits - 1, attack.rows + control.rows, attack.hits + control.hits, attack.rows))


def passing(rows: int, control: Rate, chance: float) -> int:
    """The largest number of hits among so many attacked rows that passes Fisher's test against the control."""
    return _largest(rows, lambda hits: fisher(Rate(hits, rows), control) > chance)


def _largest(most: int, passes: Callable[[int], bool]) -> int:
    """The largest number up to `most` that passes; those that do lie below those that do not, and 0 does."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def flipped(weights: Floats, sides: Floats) -> tuple[float, float, Callable[[float], float]]:
    """(standard error, p, largest sum that passes at a chance) of sum(weights * sides), sides +1 (trained on) or -1
    (control), were each side a toss of a coin: rows that count several times (hubs) make a sum less certain than their
    number says."""
    spread = float(np.sqrt((weights**2).sum()))
    least = 0.5 ** min(int(np.count_nonzero(weights)), 1000)
    p = max(float(norm.sf(float((weights * sides).sum()) / spread)), least) if spread > 0 else 1.0

    def bar(chance: float) -> float:
        return float(norm.isf(chance)) * spread if least < chance else float(weights.sum())

    return spread, p, bar


def auc_excess(members: Floats, others: Floats) -> Excess:
    """AUC - .5 of telling members (n,) from others (m,) by a score, ties half, with the interval of
    DeLong et al. (1988) and the Mann-Whitney test, one-sided, corrected for ties."""
    n, m = len(members), len(others)
    below = _placements(members, others)
    above = 1 - _placements(others, members)
    value = float(below.mean())
    variance = (below.var(ddof=1) / n if n > 1 else 0.25) + (above.var(ddof=1) / m if m > 1 else 0.25)
    _, ties = np.unique(np.concatenate([members, others]), return_counts=True)
    total = n + m
    null = (total + 1 - float((ties.astype(float) ** 3 - ties).sum()) / (total * (total - 1))) / (12 * n * m)
    p = float(norm.sf((value - 0.5) / np.sqrt(null))) if null > 0 else 1.0
    spread = Z * float(np.sqrt(max(variance, 1e-12)))
    return Excess(value - 0.5, max(-0.5, value - 0.5 - spread), min(0.5, value - 0.5 + spread), p,
                  lambda chance: 0.5 + float(norm.isf(chance)) * float(np.sqrt(max(null, 0.0))))  # fmt: skip


def _placements(scores: Floats, among: Floats) -> Floats:
    """(n,) share of `among` below each score, ties half."""
    ordered = np.sort(among)
    left, right = (np.searchsorted(ordered, scores, side=s) for s in ("left", "right"))
    return np.asarray((left + right) / (2 * len(ordered)))


def tpr_excess(members: Floats, others: Floats, fpr: float, rng: np.random.Generator) -> Excess | None:
    """Share of members whose score exceeds all but a share `fpr` of the others', minus `fpr` (Carlini et al. 2022,
    arXiv:2112.03570, section III); None where fewer than one of the others may exceed it. Interval: bootstrap of both
    groups, 200 rounds; p: exact (the members above the k-th largest of the others are hypergeometric)."""
    n, m = len(members), len(others)
    k = int(np.floor(fpr * m))
    if k < 1:
        return None
    hits = int((members > np.partition(others, m - k)[m - k]).sum())

    def chance_of(found: int) -> float:
        return float(hypergeom.cdf(k - 1, n + m, m, found + k - 1)) if found else 1.0

    def bar(chance: float) -> float:
        return _largest(n, lambda found: chance_of(found) > chance) / n

    ordered = np.sort(members)
    draws = np.sort(others)[np.sort(rng.integers(0, m, (200, m)), axis=1)[:, m - k]]
    shares = rng.binomial(n, 1 - np.searchsorted(ordered, draws, side="right") / n) / n
    low, high = (float(x) for x in np.percentile(shares, (2.5, 97.5)))
    value = hits / n
    return Excess(value - fpr, min(low, value) - fpr, max(high, value) - fpr, chance_of(hits), bar)


def counts(index: Ints, rows: int) -> Floats:
    """How often each of `rows` rows is pointed at."""
    return np.bincount(index, minlength=rows).astype(np.float64)
