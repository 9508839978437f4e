"""Random draws of cells by their probabilities, row by row or evenly spread over groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.rng import key, stream

BLOCK = 8_192
"""Rows that share one stream: those of a block are drawn together."""
GROUP = 256
"""Rows over which draws are spread evenly; a block is drawn in whole groups, whichever of its rows are asked for."""


def pick(p: Tensor, u: Tensor) -> Tensor:
    """Masses (B, K), any total, and uniforms (B,) -> cells (B,)."""
    cdf = p.cumsum(1)
    # Below the total, so that rounding never picks a cell of no mass behind the last one.
    goal = u[:, None] * cdf[:, -1:] * (1 - 1e-6)
    return torch.searchsorted(cdf, goal, right=True)[:, 0].clamp_max(p.shape[1] - 1)


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws the cells of a slot for whole groups of rows. Each row is drawn as if it were alone; shares of a sample,
    however short, scatter less.

    Among cells it picks by uniforms (B, S) that spread evenly over a group. Whether a cell is missing is decided first,
    where the slot has missing cells, by systematic sampling with unequal probabilities (Madow 1949) over the rows of a
    group in random order: as many rows are missing as their probabilities sum to, but for less than one. A goal tilts
    the odds of each group to the share that it should have, so that the chances of the columns before do not add up.

    Shape: missing (S,) missing cells at the end of each slot; order (B, S) the rows in random order, group by group;
    start (B / GROUP, S) uniforms; goal (S,) share of the missing cells.
    """

    missing: tuple[int, ...]
    uniforms: Tensor
    order: Tensor
    start: Tensor
    goal: Sequence[float] | None = None

    @staticmethod
    def of(seed: int, number: int, layout: Layout, device: torch.device, goal: Sequence[float] | None = None) -> Draws:
        """Those of a whole block."""
        slots, missing = len(layout.sizes), layout.missing or (0,) * len(layout.sizes)
        source = stream(seed, "missing", number)
        keys = source.random((BLOCK // GROUP, GROUP, slots if any(missing) else 0), dtype=np.float32)
        order = (np.argsort(keys, axis=1) + np.arange(0, BLOCK, GROUP)[:, None, None]).reshape(BLOCK, -1)
        start = source.random((BLOCK // GROUP, slots))
        uniforms = strata(key(seed, "cells"), number, slots)
        u, o, v = (torch.from_numpy(a).to(device) for a in (uniforms, order, start))
        return Draws(missing, u, o, v, goal)

    def part(self, begin: int, end: int) -> Draws:
        """Rows begin..end, both multiples of GROUP."""
        start = self.start[begin // GROUP : end // GROUP]
        return Draws(self.missing, self.uniforms[begin:end], self.order[begin:end] - begin, start, self.goal)

    def __call__(self, p: Tensor, slot: int) -> Tensor:
        """Masses (B, K), any total above 0, -> cells (B,)."""
        if self.missing[slot]:
            values = p.shape[1] - self.missing[slot]
            share = p[:, values:].sum(1).double() / p.sum(1)
            if self.goal is not None:
                share = _tilted(share.view(-1, GROUP), self.goal[slot]).flatten()
            at = self.order[:, slot]
            reached = share[at].view(-1, GROUP).cumsum(1) + self.start[:, slot, None]
            before = F.pad(reached[:, :-1], (1, 0))
            before[:, 0] = self.start[:, slot]
            absent = torch.empty(len(p), dtype=torch.bool, device=p.device)
            absent[at] = (reached.floor() > before.floor()).flatten()
            # Rounding must never lead where there is no mass.
            absent = (absent | (share >= 1)) & (share > 0)
            p = p * ((torch.arange(p.shape[1], device=p.device) >= values) == absent[:, None])
        return pick(p, self.uniforms[:, slot])


def _tilted(share: Tensor, goal: float) -> Tensor:
    """Probabilities (G, B) -> with all odds of a row of them multiplied so that they average to the goal, if need be
    by up to e either way. 0 and 1 stay.
    """
    odds = torch.logit(share)
    shift = torch.zeros_like(odds[:, :1])
    for _ in range(8):
        p = torch.sigmoid(odds + shift)
        slope = (p * (1 - p)).mean(1, keepdim=True).clamp_min(1e-6)
        shift = (shift - (p.mean(1, keepdim=True) - goal) / slope).clamp(-1, 1)
    return torch.sigmoid(odds + shift)


def independent(u: Tensor) -> Callable[[Tensor, int], Tensor]:
    """Independent draws by uniforms (B, S)."""
    return lambda p, slot: pick(p, u[:, slot])


def strata(seed: int, number: int, columns: int) -> Array:
    """Uniforms of a block (BLOCK, columns) float32. Every GROUP rows, those of a column fall one into each of GROUP
    equal strata (Latin hypercube sampling; McKay, Beckman and Conover 1979).
    """
    source = stream(seed, "rows", number)
    shape = (BLOCK // GROUP, GROUP, columns)
    ranks = np.argsort(source.random(shape, dtype=np.float32), axis=1)
    u = ((ranks + source.random(shape, dtype=np.float32)) / GROUP).astype(np.float32)
    return np.minimum(u, np.float32(1 - 2**-24)).reshape(BLOCK, columns)
