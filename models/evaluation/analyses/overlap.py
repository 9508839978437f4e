"""How far two sets of estimates with their standard errors agree, and what fresh real rows would read.

Overlap of confidence intervals: Karr, Kohnen, Oganian, Reiter and Sanil (2006), The American Statistician 60, 224-232,
section 3. Standardised difference: Raab, Nowok and Dibben (2016), J. Privacy and Confidentiality 7(3), 67-97.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.matrix import Floats

Z = 1.959963984540054
DRAWS = 10_000
RARE = 0.0005
"""Chance that fresh real rows miss the bar: a report holds many."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Per estimate (p,): overlap of the 95% intervals (below 0: they do not meet), the difference in standard errors of
    the real estimate, and z: the difference in standard errors of a difference of two samples. An estimate that the
    other table cannot give has overlap 0 and NaN."""

    overlap: Floats
    difference: Floats
    z: Floats
    sign: npt.NDArray[np.bool_]
    significance: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]

    @property
    def mean_overlap(self) -> float:
        """Mean over the estimates; intervals that do not meet count 0."""
        return float(np.maximum(self.overlap, 0).mean()) if len(self.overlap) else float("nan")

    @property
    def mean_difference(self) -> float:
        found = np.abs(self.difference[np.isfinite(self.difference)])
        return float(found.mean()) if len(found) else float("nan")


def agree(real: Floats, real_errors: Floats, other: Floats, own_errors: Floats, ratio: float) -> Agreement:
    """Estimates and standard errors (p,) of the real table and of another with `ratio` times as many rows. Intervals of
    the other are those that it would have with as many rows as the real table (Raab et al. 2016, section 3.1)."""
    other_errors = own_errors * np.sqrt(ratio)
    known = np.isfinite(other) & np.isfinite(other_errors) & (other_errors > 0)
    b, s = np.where(known, other, 0.0), np.where(known, other_errors, 1.0)
    low, high = np.maximum(real - Z * real_errors, b - Z * s), np.minimum(real + Z * real_errors, b + Z * s)
    overlap = (high - low) / (4 * Z) * (1 / real_errors + 1 / s)
    far = [np.abs(real) > Z * real_errors, np.abs(b) > Z * s]
    return Agreement(
        np.where(known, overlap, 0.0),
        np.where(known, (b - real) / real_errors, np.nan),
        np.where(known, (b - real) / np.hypot(real_errors, np.where(known, own_errors, 1.0)), np.nan),
        known & (np.sign(real) == np.sign(b)),
        known & (far[0] == far[1]),
        known & (np.abs(real - b) <= Z * s),
    )


@dataclass(frozen=True)
class Fresh:
    """What fresh real rows read: the mean overlap they usually have, and the bars, missed by chance RARE each."""

    usual: float
    overlap: float
    z: float


def fresh(correlation: Floats, ratio: float, rng: np.random.Generator, degrees: Floats | None = None) -> Fresh:
    """Of real rows of the same population, `ratio` times as many: estimates differ by normal draws of this correlation
    (p, p), with variance 1 + 1 / ratio of that of the real estimate. degrees (p,): of t draws in their place."""
    values, vectors = np.linalg.eigh(correlation)
    draws = np.abs(rng.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(values.clip(0))).T)
    if degrees is not None:
        draws /= np.sqrt(rng.chisquare(degrees, draws.shape) / degrees)
    return from_draws(np.maximum(1 - draws * np.sqrt(1 + 1 / ratio) / (2 * Z), 0), draws)


def from_draws(overlaps: Floats, z: Floats) -> Fresh:
    """Fresh from simulated overlaps and absolute z (draws, p)."""
    means = overlaps.mean(axis=1)
    return Fresh(float(np.median(means)), float(np.quantile(means, RARE)), float(np.quantile(z.max(axis=1), 1 - RARE)))


def interval(values: Floats, rng: np.random.Generator, rounds: int = 500) -> tuple[float, float]:
    """95% bootstrap interval of a mean over estimates, (low, high)."""
    if not len(values):
        return float("nan"), float("nan")
    means = values[rng.integers(0, len(values), (rounds, len(values)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(min(low, values.mean())), float(max(high, values.mean()))
