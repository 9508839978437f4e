"""Privacy loss distributions: the tight accountant.

The losses of independent (or adaptively composed) releases add up, so that their distributions convolve (Koskela, Jalko
and Honkela 2020); by FFT, all steps of a kind at once. Every approximation is on the safe side:

* each release's losses are put on the grid pessimistically (accounting/losses.py);
* losses beyond a release's grid, and the sum's beyond the FFT's window (Chernoff's bound), count as lost: they are
  added to delta whole (Gopi, Lee and Wutschitz 2021 bound the same wrap-around);
* losses below the window wrap to its top, where they count for more;
* an allowance for the rounding errors of the FFT is added to every point.

Before the FFT the distributions are tilted, p(y) e^{t y} / M(t), with t at the saddle point, and tilted back after it:
the tail that delta is made of is then the bulk of what is transformed, so that rounding is relative to delta and not to
1, and the window is short. Any t gives a valid bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtri

from models.accounting import losses
from models.accounting.losses import Losses
from models.accounting.terms import Terms

Array = npt.NDArray[Any]

TOLERANCE = 3e-5
"""What the grid may add to epsilon, about, as a share of it."""
SHARE = 1e-6
"""What each truncation may add to delta, as a share of it."""
_SMALLEST, _LARGEST = 2**11, 2**19
"""Points of the FFT."""
_OVERFLOW = 600.0
"""Exponents are cut here; a delta that this touches is above 1 in any case."""


def epsilon(terms: Terms, delta: float) -> float:
    """Smallest epsilon >= 0 proved at this delta; infinity where releases fail with more than this."""
    left = (delta - terms.failure) / (1 - terms.failure)
    if left <= 0:
        return math.inf
    bound = max(_epsilon(terms, left, adding) for adding in (False, True))
    return min(bound, _basic(terms))


def delta(terms: Terms, epsilon_: float) -> float:
    """Smallest delta proved at this epsilon >= 0, at most 1."""
    bound = 0.0 if epsilon_ >= _basic(terms) else max(_delta(terms, epsilon_, adding) for adding in (False, True))
    return min(1.0, terms.failure + (1 - terms.failure) * bound)


def _basic(terms: Terms) -> float:
    """Sum of the epsilons of pure releases, if there are no others."""
    pure = terms.mu == 0 and not terms.sampled and not terms.discrete
    return math.fsum(epsilon_ * count for epsilon_, count in terms.responses) if pure else math.inf


def _epsilon(terms: Terms, delta_: float, adding: bool) -> float:
    sketch = _Sketch(terms, delta_ * SHARE, adding)
    tilt = sketch.solve(sketch.decay, -math.log(delta_))
    found = _compose(terms, _plan(sketch, tilt, sketch.slope(tilt)), adding).epsilon(delta_)
    better = sketch.tilt(found)
    if not math.isfinite(found) or abs(better - tilt) < 0.1 * tilt:
        return found
    return min(found, _compose(terms, _plan(sketch, better, found), adding).epsilon(delta_))


def _delta(terms: Terms, epsilon_: float, adding: bool) -> float:
    best, tail = 1.0, 1e-9 * SHARE
    for _ in range(6):
        sketch = _Sketch(terms, tail, adding)
        best = min(best, _compose(terms, _plan(sketch, sketch.tilt(epsilon_), epsilon_), adding).delta(epsilon_))
        # Tails were cut by a guess at delta; again, where it was far off.
        if best > 1e-3 or 1e-3 * best * SHARE <= tail <= 10 * best * SHARE:
            break
        tail = max(best * SHARE, 1e-300)
    return best


class _Sketch:
    """Moments of the loss of everything, near enough to place grid and window; proves nothing."""

    def __init__(self, terms: Terms, tail: float, adding: bool) -> None:
        self.tail, self.square = tail, terms.mu**2
        self.parts: list[tuple[int, Array, Array]] = []
        for q, sigma, steps in terms.sampled:
            self.parts.append((steps, *losses.sketch(q, sigma, tail / steps, adding=adding)))
        self.parts.extend((count, *losses.sketch_discrete(sigma, tail / count)) for sigma, count in terms.discrete)
        for epsilon_, count in terms.responses:
            share = math.log1p(math.exp(-epsilon_))
            self.parts.append((count, np.array([epsilon_, -epsilon_]), np.array([-share, -epsilon_ - share])))
        self.count = sum(steps for steps, _, _ in self.parts) + (terms.mu > 0)
        self.gaussian_width = self.square - 2 * terms.mu * float(ndtri(tail))
        self.steepest = 60 / math.sqrt(max(self.spread(0.0), 1e-300))

    def _tilted(self, t: float) -> Iterator[tuple[int, float, float, float]]:
        """(steps, log moment, mean, variance) of each part under the tilt t."""
        for steps, y, log_mass in self.parts:
            weights = log_mass + t * y
            top = float(weights.max())
            weights = np.exp(weights - top)
            total = float(weights.sum())
            mean = float(weights @ y) / total
            yield steps, top + math.log(total), mean, float(weights @ (y - mean) ** 2) / total

    def floors(self, t: float) -> list[tuple[float, float]]:
        """(highest, lowest) loss that counts of each part: a share of 1e-9 of the tilted mass lies lower, in all."""
        found = []
        for steps, y, log_mass in self.parts:
            order = np.argsort(y)
            share = np.exp(log_mass + t * y - float(logsumexp(log_mass + t * y)))[order]
            place = max(0, int(np.searchsorted(np.cumsum(share), 1e-9 / steps)) - 1)
            found.append((float(y.max()), float(y[order[place]])))
        return found

    def log_moment(self, t: float) -> float:
        return self.square * (t * t + t) / 2 + sum(steps * k for steps, k, _, _ in self._tilted(t))

    def slope(self, t: float) -> float:
        return self.square * (t + 0.5) + sum(steps * mean for steps, _, mean, _ in self._tilted(t))

    def spread(self, t: float) -> float:
        return self.square + sum(steps * variance for steps, _, _, variance in self._tilted(t))

    def excess(self, t: float) -> float:
        """-log of Chernoff's bound of the mass beyond slope(t)."""
        return t * self.slope(t) - self.log_moment(t)

    def decay(self, t: float) -> float:
        """-log delta at epsilon = slope(t), nearly (saddle point: Bahadur and Rao 1960)."""
        return self.excess(t) + math.log(t * (t + 1) * math.sqrt(2 * math.pi * max(self.spread(t), 1e-300)))

    def tilt(self, epsilon_: float) -> float:
        """t >= 0 at which the tilted loss has the mean epsilon, or comes closest."""
        return 0.0 if self.slope(0.0) >= epsilon_ else self.solve(self.slope, epsilon_)

    def solve(self, rising: Callable[[float], float], goal: float) -> float:
        """t in (0, steepest] where the rising function reaches goal, to 1%; steepest where it does not."""
        low, high = self.steepest * 1e-9, self.steepest
        while high > 1.01 * low:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if rising(middle) < goal else (low, middle)
        return high


