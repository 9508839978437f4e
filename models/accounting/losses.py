"""Privacy losses of one release on a grid, never better than the truth ("connect the dots").

A mechanism's worst pair of output distributions (P, Q) has the loss y = log(dP / dQ), distributed as under P. The mass
with losses between two grid points goes to these two, split so that its P-mass and its Q-mass both stay (Doroshenko,
Ghazi, Kamath, Kumar and Manurangsi 2022, "Connect the dots": the hockey-stick curve becomes the chords between its
values on the grid, hence an upper bound, and one that composes). Mass below the grid goes up to its first point; mass
above counts as lost.

Adding a unit and removing it are different pairs: `adding` swaps P and Q of the sampled Gaussian (Zhu, Dong and Wang
2022; Poisson sampling: the pair is N(0, sigma^2) and (1 - q) N(0, sigma^2) + q N(1, sigma^2)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Losses:
    """mass[i]: P-mass of loss (first + i) * step of the grid, shape (n,); lost: P-mass of losses beyond it."""

    first: int
    mass: Array
    lost: float


def sampled_gaussian(
    q: float, sigma: float, step: float, tail: float, *, adding: bool, floor: float = -math.inf
) -> Losses:
    """One step at sampling rate q; q = 1 is the Gaussian mechanism.

    step: of the grid. tail: P-mass that may count as lost, for the sake of a finite grid. floor: lower losses count as
    this one, which is safe.
    """
    reach = -float(ndtri(tail)) * sigma
    low, high = (float(_loss(np.array(x), q, sigma)) for x in (-reach, 1 + reach))
    low, high = (-high, -low) if adding else (low, high)
    first, last = math.floor(max(low, min(floor, high)) / step), math.ceil(high / step)
    losses = np.arange(first, last + 1) * step
    x = _point(losses, q, sigma, adding=adding)
    none, one = _between(x, sigma), _between(x - 1, sigma)
    p = none if adding else (1 - q) * none + q * one
    upper = np.clip(_less(losses[:-1], q, none, one, adding=adding) / -math.expm1(-step), 0.0, p)
    mass = np.zeros(len(losses))
    mass[:-1] += p - upper
    mass[1:] += upper
    # Removing, the loss grows with the output; adding, it falls.
    sign = -1.0 if adding else 1.0
    mass[0] += _further(float(x[0]), -sign, q, sigma, adding=adding)
    return Losses(first, mass, _further(float(x[-1]), sign, q, sigma, adding=adding))


def discrete_gaussian(sigma: float, step: float, tail: float) -> Losses:
    """One count, changed by one, with discrete Gaussian noise: losses (2 n + 1) / (2 sigma^2), n as the noise."""
    n, log_mass = _discrete(sigma, tail)
    end = int(n[-1])
    # The mass beyond either end: a geometric series that decays no faster than the truth.
    lost = math.exp(log_mass[-1]) / math.expm1((2 * end + 1) / (2 * sigma**2))
    mass = np.exp(log_mass)
    mass[0] += lost
    placed = _place((2 * n + 1) / (2 * sigma**2), mass, step)
    return Losses(placed.first, placed.mass, lost)


def response(epsilon: float, step: float) -> Losses:
    """Randomised response, the worst epsilon-DP mechanism (Kairouz, Oh and Viswanath 2015): two losses, +-epsilon."""
    share = 1 / (1 + math.exp(-epsilon))
    return _place(np.array([-epsilon, epsilon]), np.array([1 - share, share]), step)


def _place(y: Array, mass: Array, step: float) -> Losses:
    """Losses of a discrete distribution, rising, put on the grid."""
    place = np.floor(y / step).astype(np.int64)
    first = int(place[0])
    upper = mass * np.clip(np.expm1(place * step - y) / math.expm1(-step), 0.0, 1.0)
    points = int(place[-1]) - first + 2
    lower = np.bincount(place - first, weights=mass - upper, minlength=points)
    return Losses(first, lower + np.bincount(place - first + 1, weights=upper, minlength=points), 0.0)


def _discrete(sigma: float, tail: float, stride: int = 1) -> tuple[Array, Array]:
    """(whole numbers, logarithms of their probabilities); less than `tail` lies above the last."""
    end = (math.ceil(sigma * math.sqrt(-2 * math.log(tail)) / stride) + 1) * stride
    n = np.arange(-end, end + 1, stride)
    log_mass = -(n**2) / (2 * sigma**2)
    return n, log_mass - math.log(float(np.exp(log_mass).sum()))


def sketch_discrete(sigma: float, tail: float) -> tuple[Array, Array]:
    """`sketch` of a discrete Gaussian count."""
    n, log_mass = _discrete(sigma, tail, max(1, int(sigma / 20)))
    return (2 * n + 1) / (2 * sigma**2), log_mass


def sketch(q: float, sigma: float, tail: float, *, adding: bool, points: int = 1_000) -> tuple[Array, Array]:
    """(losses, logarithms of their P-masses) at evenly spaced outputs, shapes (points,): for plans, not for bounds."""
    reach = -float(ndtri(tail)) * sigma
    x = np.linspace(-reach, 1 + reach, points)
    log_none = -(x**2) / (2 * sigma**2) + math.log((x[1] - x[0]) / (sigma * math.sqrt(2 * math.pi)))
    loss = _loss(x, q, sigma)
    return (-loss, log_none) if adding else (loss, log_none + loss)


def _loss(x: Array, q: float, sigma: float) -> Array:
    """log((1 - q) + q exp((2 x - 1) / (2 sigma^2))), of removing."""
    ratio = (2 * x - 1) / (2 * sigma**2)
    return ratio if q == 1 else np.logaddexp(math.log1p(-q), math.log(q) + ratio)


def _point(loss: Array, q: float, sigma: float, *, adding: bool) -> Array:
    """The output with that loss; infinite (of the fitting sign) where no output has so small or so large a loss."""
    y = -loss if adding else loss
    with np.errstate(divide="ignore", over="ignore"):
        # e^y - (1 - q), over q; for large y by logarithms, where e^y would overflow.
        small = np.log(np.maximum(np.expm1(np.minimum(y, 30.0)) + q, 0.0)) - math.log(q)
        large = y - math.log(q) + np.log1p(-(1 - q) * np.exp(-np.maximum(y, 30.0)))
    return sigma**2 * np.where(y < 30, small, large) + 0.5


def _between(x: Array, sigma: float) -> Array:
    """N(0, sigma^2)-mass between neighbouring points, in either order; from the nearer tail, to keep its digits."""
    below, above = ndtr(x / sigma), ndtr(-x / sigma)
    mass: Array = np.where(x[:-1] + x[1:] > 0, np.abs(above[:-1] - above[1:]), np.abs(below[:-1] - below[1:]))
    return mass


def _less(loss: Array, q: float, none: Array, one: Array, *, adding: bool) -> Array:
    """P-mass less e^loss times Q-mass, in [0, P-mass] between this loss and the next."""
    with np.errstate(over="ignore", invalid="ignore"):
        y = -loss if adding else loss
        less = q * one - (np.expm1(y) + q) * none
        less = -np.exp(loss) * less if adding else less
    # Beyond the range of doubles all mass goes up, which is safe.
    return np.where(loss > 700, np.inf, less)


def _further(x: float, sign: float, q: float, sigma: float, *, adding: bool) -> float:
    """P-mass above x for sign 1, below it for sign -1."""
    none, one = float(ndtr(-sign * x / sigma)), float(ndtr(-sign * (x - 1) / sigma))
    return none if adding else (1 - q) * none + q * one
