"""From a budget to noise: always on the whole history, always rounded to the safe side."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.accounting import analytic
from models.accounting.accountant import epsilon as epsilon_of
from models.accounting.events import History, check_delta, check_epsilon, compose, gaussian
from models.errors import InvalidInput

PRECISION = 1e-4
"""Relative width to which the noise scale is found."""
_LOWEST, _HIGHEST = 2.0**-40, 2.0**30


def fits(history: History, epsilon: float, delta: float, accountant: str = "pld") -> bool:
    """Whether the whole history is proved (epsilon, delta)-DP."""
    return epsilon_of(history, delta, accountant) <= epsilon


def calibrate(
    build: Callable[[float], History],
    epsilon: float,
    delta: float,
    *,
    spent: History = (),
    accountant: str = "pld",
) -> float:
    """Smallest noise scale, to 1e-4 of itself and never below, with which spent + build(scale) is (epsilon, delta)-DP.

    build: the planned releases at a noise scale; more scale, more noise. Raises InvalidInput where no scale fits,
    because what is spent already, or what build spends at any scale, is too much.
    """
    check_epsilon(epsilon)
    check_delta(delta)

    refusals: list[InvalidInput] = []
    built = False

    def fit(scale: float) -> bool:
        nonlocal built
        try:
            planned = build(scale)
        except InvalidInput as error:  # beyond what an event may have at this scale
            refusals.append(error)
            return False
        built = True
        return fits(compose(spent, planned), epsilon, delta, accountant)

    high = 1.0
    while not fit(high):
        high *= 4
        if high > _HIGHEST:
            if not built:
                raise refusals[-1]
            raise InvalidInput(
                f"No amount of noise keeps this within epsilon {epsilon:g} at delta {delta:g}.",
                hint="Ask for more epsilon, or spend less on releases whose cost is fixed.",
            )
    low = high / 4
    while fit(low):
        low, high = low / 4, low
        if low < _LOWEST:
            return high
    while high > low * (1 + PRECISION):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fit(middle) else (middle, high)
    return high


def largest_epsilon(spent: History, cap_epsilon: float, delta: float, accountant: str = "pld") -> float:
    """Largest epsilon, at this delta, of one more Gaussian release that keeps spent + it within cap_epsilon; or 0.

    What a ledger names when it refuses. A plan of another kind and the same epsilon may compose a little differently.
    """
    if not fits(spent, cap_epsilon, delta, accountant):
        return 0.0
    try:
        sigma = calibrate(lambda scale: (gaussian(scale),), cap_epsilon, delta, spent=spent, accountant=accountant)
    except InvalidInput:
        return 0.0
    if accountant == "pld":
        return min(cap_epsilon, analytic.epsilon(1 / sigma, delta) * (1 - 1e-9))
    return min(cap_epsilon, epsilon_of((gaussian(sigma),), delta, accountant) * (1 - 1e-9))
