"""From raw features to the inputs of a neural network, learnt from training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.classifiers.base import Floats
from models.errors import InvalidInput

SCALINGS = ("standard", "minmax", "robust", "none")
CLIP = 10.0
"""Scaled numbers are kept within +-10, so that an outlier in the test rows cannot blow up a prediction."""


@dataclass
class Preparation:
    """Missing numbers become the training median, with an indicator column where training rows had gaps; numbers are
    scaled; categories, missing included, become one column each. A category that training did not hold, or that was not
    among its `max_categories` most frequent, is all zeros.

    categorical: (F,) True where a column holds category codes.
    """

    categorical: Sequence[bool]
    scaling: str = "standard"
    max_categories: int = 64
    _median: Floats = field(init=False, repr=False)
    _center: Floats = field(init=False, repr=False)
    _scale: Floats = field(init=False, repr=False)
    _gaps: npt.NDArray[np.bool_] = field(init=False, repr=False)
    _levels: list[Floats] = field(init=False, repr=False)

    def fit(self, x: Floats) -> Preparation:
        """Learn from training rows x (N, F), N >= 1."""
        if self.scaling not in SCALINGS:
            raise InvalidInput(f"Scaling {self.scaling!r} is not known.", hint=f"One of {', '.join(SCALINGS)}.")
        mask = np.asarray(self.categorical, dtype=bool)
        if x.ndim != 2 or x.shape[1] != len(mask):
            raise InvalidInput(f"There are {len(mask)} features, but the rows do not have as many columns.")
        numbers = x[:, ~mask]
        present = np.isfinite(numbers)
        self._gaps = np.asarray(~present.all(axis=0))
        empty = ~present.any(axis=0)
        known = np.where(empty, 0.0, numbers)
        quartiles = np.nanpercentile(known, (25, 50, 75), axis=0) if known.shape[1] else np.empty((3, 0))
        low, self._median, high = quartiles
        filled = np.where(present, numbers, self._median)
        if self.scaling == "standard":
            self._center, scale = filled.mean(axis=0), filled.std(axis=0)
        elif self.scaling == "minmax":
            self._center, scale = filled.min(axis=0), np.ptp(filled, axis=0)
        elif self.scaling == "robust":
            self._center, scale = self._median, high - low
        else:
            self._center, scale = np.zeros_like(self._median), np.ones_like(self._median)
        self._scale = np.where(scale > 0, scale, 1.0)
        self._levels = []
        for column in np.where(np.isfinite(x[:, mask]), x[:, mask], -1.0).T:
            levels, counts = np.unique(column, return_counts=True)
            frequent = np.argsort(-counts, kind="stable")[: self.max_categories]
            self._levels.append(np.sort(levels[frequent]))
        return self

    def transform(self, x: Floats) -> npt.NDArray[np.float32]:
        """(N, F) -> float32 (N, `width`)."""
        mask = np.asarray(self.categorical, dtype=bool)
        numbers = x[:, ~mask]
        present = np.isfinite(numbers)
        scaled = (np.where(present, numbers, self._median) - self._center) / self._scale
        parts = [np.clip(scaled, -CLIP, CLIP), ~present[:, self._gaps]]
        out = np.zeros((len(x), self.width), np.float32)
        at = 0
        for part in parts:
            out[:, at : at + part.shape[1]] = part
            at += part.shape[1]
        rows = np.arange(len(x))
        for column, levels in zip(np.where(np.isfinite(x[:, mask]), x[:, mask], -1.0).T, self._levels, strict=True):
            place = np.minimum(np.searchsorted(levels, column), len(levels) - 1)
            known = levels[place] == column
            out[rows[known], at + place[known]] = 1.0
            at += len(levels)
        return out

    @property
    def width(self) -> int:
        """Number of input columns."""
        return len(self._center) + int(self._gaps.sum()) + sum(map(len, self._levels))
