"""Survey weights of the rows that are compared, and what chance makes of a distance between weighted tables.

By permutation, as models/evaluation/nulls.py has it for counts of rows: each row carries its weight along. Of weighted
cells there is no closed form, above all of rare ones, so that the rows are dealt out DEALS times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from models.evaluation.matrix import Floats, Ints, Matrix, weights_of

DEALS = 60
FAR = 0.99999
"""Quantile at which Student's t, for a deviation that so few deals tell, is taken for the normal."""


@dataclass(frozen=True, eq=False)
class Weighing:
    """by_table: weights (N,) of mean 1 of each table's rows. dealt (DEALS, N): of the rows of the first two tables
    together, those that a deal gives to the first, with their weights; the others are 0."""

    by_table: tuple[Floats, ...]
    dealt: Floats

    @staticmethod
    def of(tables: Sequence[Matrix], rng: np.random.Generator) -> Weighing | None:
        """None where a table has no weights, or none above 0."""
        own = [weights_of(t) for t in tables]
        found = tuple(w for w in own if w is not None)
        if len(found) < len(own):
            return None
        pooled = np.concatenate(found[:2])
        dealt = np.zeros((DEALS, len(pooled)))
        for deal in dealt:
            rows = rng.permutation(len(pooled))[: len(found[0])]
            deal[rows] = pooled[rows]
        return Weighing(found, dealt)

    def variation_moments(self, first: Ints, second: Ints, size: int) -> tuple[float, float]:
        """Cells (N,) of the first two tables -> mean and standard deviation of the total variation of their weighted
        shares, over ways to deal out their rows; wider by what is not known of either from so few deals."""
        cells = np.concatenate([first, second])
        total = np.bincount(cells, np.concatenate(self.by_table[:2]), size)
        whole = float(total.sum())
        read = np.empty(len(self.dealt))
        for i, deal in enumerate(self.dealt):
            one = np.bincount(cells, deal, size)
            a = float(one.sum())
            read[i] = 0.5 * float(np.abs(one / max(a, 1e-300) - (total - one) / max(whole - a, 1e-300)).sum())
        deals = len(read)
        wider = math.sqrt(1 + 1 / deals) * float(stdtrit(deals - 1, FAR)) / float(ndtri(FAR))
        return float(read.mean()), wider * float(read.std(ddof=1))


def worth(w: Floats) -> float:
    """Rows of equal weight that rows of weights w (N,) are worth: (sum w)^2 / sum w^2 (Kish 1965)."""
    return float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0
