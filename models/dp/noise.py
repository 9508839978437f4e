"""Exact integer noise: the discrete Gaussian, from the operating system's entropy.

Algorithms 1 to 3 of Canonne, Kamath and Steinke 2020, "The discrete Gaussian for differential privacy", for many draws
at once. Every number is an integer (numpy's int64 where it provably fits, Python's where not) and every random number
comes from uniform bytes by rejection, so that the distribution is exact: no floating-point number is made anywhere
between the bytes and the noise. No seed reaches this module.

Guarantee. Adding to integers of L2 sensitivity Delta independent discrete Gaussian noise of parameter sigma is
(Delta^2 / (2 sigma^2))-concentrated DP (their theorem 4), with the Renyi divergences of the continuous Gaussian as
bounds at every order: the accountant "rdp" may take it for a "gaussian" of sigma / Delta. Its (epsilon, delta) curve is
not below the continuous one's: one count at sigma 1 has 1.7 times the delta where that is 1e-9. The accountant "pld"
therefore has an event of its own, "discrete_gaussian", which composes the losses of the counts as they are. It covers
counts of which a unit changes a stated number by one each (docs/privacy.md).

Timing. How long a draw takes depends on the noise drawn (rejections), as with every sampler of this kind.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInput

Array = npt.NDArray[Any]
Bytes = Callable[[int], bytes]
"""n -> n uniform bytes."""

_DIGITS = 14
"""Binary digits of the variance that are kept where sigma is a float."""
_SAFE = 2**62
_LARGEST = 2**40


def variance_of(sigma: Fraction | float) -> Fraction:
    """The variance that noise of this sigma gets: sigma^2 where sigma is an int or Fraction; for a float the next
    number above with 14 binary digits, so that sigma grows by at most 1 / 16,000 and nothing overflows.

    Raises InvalidInput unless 2^-10 <= sigma <= 2^40.
    """
    if isinstance(sigma, bool) or not isinstance(sigma, (int, float, Fraction)) or not 2**-10 <= sigma <= _LARGEST:
        raise InvalidInput("The noise scale must be a number between 1/1024 and 2^40.", hint="Check the budget.")
    exact = Fraction(sigma) ** 2
    if not isinstance(sigma, float):
        return exact
    # 2^(digits - 1) <= exact * scale < 2^(digits + 1)
    size = exact.numerator.bit_length() - exact.denominator.bit_length()
    scale = Fraction(2) ** (_DIGITS - size)
    return math.ceil(exact * scale) / scale


def discrete_gaussian(sigma: Fraction | float, size: int, source: Bytes = os.urandom) -> Array:
    """`size` independent draws, shape (size,) int64, of P(n) proportional to exp(-n^2 / (2 variance_of(sigma))).

    source: uniform bytes; anything but the default is for tests. Their algorithm 3: a discrete Laplace of scale t =
    floor(sigma) + 1 is kept with probability exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)).
    """
    variance = variance_of(sigma)
    a, b = variance.numerator, variance.denominator
    t = math.isqrt(a // b) + 1
    drawn = np.zeros(size, dtype=np.int64)
    done = 0
    while done < size:
        # Six of ten are kept, or more: enough for most of what is missing.
        y = _discrete_laplace(t, 2 * (size - done) + 16, source)
        # (|y| - a / (b t))^2 / (2 a / b) = (|y| b t - a)^2 / (2 a b t^2)
        top = max(int(np.abs(y).max(initial=0)) * b * t, a)
        kind = np.int64 if top * top < _SAFE and 2 * a * b * t * t < _SAFE else object
        off = np.abs(y).astype(kind) * (b * t) - a
        kept = y[_bernoulli_exp(off * off, 2 * a * b * t * t, source)][: size - done]
        drawn[done : done + len(kept)] = kept
        done += len(kept)
    return drawn


def _discrete_laplace(t: int, attempts: int, source: Bytes) -> Array:
    """Draws of P(n) proportional to exp(-|n| / t), one for each attempt that succeeds, int64. Their algorithm 2."""
    u = _below(t, attempts, source)
    u = u[_bernoulli_exp(u, t, source)]
    v = _geometric(len(u), source)
    negative = _below(2, len(u), source) == 1
    x = u + t * v
    kept = ~(negative & (x == 0))
    signed: Array = np.where(negative, -x, x)[kept].astype(np.int64)
    return signed


def _geometric(size: int, source: Bytes) -> Array:
    """How often Bernoulli(1 / e) succeeds before it fails, int64."""
    count: Array = np.zeros(size, dtype=np.int64)
    going = np.arange(size)
    while len(going):
        going = going[_bernoulli_exp(np.ones(len(going), dtype=np.int64), 1, source)]
        count[going] += 1
    return count


def _bernoulli_exp(numerator: Array, denominator: int, source: Bytes) -> Array:
    """Bernoulli(exp(-numerator / denominator)) for each numerator >= 0, bool. Their algorithm 1."""
    whole, rest = numerator // denominator, numerator % denominator
    alive = np.ones(len(numerator), dtype=bool)
    # exp(-x) = exp(-1)^floor(x) exp(-(x - floor(x))); each factor a draw, until one fails.
    going = np.flatnonzero(whole > 0)
    while len(going):
        success = _small_exp(np.ones(len(going), dtype=np.int64), 1, source)
        alive[going[~success]] = False
        whole[going] -= 1
        going = going[success & (whole[going] > 0)]
    left = np.flatnonzero(alive)
    alive[left] = _small_exp(rest[left], denominator, source)
    return alive


def _small_exp(numerator: Array, denominator: int, source: Bytes) -> Array:
    """The same for 0 <= numerator / denominator <= 1: draw Bernoulli(x / k) for k = 1, 2, ... until one fails; that k
    is odd with probability exp(-x) (von Neumann 1951)."""
    odd = np.ones(len(numerator), dtype=bool)
    going, k = np.arange(len(numerator)), 1
    while len(going):
        success = _below(denominator, len(going), source) < numerator[going]
        going = going[success]
        if k > 1:  # Bernoulli(x / k) = Bernoulli(x) and Bernoulli(1 / k), so that no product overflows
            going = going[_below(k, len(going), source) == 0]
        odd[going] ^= True
        k += 1
    return odd


def _below(bound: int, size: int, source: Bytes) -> Array:
    """Uniform integers 0 <= n < bound, shape (size,), int64 or, from 2^63 on, Python's. By rejection: exact."""
    bits = (bound - 1).bit_length()
    if bits == 0:
        return np.zeros(size, dtype=np.int64)
    width = next((w for w in (1, 2, 4, 8) if bits < 8 * w), -(-bits // 8))
    drawn: Array = np.zeros(size, dtype=np.int64 if width <= 8 and bits < 64 else object)
    missing = size
    while missing:
        # More than half are below the bound.
        attempts = missing + missing // 2 + 8
        raw = source(attempts * width)
        if bits < 64:
            words = np.frombuffer(raw, dtype=f"<u{width}").astype(np.int64) & ((1 << bits) - 1)
        else:
            mask = (1 << bits) - 1
            words = np.empty(attempts, dtype=object)
            words[:] = [int.from_bytes(raw[i : i + width], "little") & mask for i in range(0, len(raw), width)]
        words = words[words < bound][:missing]
        drawn[size - missing : size - missing + len(words)] = words
        missing -= len(words)
    return drawn
