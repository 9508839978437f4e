"""Renyi differential privacy: the older accountant, for comparison and for reviewers who want closed forms.

Orders alpha > 1, whole or not. Sampled Gaussian: Mironov, Talwar and Zhang 2019, "Renyi differential privacy of the
sampled Gaussian mechanism". Conversion: Canonne, Kamath and Steinke 2020, "The discrete Gaussian for differential
privacy", proposition 12, equal to that of Balle et al. 2020.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, logsumexp

from models.accounting.terms import Terms

WHOLE = tuple(float(a) for a in (*range(2, 65), *range(68, 257, 4), *range(272, 1025, 16)))
ORDERS = tuple(sorted({1 + 10 ** (k / 12) for k in range(-36, 1)} | {1 + k / 10 for k in range(11, 100)} | set(WHOLE)))
ORDERS += tuple(1024 * 2 ** (k / 4) for k in range(1, 60))
"""Any order gives a valid bound; these lie close enough together that another would not be better by a part in 1000."""
_LONG = 1024.0
"""Sampled Gaussian: orders beyond are not tried."""
_POINTS = 100_000
"""Nor are orders that need more points of the integrand, which is where sigma is tiny."""


def epsilon(terms: Terms, delta: float) -> float:
    """Smallest epsilon that some order proves; infinity where there is none."""
    rest = (delta - terms.failure) / (1 - terms.failure)
    if rest <= 0:
        return math.inf

    def bound(order: float) -> float:
        return _total(terms, order) + math.log1p(-1 / order) - (math.log(rest) + math.log(order)) / (order - 1)

    return max(0.0, min(map(bound, ORDERS)))


def delta(terms: Terms, epsilon_: float) -> float:
    """Smallest delta that some order proves, at most 1."""

    def bound(order: float) -> float:
        exponent = (order - 1) * (_total(terms, order) - epsilon_)
        return exponent - math.log(order - 1) + order * math.log1p(-1 / order)

    return min(1.0, terms.failure + (1 - terms.failure) * math.exp(min(0.0, *map(bound, ORDERS))))


def _total(terms: Terms, order: float) -> float:
    """Divergence of that order of everything together: they add up."""
    # Discrete Gaussian: no more than the continuous one (Canonne, Kamath and Steinke 2020, theorem 4).
    total = order / 2 * (terms.mu**2 + sum(counts / sigma**2 for sigma, counts in terms.discrete))
    total += sum(steps * sampled_gaussian(q, sigma, order) for q, sigma, steps in terms.sampled)
    return total + sum(count * randomised_response(epsilon_, order) for epsilon_, count in terms.responses)


def randomised_response(epsilon_: float, order: float) -> float:
    """Divergence of the worst epsilon-DP mechanism: answers truly with probability e^epsilon / (1 + e^epsilon)."""
    log_yes, log_no = -math.log1p(math.exp(-epsilon_)), -epsilon_ - math.log1p(math.exp(-epsilon_))
    terms = [order * log_yes + (1 - order) * log_no, order * log_no + (1 - order) * log_yes]
    return min(epsilon_, max(0.0, float(logsumexp(terms)) / (order - 1)))


@lru_cache(maxsize=65_536)
def sampled_gaussian(q: float, sigma: float, order: float) -> float:
    """Divergence of one step, sampling rate q, noise sigma (their section 3.3): log A / (order - 1),

    A = E[(1 - q + q exp((2 z - 1) / (2 sigma^2)))^order] for z ~ N(0, sigma^2). Whole orders: the binomial sum. Others:
    the trapezoid rule on the whole line, whose error for this analytic integrand falls exponentially with the inverse
    of the step (Trefethen and Weideman 2014, theorem 5.1): at sigma / 20 far below rounding.
    """
    if q == 1:
        return order / (2 * sigma**2)
    if order > _LONG:
        return math.inf
    if order == int(order):
        k = np.arange(int(order) + 1)
        binomial = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = binomial + k * math.log(q) + (order - k) * math.log1p(-q) + k * (k - 1) / (2 * sigma**2)
        return max(0.0, float(logsumexp(terms))) / (order - 1)
    step = min(sigma, math.pi * sigma**2) / 20
    if order + 28 * sigma > _POINTS * step:
        return math.inf
    z = np.arange(-14 * sigma, order + 14 * sigma, step)
    ratio = np.logaddexp(math.log1p(-q), math.log(q) + (2 * z - 1) / (2 * sigma**2))
    terms = order * ratio - z**2 / (2 * sigma**2) + math.log(step / (sigma * math.sqrt(2 * math.pi)))
    return max(0.0, float(logsumexp(terms))) / (order - 1)
