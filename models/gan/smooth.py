"""Cells of a number share what they learn with their neighbours: weights of cells in a multilevel basis.

Each ordered cell's weights are its own plus those of hat functions around it, of widths 2, 4, 8, ... cells, plus a
ramp over all of them (the multilevel finite element basis: Yserentant 1986, "On the multi-level splitting of finite
element spaces"; as input it generalises piecewise linear encoding: Gorishniy, Rubachev and Babenko 2022, "On
embeddings for numerical features in tabular deep learning", section 3.2). Any weights can still be learnt, but those
that change smoothly from cell to cell are learnt first, from fewer rows. After training the sums are stored, so
sampling knows nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout


@dataclass(frozen=True, eq=False)
class Basis:
    """A sparse matrix of W cells by R functions: cell c is the sum of share[i] * function[i], i from start[c] on.

    back: the same by function, as cell, share and start.

    Shape: function (E,) int64, share (E,) float32, start (W,) int64; back (E,), (E,), (R,).
    """

    functions: int
    function: Tensor
    share: Tensor
    start: Tensor
    back: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, functions: int, function: Tensor, share: Tensor, start: Tensor) -> Basis:
        """With its transpose."""
        order = function.argsort(stable=True)
        cell = torch.searchsorted(start, torch.arange(len(function)), right=True) - 1
        counts = torch.bincount(function, minlength=functions)
        return cls(functions, function, share, start, (cell[order], share[order], counts.cumsum(0) - counts))

    def expand(self, weights: Tensor) -> Tensor:
        """Weights of the functions (R, H) -> weights of the cells (W, H)."""
        return F.embedding_bag(self.function, weights, self.start, mode="sum", per_sample_weights=self.share)

    def gather(self, cells: Tensor) -> Tensor:
        """Gradient of the weights of the cells (W, H) -> of those of the functions (R, H)."""
        cell, share, start = self.back
        return F.embedding_bag(cell, cells, start, mode="sum", per_sample_weights=share)

    def to(self, device: torch.device) -> Basis:
        moved = {k: getattr(self, k).to(device) for k in ("function", "share", "start")}
        cell, share, start = self.back
        return replace(self, **moved, back=(cell.to(device), share.to(device), start.to(device)))


def smooth_basis(layout: Layout) -> Basis:
    """Hats and a ramp for the ordered cells of every slot, and one function for each cell alone."""
    function: list[Array] = []
    share: list[Array] = []
    start: list[int] = []
    used = entries = 0
    ordered = layout.ordered or (0,) * len(layout.sizes)
    for size, count in zip(layout.sizes, ordered, strict=True):
        matrix = np.eye(size)
        if count > 3:
            hats = _hats(count)
            matrix = np.concatenate([matrix, np.pad(hats, ((0, size - count), (0, 0)))], 1)
        for row in matrix:
            at = np.flatnonzero(row)
            function.append(used + at)
            share.append(row[at])
            start.append(entries)
            entries += len(at)
        used += matrix.shape[1]
    return Basis.of(
        used,
        torch.from_numpy(np.concatenate(function or [np.zeros(0)]).astype(np.int64)),
        torch.from_numpy(np.concatenate(share or [np.zeros(0)]).astype(np.float32)),
        torch.tensor(start, dtype=torch.int64),
    )


def _hats(count: int) -> Array:
    """Values of the hats and of the ramp in each of `count` cells: (count, functions)."""
    cell = np.arange(count)[:, None]
    columns = [np.linspace(-1, 1, count)[:, None]]
    width = 2
    while width < count:
        columns.append(np.maximum(0.0, 1 - np.abs(cell - np.arange(0, count + width, width)[None]) / width))
        width *= 2
    return np.concatenate(columns, 1)
