"""Quantiles of numbers from noisy counts on a grid that does not depend on them.

A tree of branching 4 over the leaves; every node is counted with equal noise, and the counts are made consistent by
least squares (Hay, Rastogi, Miklau and Suciu 2010, "Boosting the accuracy of differentially private histograms through
consistency", section 4.1). One row changes one node of each level by 1.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from models.encoding.cells import Array
from models.privacy.points import Points

BRANCHING = 4
SINGLE = 4096
"""Points of a column up to which each is a leaf."""
EVEN, WITHIN = 2048, 16
"""Beyond: leaves of equal width between the bounds, and in each power of two."""
BITS = 64
"""Powers of two, above a column's smallest step, that magnitudes are told apart by."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaf i holds values from starts[i] to below starts[i + 1], the last one up to `end`."""

    starts: Array
    end: float

    @property
    def levels(self) -> int:
        """Levels of the tree that are counted; the root is not."""
        return next(n for n in range(1, 20) if BRANCHING**n >= len(self.starts))

    def of(self, values: Array) -> Array:
        """The leaf of each value; values outside belong to the outermost ones."""
        return np.clip(np.searchsorted(self.starts, values, side="right") - 1, 0, len(self.starts) - 1)


def leaves_of(points: Points, low: float, high: float) -> Leaves:
    """From bounds that are public or have been released."""
    if points.grid:
        first, last = points.first(low), max(points.first(low), points.last(high))
        if last - first < SINGLE:
            return Leaves(np.array([points.value(i) for i in range(first, last + 1)]), points.value(last))
    unit = points.grid or 1e-9
    powers = unit * 2.0 ** np.arange(BITS)
    fine = (powers[:, None] * (1 + np.arange(WITHIN) / WITHIN)).ravel()
    starts = np.concatenate([np.linspace(low, high, EVEN, endpoint=False), fine, -fine, [0.0]])
    if points.grid:
        starts = np.round(starts / points.grid) * points.grid
    starts = np.unique(starts[(starts >= low) & (starts <= high)])
    return Leaves(starts if len(starts) and starts[0] == low else np.r_[low, starts], high)


def magnitudes(values: Array, unit: float) -> Array:
    """Which power of two each value is of, counted from `unit` and with its sign: whole numbers from -BITS to BITS, 0
    below the unit; NaN stays."""
    with np.errstate(divide="ignore", over="ignore"):
        power = np.floor(np.log2(np.abs(values) / unit))
    found: Array = np.sign(values) * np.clip(power + 1, 0, BITS)
    return found


def magnitude_bounds(noisy: Array, sd: float, unit: float) -> tuple[float, float]:
    """Bounds of the values from noisy counts (2 BITS + 1,) of their magnitudes: the outermost ones that stand out."""
    out = np.zeros(len(noisy), bool)
    for width in (1, 2, 4, 8):
        windows = np.convolve(noisy, np.ones(width), "valid")
        for at in np.flatnonzero(windows > STANDS_OUT * sd * np.sqrt(width)):
            # Of a window that stands out, those that make it do so.
            part = noisy[at : at + width]
            out[at : at + width] |= part > part.max() / 4
    found = np.flatnonzero(out) if out.any() else np.array([noisy.argmax()])
    low, high = int(found[0]) - BITS, int(found[-1]) - BITS
    return (
        -_largest(-low, unit) if low < 0 else _smallest(low, unit),
        _largest(high, unit) if high > 0 else -_smallest(-high, unit),
    )


STANDS_OUT = 3.5
"""Standard deviations: noise alone lifts one of 129 magnitudes, in four windows each, so far in one column of ten."""


def _smallest(power: int, unit: float) -> float:
    return unit * 2.0 ** (power - 1) if power else 0.0


def _largest(power: int, unit: float) -> float:
    return unit * 2.0**power


def counts(leaf: Array, leaves: Leaves) -> list[Array]:
    """Exact counts of every level, the leaves last, padded to whole groups. leaf (N,): of each row."""
    n = leaves.levels
    low: Array = np.bincount(leaf, minlength=BRANCHING**n).astype(np.int64)
    return [low.reshape(BRANCHING**level, -1).sum(1) for level in range(1, n + 1)]


def consistent(noisy: list[Array]) -> Array:
    """Least-squares estimate of every leaf from noisy counts of all levels with equal noise."""
    k, n = BRANCHING, len(noisy)
    z = [level.astype(np.float64) for level in noisy]
    for i in range(n - 2, -1, -1):
        height = n - i
        below = z[i + 1].reshape(-1, k).sum(1)
        z[i] = ((k**height - k ** (height - 1)) * z[i] + (k ** (height - 1) - 1) * below) / (k**height - 1)
    h: Array = z[0]
    for i in range(1, n):
        h = (z[i].reshape(-1, k) + ((h - z[i].reshape(-1, k).sum(1)) / k)[:, None]).ravel()
    return h


@functools.cache
def rank_errors(levels: int) -> Array:
    """(BRANCHING^levels,): standard deviation of the estimated number of rows up to each leaf, for noise of 1 in every
    node. By simulation; made rising.
    """
    rng, errors = np.random.default_rng(0), []
    for _ in range(40):
        noise = [rng.normal(size=BRANCHING**level) for level in range(1, levels + 1)]
        errors.append(np.cumsum(consistent(noise)))
    found: Array = np.maximum.accumulate(np.std(errors, axis=0))
    found.setflags(write=False)
    return found


def rising(cumulative: Array) -> Array:
    """The mean of the least rising series above a series and the largest one below it."""
    above, below = np.maximum.accumulate(cumulative), np.minimum.accumulate(cumulative[::-1])[::-1]
    return np.asarray((above + below) / 2)


def outermost(noisy: list[Array], sd: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Leaves between which the first and the last rows lie: the outer ends of the outermost nodes of the first
    level that stand out from the noise, and the inner ends of the finest such nodes within them.
    """
    size = len(noisy[-1])
    ends = []
    for side in (1, -1):
        low, high, coarse = 0, size - 1, (0, size - 1)
        for i, level in enumerate(noisy):
            width = size // len(level)
            nodes = np.arange(low // width, high // width + 1)[::side]
            # Noise alone reaches this in one of ten levels, or fewer.
            found = nodes[level[nodes] > sd * (np.sqrt(2 * np.log(max(len(nodes), 2))) + 1)]
            if not len(found):
                break
            low, high = int(found[0]) * width, int(found[0] + 1) * width - 1
            coarse = (low, high) if i == 0 else coarse
        ends.append((coarse[0], high) if side == 1 else (low, coarse[1]))
    return ends[0], ends[1]