@dataclass(frozen=True)
class _Plan:
    """step: of the grid. first, points: the window of the sum, in steps. tilt: of the FFT. steep: t of the bound of
    what lies above the window. tail: mass that may be lost, in all. floors: loss of each sampled part below which it
    need not be told apart."""

    step: float
    first: int
    points: int
    tilt: float
    steep: float
    tail: float
    floors: tuple[float, ...]


def _plan(sketch: _Sketch, tilt: float, centre: float) -> _Plan:
    tail, moment = sketch.tail, sketch.log_moment(tilt)
    steep = sketch.solve(sketch.excess, -math.log(tail))
    high = (sketch.log_moment(steep) - math.log(tail)) / steep
    # Tilted, a share of 1e-12 lies below `low`, as much above `far`: more would wrap to the other end, where it counts
    # for much more.
    share = 2 * math.log(SHARE)
    back = sketch.solve(lambda s: moment - sketch.log_moment(tilt - s) - s * sketch.slope(tilt - s), -share)
    low = min(centre, (moment - sketch.log_moment(tilt - back) + share) / back)
    on = sketch.solve(lambda s: moment - sketch.log_moment(tilt + s) + s * sketch.slope(tilt + s), -share)
    far = (sketch.log_moment(tilt + on) - moment - share) / on
    width = 1.02 * (max(high, far, centre) - low)
    scale = max(centre, 0.1 * math.sqrt(sketch.spread(tilt)))
    step = math.sqrt(12 * TOLERANCE * scale / (sketch.count * (tilt + 1)))
    floors = sketch.floors(tilt)
    span = max([sketch.gaussian_width, *(top - floor for top, floor in floors)])
    step = max(min(step, width / _SMALLEST), span / _LARGEST)
    points = 2 ** math.ceil(math.log2(min(max(width / step, 64), _LARGEST)))
    step = max(width / points, span / _LARGEST)
    first = math.floor(low / step - 0.01 * points)
    return _Plan(step, first, points, tilt, steep, tail, tuple(floor for _, floor in floors))


