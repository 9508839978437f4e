"""Rows from a mixture of product distributions, with less sampling noise than independent draws. Post-processing: free.

Each latent row is used evenly, and in each the cells of a column are drawn systematically (evenly spaced positions on
its cumulative distribution; Madow 1949), in an order of its own for each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.rng import stream

Array = npt.NDArray[Any]


def draw(probabilities: Sequence[Array], rows: int, seed: int) -> Array:
    """Codes (rows, d) int64 in random order. probabilities: of each column, (K, size)."""
    rng = stream(seed, "latent rows")
    count = len(probabilities[0])
    used = np.full(count, rows // count)
    used[rng.permutation(count)[: rows % count]] += 1
    latent = np.repeat(np.arange(count), used)
    first = np.repeat(np.cumsum(used) - used, used)
    codes = np.empty((rows, len(probabilities)), dtype=np.int64)
    for c, p in enumerate(probabilities):
        rng = stream(seed, "cells", c)
        # Rank of a random number among those of the same latent row: a random order.
        order = np.lexsort((rng.random(rows), latent))
        rank = np.empty(rows)
        rank[order] = np.arange(rows)
        place = (rank - first + rng.random(count)[latent]) / used[latent]
        codes[:, c] = _inverse(p, latent, np.minimum(place, 1 - 1e-12))
    shuffled: Array = codes[stream(seed, "order of rows").permutation(rows)]
    return shuffled


def _inverse(p: Array, latent: Array, place: Array) -> Array:
    """Cell at a place (0 to 1) of the cumulative distribution p[latent]."""
    cumulative = np.cumsum(p.astype(np.float64), axis=1)
    cumulative /= cumulative[:, -1:]
    line = (cumulative + np.arange(len(p))[:, None]).ravel()
    found = np.searchsorted(line, latent + place, side="right") - latent * p.shape[1]
    cells: Array = np.clip(found, 0, p.shape[1] - 1)
    return cells
