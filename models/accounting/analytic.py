"""The Gaussian mechanism, exactly (Balle and Wang 2018, "Improving the Gaussian mechanism", theorem 8).

Gaussian releases of sigmas s_1, s_2, ... have together the privacy loss of one with mu = sqrt(sum 1 / s_i^2): the loss
of each is normal with mean mu_i^2 / 2 and variance mu_i^2, and independent losses add up (Dong, Roth and Su 2022,
corollary 3.3).
"""

from __future__ import annotations

import math

from scipy.special import erfcx, log_ndtr, ndtr

_ROOT_HALF_PI = math.sqrt(math.pi / 2)
_ROOT_2 = math.sqrt(2.0)


def delta(mu: float, epsilon: float) -> float:
    """delta(epsilon) of the Gaussian mechanism of sensitivity / sigma = mu: Phi(a) - e^epsilon Phi(a - mu).

    Both terms have the factor phi(a), so that what is left is a difference of Mills ratios: no cancellation of nearly
    equal small numbers.
    """
    if mu == 0:
        return 0.0
    a = mu / 2 - epsilon / mu
    b = a - mu
    if a > 0:
        return float(max(0.0, ndtr(a) - math.exp(epsilon + float(log_ndtr(b)))))
    mills = _ROOT_HALF_PI * float(erfcx(-a / _ROOT_2) - erfcx(-b / _ROOT_2))
    return max(0.0, math.exp(-a * a / 2) / math.sqrt(2 * math.pi) * mills)


def epsilon(mu: float, delta_: float) -> float:
    """Smallest epsilon >= 0 with delta(mu, epsilon) <= delta_, rounded up by one part in 1e12."""
    if delta(mu, 0.0) <= delta_:
        return 0.0
    low, high = 0.0, max(mu * mu, mu * 1e-3)
    while delta(mu, high) > delta_:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if delta(mu, middle) > delta_ else (low, middle)
    return high