@dataclass(frozen=True)
class _Sum:
    """The sum's losses. y: of the grid, less `reference`; P-mass: e^log_factor times weights; Q-mass: e^(log_factor -
    reference) times inverse; shapes (n,). lost: P-mass beyond."""

    reference: float
    y: Array
    log_factor: float
    weights: Array
    inverse: Array
    lost: float

    def _above(self) -> tuple[Array, Array]:
        """P-mass and Q-mass of each point and all higher ones."""
        return np.cumsum(self.weights[::-1])[::-1], np.cumsum(self.inverse[::-1])[::-1]

    def delta(self, epsilon_: float) -> float:
        p, q = self._above()
        place = int(np.searchsorted(self.y, epsilon_ - self.reference, side="right"))
        if place == len(self.y):
            return self.lost
        inside = max(0.0, float(p[place] - math.exp(min(epsilon_ - self.reference, _OVERFLOW)) * q[place]))
        return self.lost + math.exp(min(_OVERFLOW, self.log_factor)) * inside

    def epsilon(self, delta_: float) -> float:
        left = delta_ - self.lost
        if left <= 0:
            return math.inf
        p, q = self._above()
        goal = left * math.exp(min(_OVERFLOW, -self.log_factor))
        # delta at each point of the grid; between two points it is linear in e^epsilon.
        deltas = p - np.exp(np.minimum(self.y, _OVERFLOW)) * q
        place = int(np.argmax(deltas <= goal))
        if place == 0:
            return max(0.0, self.reference + float(self.y[0]))
        within = float(self.y[place - 1])
        if p[place] > goal and q[place] > 0:
            within = max(within, math.log(float(p[place]) - goal) - math.log(float(q[place])))
        return max(0.0, self.reference + min(within, float(self.y[place])))


def _compose(terms: Terms, plan: _Plan, adding: bool) -> _Sum:
    parts = _parts(terms, plan, adding)
    indices = [np.arange(part.first, part.first + len(part.mass)) for _, part in parts]
    with np.errstate(divide="ignore"):
        logs = [np.log(part.mass) for _, part in parts]
    moments = [float(logsumexp(log + plan.tilt * plan.step * i)) for log, i in zip(logs, indices, strict=True)]
    spectrum = np.ones(plan.points // 2 + 1, dtype=complex)
    for (steps, _), log, i, moment in zip(parts, logs, indices, moments, strict=True):
        tilted = np.exp(log + plan.tilt * plan.step * i - moment)
        folded = np.bincount(i % plan.points, weights=tilted, minlength=plan.points)
        spectrum *= np.fft.rfft(folded) ** steps
    count = sum(steps for steps, _ in parts)
    rounding = 4 * np.finfo(float).eps * (count + math.log2(plan.points))
    tilted = np.maximum(np.roll(np.fft.irfft(spectrum, plan.points), -(plan.first % plan.points)), 0.0) + rounding
    total = sum(steps * moment for (steps, _), moment in zip(parts, moments, strict=True))
    y = (plan.first + np.arange(plan.points)) * plan.step
    reference = float(tilted @ y) / float(tilted.sum())
    y -= reference
    weights, inverse = (tilted * np.exp(np.minimum(-t * y, _OVERFLOW)) for t in (plan.tilt, plan.tilt + 1))
    # Chernoff's bound of the sum's mass above the window.
    above = sum(
        steps * float(logsumexp(log + plan.steep * plan.step * i))
        for (steps, _), log, i in zip(parts, logs, indices, strict=True)
    )
    above -= plan.steep * (plan.first + plan.points - 1) * plan.step
    lost = sum(steps * part.lost for steps, part in parts) + math.exp(min(0.0, above))
    return _Sum(reference, y, total - plan.tilt * reference, weights, inverse, lost)


def _parts(terms: Terms, plan: _Plan, adding: bool) -> list[tuple[int, Losses]]:
    parts = []
    if terms.mu:
        parts.append((1, losses.sampled_gaussian(1.0, 1 / terms.mu, plan.step, plan.tail, adding=adding)))
    for (q, sigma, steps), floor in zip(terms.sampled, plan.floors, strict=False):
        part = losses.sampled_gaussian(q, sigma, plan.step, plan.tail / steps, adding=adding, floor=floor)
        parts.append((steps, part))
    for sigma, count in terms.discrete:
        parts.append((count, losses.discrete_gaussian(sigma, plan.step, plan.tail / count)))
    parts.extend((count, losses.response(epsilon_, plan.step)) for epsilon_, count in terms.responses)
    return parts
