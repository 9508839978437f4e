"""A number as a mode and a scalar inside it, and back to a cell of its column's curve and the place in that cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.ctgan.mixture import Mixture, fit_mixture
from models.encoding.cells import Array, ColumnCells
from models.encoding.numeric import Curve
from models.table import Values

SPIKE = 0.05
"""Share of a column's present rows from which a single value is a mode of its own."""
REACH = 4.0
"""Deviations of its mode that a scalar of 1 stands for."""
EDGE = 0.99


@dataclass(frozen=True, eq=False)
class Numbers:
    """Modes of one number: those of the mixture, then spikes (P,), then the column's missing codes."""

    mixture: Mixture
    spikes: Array
    missing: int

    @property
    def size(self) -> int:
        return len(self.mixture.mean) + len(self.spikes) + self.missing

    def encode(self, values: Values, codes: tuple[int, ...], uniforms: Array) -> tuple[Array, Array]:
        """-> modes (N,) and scalars (N,) in [-EDGE, EDGE], 0 where the mode has none. codes: of the missing modes."""
        x, mixed = values.values, len(self.mixture.mean)
        mode = np.zeros(len(x), np.int64)
        scalar = np.zeros(len(x))
        left = values.missing < 0
        for i, code in enumerate(codes):
            mode[values.missing == code] = mixed + len(self.spikes) + i
        for i, spike in enumerate(self.spikes):
            at = left & (x == spike)
            mode[at] = mixed + i
            left = left & ~at
        drawn = self.mixture.draw_modes(x[left], uniforms[left])
        mode[left] = drawn
        scalar[left] = (x[left] - self.mixture.mean[drawn]) / (REACH * self.mixture.deviation[drawn])
        return mode, np.clip(scalar, -EDGE, EDGE)

    def decode(self, mode: Array, scalar: Array, cells: ColumnCells) -> tuple[Array, Array]:
        """-> cells of the encoding (N, slots) and the place of the value in its cell (N,), as Curve.decode takes it."""
        mixed = len(self.mixture.mean)
        centre = np.concatenate([self.mixture.mean, self.spikes, np.zeros(self.missing)])
        width = np.concatenate([REACH * self.mixture.deviation, np.zeros(len(self.spikes) + self.missing)])
        full, place = locate(_curve(cells), centre[mode] + width[mode] * scalar)
        gone = mode >= mixed + len(self.spikes)
        full[gone, 0] = len(cells.codec.fine) + mode[gone] - mixed - len(self.spikes)
        full[gone, 1] = 0
        return full[:, : len(cells.sizes)], place


def locate(curve: Curve, values: Array) -> tuple[Array, Array]:
    """Any numbers (N,) -> their cells (N, 2) and the uniforms (N,) from which Curve.decode makes them, bounded."""
    borders = (curve.high[:-1] + curve.low[1:]) / 2
    leaf = np.searchsorted(borders, values, side="right")
    half = curve.step / 2
    start, span = curve.low[leaf] - half, curve.high[leaf] - curve.low[leaf] + 2 * half
    share = np.clip((values - start) / np.where(span > 0, span, 1.0), 0.0, 1.0)
    return np.stack([curve.coarse_of[leaf], curve.fine_of[leaf]], 1), share ** (1 / curve.power[leaf])


def _curve(cells: ColumnCells) -> Curve:
    if not isinstance(cells.codec, Curve):
        raise TypeError("a column of labels has no modes")
    return cells.codec


def fit_numbers(present: Array, cells: ColumnCells) -> Numbers:
    """present (N,): the values of the training rows that are not missing, N >= 1. Raises TypeError for labels."""
    distinct, counts = np.unique(present, return_counts=True)
    spikes = distinct[counts > SPIKE * len(present)]
    rest = present[~np.isin(present, spikes)]
    if not len(rest):
        rest = present
    return Numbers(fit_mixture(rest, _curve(cells).step / REACH), spikes, len(cells.missing))
