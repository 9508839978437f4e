"""Privacy losses of one release on a grid, never better than the truth ("connect the dots").

A mechanism's worst pair of output distributions (P, Q) has the loss y = log(dP / dQ), distributed as under P. The mass
with losses between two grid points goes to these two, split so that its P-mass and its Q-mass both stay (Doroshenko,
Ghazi, Kamath, Kumar and Manurangsi 2022, "Connect the dots", theorem 3.3: the hockey-stick curve becomes the chords
between its values on the grid, hence an upper bound, and one that composes). Mass below the grid goes up to its first
point; mass above counts as lost.

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


def response(epsilon: float, step: float) -> Losses:
    """Randomised response, the worst epsilon-DP mechanism (Kairouz, Oh and Viswanath 2015): two losses, +-epsilon."""
    first, last = math.floor(-epsilon / step), math.floor(epsilon / step) + 1
    mass = np.zeros(last - first + 1)
    share = 1 / (1 + math.exp(-epsilon))
    for loss, p in ((epsilon, share), (-epsilon, 1 - share)):
        place = math.floor(loss / step)
        upper = min(1.0, max(0.0, math.expm1(place * step - loss) / math.expm1(-step)))
        mass[place - first] += p * (1 - upper)
        mass[place - first + 1] += p * upper
    return Losses(first, mass, 0.0)


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
