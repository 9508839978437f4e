"""Random numbers of a row that depend on the seed, the row and the attempt alone, for many rows at once."""

from __future__ import annotations

import torch
from torch import Tensor

from models.rng import key

GOLDEN = 0x9E3779B97F4A7C15 - 2**64


def uniforms(seed: int, rows: Tensor, attempts: Tensor, width: int) -> Tensor:
    """Row numbers (N,) and attempts (N,), both int64 -> uniforms (N, width) float32 strictly between 0 and 1.

    A counter-based hash: the output function of SplitMix64 (Steele, Lea and Flood 2014) on seed and row, on that and
    the attempt, and on that and the place, so that any subset of rows can be drawn on any machine.
    """
    state = _mix(_mix(rows + _wrapped(key(seed, "ctgan rows"))) + attempts * GOLDEN)
    places = (torch.arange(width, device=rows.device) + 1) * GOLDEN
    return ((_mix(state[:, None] + places) >> 41 & 0x7FFFFF).float() + 0.5) * 2.0**-23


def normal(u: Tensor) -> Tensor:
    """Uniforms -> standard normal numbers of the same shape."""
    return torch.erfinv(2 * u - 1) * 2**0.5


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _right(x, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ _right(x, 27)) * (0x94D049BB133111EB - 2**64)
    return x ^ _right(x, 31)


def _right(x: Tensor, by: int) -> Tensor:
    """Logical shift: torch's keeps the sign."""
    return x >> by & ((1 << (64 - by)) - 1)


def _wrapped(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x
