"""What guesses prove about epsilon: p-values of a claim, and lower bounds. All are exact or on the safe side.

A p-value of a claim is the chance, at most, that a release for which the claim holds gives this evidence or more.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import beta, binom

from models.accounting import analytic

_HIGHEST = 64.0


def rate_bounds(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """(lower, upper) bounds of a rate, each wrong with chance alpha at most (Clopper and Pearson 1934)."""
    low = float(beta.ppf(alpha, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - alpha, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def epsilon_lower(hits: int, with_it: int, alarms: int, without: int, delta: float, confidence: float) -> float:
    """Lower bound on epsilon at delta, whatever the mechanism. Of `with_it` releases of the table with the canary,
    `hits` passed a threshold that was fixed before; of `without` others, `alarms`.

    log((TPR - delta) / FPR) with Clopper and Pearson's bounds of both (Jagielski, Ullman and Oprea 2020, "Auditing
    differentially private machine learning", section 4).
    """
    alpha = (1 - confidence) / 2
    found = rate_bounds(hits, with_it, alpha)[0] - delta
    wrong = rate_bounds(alarms, without, alpha)[1]
    return max(0.0, math.log(found / wrong)) if found > 0 else 0.0


def guesses_p(correct: int, trials: int, mu: float) -> float:
    """p-value of "each release is mu-Gaussian-DP": in each of `trials` releases a fair coin decided whether the canary
    takes part, and `correct` of the coins were guessed.

    The trade-off curve of a mu-GDP release lies above that of N(0, 1) against N(mu, 1) (Dong, Roth and Su 2022,
    definition 2.6): no guess is right with more than Phi(mu / 2), and releases are independent. The hypothesis is that
    of Nasr et al. 2023, "Tight auditing of differentially private machine learning", section 4; one binomial for the
    sum of both error rates takes the place of two bounds.
    """
    return float(binom.sf(correct - 1, trials, ndtr(mu / 2)))


def blind_p(correct: int, trials: int, mu: float) -> float:
    """Chance of as few correct guesses where each is right with Phi(mu / 2): what a blind audit gives away."""
    return float(binom.cdf(correct, trials, ndtr(mu / 2)))


def mu_lower(correct: int, trials: int, confidence: float) -> float:
    """Lower bound on the mu of Gaussian DP, from as many correct guesses."""
    rate = rate_bounds(correct, trials, 1 - confidence)[0]
    return float(2 * ndtri(rate)) if rate > 0.5 else 0.0


def one_run_p(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """p-value of (epsilon, delta)-DP of one run with `canaries` fair coins, of which `guesses` were guessed and the
    others abstained from (Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run", corollary
    5.4 of their theorem 5.2; appendix D has values to compare with).

    Were delta 0, correct guesses would be binomial at most, with chance e^epsilon / (1 + e^epsilon); delta adds no more
    than 2 m delta max_i P[v > B >= v - i] / i.
    """
    chance = 1 / (1 + math.exp(-epsilon))
    worst = 0.0
    if delta > 0 and correct:
        below = np.cumsum(binom.pmf(np.arange(correct - 1, -1, -1), guesses, chance))
        worst = float((below / np.arange(1, correct + 1)).max())
    return min(1.0, float(binom.sf(correct - 1, guesses, chance)) + 2 * canaries * delta * worst)


def one_run_lower(canaries: int, guesses: int, correct: int, delta: float, confidence: float) -> float:
    """Largest epsilon at delta that one run refutes, from below; 0 if none."""

    def refuted(epsilon: float) -> bool:
        return one_run_p(canaries, guesses, correct, epsilon, delta) < 1 - confidence

    low, high = 0.0, 1.0
    if not refuted(0.0):
        return 0.0
    while refuted(high) and high < _HIGHEST:
        low, high = high, 2 * high
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def sign_p(agreeing: int, trials: int) -> float:
    """p-value of "signs of independent symmetric noise": as many of `trials` products positive, or as few. Exact."""
    far = max(agreeing, trials - agreeing)
    return min(1.0, 2 * float(binom.sf(far - 1, trials, 0.5)))


def distance_p(distance: float, size: int) -> float:
    """p-value of "two samples of `size` values each have one distribution", from the largest difference of their
    cumulative shares: 2 exp(-size distance^2), valid from size 458 on (Wei and Dudley 2012, theorem 1), and no less so
    where values are tied. Raises ValueError below that size."""
    if size < 458:
        raise ValueError("The bound holds from 458 values on.")
    return min(1.0, 2 * math.exp(-size * distance**2))


def epsilon_of(mu: float, delta: float) -> float:
    """What mu-Gaussian-DP means at delta."""
    return analytic.epsilon(mu, delta) if mu > 0 else 0.0


def mu_of(epsilon: float, delta: float) -> float:
    """The mu of Gaussian DP that an epsilon at delta is."""
    low, high = 0.0, 64.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if analytic.delta(middle, epsilon) > delta else (middle, high)
    return low
