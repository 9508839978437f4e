"""Randomness of DP-SGD: one secret stream per job, for Gaussian noise and for Poisson sampling.

Bytes are SHAKE-256 of a 32-byte key and a counter (FIPS 202; the keyed sponge as a pseudo-random function, Bertoni,
Daemen, Peeters and Van Assche 2011). The key comes from the operating system, stays in this object, and is not in its
repr, a pickle or a copy: who knew it could take the noise off again. A job that resumes makes a new stream; what it
repeats gets fresh noise. No seed reaches this module.

What floating point does not guarantee. `normal` is near the Gaussian: uniforms of 64 and 53 bits, Box and Muller 1958
in double precision, rounded to single. The accountant proves its bound for real numbers. The sum of a value and such
noise can be one that another value could not have given (Mironov 2012, "On significance of the least significant bits
for differential privacy"): against someone who sees single noisy gradients to the last bit, and knows all other rows,
the bound is not proved. DP-SGD here releases weights after many steps, from which the gradients of a step are not read
off; this is an argument, not a proof. Where the noisy value itself is released, use models/dp/noise.py, which is exact.
"""

from __future__ import annotations

import hashlib
import math
import os
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInput

Array = npt.NDArray[Any]


class Stream:
    """Secret random numbers. Not for several threads at once."""

    __slots__ = ("_counter", "_key", "_owner")

    def __init__(self, key: bytes | None = None) -> None:
        """key: 32 bytes, for tests alone; left out, they come from the operating system."""
        self._key = os.urandom(32) if key is None else bytes(key)
        self._counter = 0
        self._owner = os.getpid()
        if len(self._key) != 32:
            raise ValueError("A stream's key has 32 bytes.")

    def bytes(self, size: int) -> bytes:
        """The next `size` bytes; a source for models/dp/noise.py. Raises RuntimeError in a forked process, which would
        draw the same noise a second time."""
        if os.getpid() != self._owner:
            raise RuntimeError("A stream of secret noise was carried into another process: make a new one there.")
        self._counter += 1
        return hashlib.shake_256(self._key + self._counter.to_bytes(16, "big")).digest(size)

    def normal(self, shape: int | tuple[int, ...]) -> Array:
        """Standard normal noise of that shape, float32. Tails reach 9.4 standard deviations."""
        count = math.prod(shape) if isinstance(shape, tuple) else shape
        half = (count + 1) // 2
        words = np.frombuffer(self.bytes(16 * half), dtype="<u8").reshape(2, half)
        # 0 < u <= 1: small u, which make the tails, keep all their digits.
        radius = np.sqrt(-2 * np.log((words[0].astype(np.float64) + 0.5) * 2.0**-64))
        angle = (words[1] >> np.uint64(11)).astype(np.float64) * (2 * math.pi * 2.0**-53)
        pair = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return pair[:count].astype(np.float32).reshape(shape)

    def poisson_mask(self, count: int, q: float) -> Array:
        """Which of `count` units are in the sample, bool: each by itself with probability q, rounded down to a multiple
        of 2^-64 (sampling less than accounted for is safe). Raises InvalidInput unless 0 <= q <= 1."""
        if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
            raise InvalidInput("The sampling rate must lie between 0 and 1.", hint="Batch size over number of units.")
        if q == 1:
            return np.ones(count, dtype=bool)
        bound = np.uint64(math.floor(Fraction(q) * 2**64))
        return np.frombuffer(self.bytes(8 * count), dtype="<u8") < bound

    def __repr__(self) -> str:
        return "Stream(secret)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A stream of secret noise is neither stored nor copied: make a new one.")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self.__reduce__()
