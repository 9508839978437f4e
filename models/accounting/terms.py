"""A history in the form that accountants compose: like releases together, in an order of their own."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from models.accounting.events import History


@dataclass(frozen=True)
class Terms:
    """mu: of all Gaussian releases together (accounting/analytic.py). sampled: (q, sigma, steps). discrete: (sigma,
    counts). responses: (epsilon, count) of pure releases and of what is pure of approximate ones. failure: probability
    that one of these fails."""

    mu: float
    sampled: tuple[tuple[float, float, int], ...]
    responses: tuple[tuple[float, int], ...]
    failure: float
    discrete: tuple[tuple[float, int], ...] = ()

    @property
    def empty(self) -> bool:
        return self.only_gaussian and self.mu == 0

    @property
    def only_gaussian(self) -> bool:
        return not self.sampled and not self.responses and not self.discrete


def collect(history: History) -> Terms:
    """Terms of a history. Its order does not matter, not even to the last bit."""
    squares, survival = [], []
    sampled, discrete, responses = Counter[tuple[float, float]](), Counter[float](), Counter[float]()
    for event in history:
        steps, sigma, q = event.steps or 0, event.sigma or math.inf, event.q or 1.0
        if event.mechanism in ("pure", "approximate"):
            responses[event.epsilon or 0.0] += 1
            survival.append(math.log1p(-(event.delta or 0.0)))
        elif event.mechanism == "discrete_gaussian":
            discrete[sigma] += steps
        elif q == 1:
            squares.append(steps / sigma**2)
        else:
            sampled[q, sigma] += steps
    return Terms(
        math.sqrt(math.fsum(squares)),
        tuple((q, sigma, steps) for (q, sigma), steps in sorted(sampled.items())),
        tuple(sorted(responses.items())),
        -math.expm1(math.fsum(survival)),
        tuple(sorted(discrete.items())),
    )
