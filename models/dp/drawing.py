"""Rows from a mixture of product distributions, with less sampling noise than independent draws. Post-processing: free.

Row i is made from the seed and i alone, so that any part of a sample can be drawn apart. Latent rows are used in
rounds, each once a round in an order of the round's own, so that any number of rows uses all of them evenly. The t-th
use of a latent row draws each column at the t-th of evenly spaced places of its cumulative distribution (systematic
sampling: Madow 1949), taken in an order in which the first 1, 2, 4, ... lie evenly too: whenever their number doubles,
each place is joined by one in the other half of its part, the parts in random order. (In van der Corput's order,
scrambled as by Owen 1995, neighbours in time fall into opposite halves in every column, and pairs of columns scatter
twice as much.)

Under conditions latent rows have weights: a block of rows takes them at evenly spaced places of their cumulative
weights, and its uses of a latent row are spaced evenly in random order.

Where the target has a model of its own (models/dp/target.py), it is drawn after the other cells: systematically over
the rows of a block in the order of latent rows and, within each, of what is expected, so that it scatters no more than
the mixture's does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp.target import Posterior, TargetModel
from models.rng import stream

Array = npt.NDArray[Any]
BLOCK = 8_192
"""Rows that are drawn together."""
ROUNDS = 32
"""Uses of a latent row whose places are evenly spaced."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """At least one column. columns: of each, its distribution in each latent row, (K, size), or 0 throughout where
    that has no weight. weights (K,): of latent rows; None: all equal. target: how it is drawn given the others; None:
    as the mixture has it.
    """

    columns: tuple[Array, ...]
    weights: Array | None = None
    target: TargetModel | None = None

    @cached_property
    def lines(self) -> list[Array]:
        """Of each column the cumulative distribution in each latent row, (K, size)."""
        return [_line(p) for p in self.columns]

    @cached_property
    def _posterior(self) -> Posterior | None:
        """None where the target is drawn as the mixture has it."""
        model = self.target
        if model is None or not model.weight:
            return None
        return Posterior(self.columns, model.column, self.weights)

    def block(self, number: int, seed: int) -> Array:
        """Codes (BLOCK, d) int64 of rows number * BLOCK and following."""
        places = self._weighted if self.weights is not None else self._even
        codes = np.empty((BLOCK, len(self.columns)), dtype=np.int64)
        latent, at = places(number, seed)
        for c, line in enumerate(self.lines):
            codes[:, c] = _inverse(line, latent, at(c))
        chances = self._chances(codes)
        if chances is not None and self.target is not None:
            expected = chances @ np.arange(chances.shape[1])
            starts = stream(seed, "target", number).random((chances.shape[1],))
            codes[:, self.target.column] = _systematic(chances, np.lexsort((expected, latent)), starts)
        return codes

    def alone(self, u: Array) -> Array:
        """Codes (N, d) of rows that are drawn each by itself, by uniforms (N, 1 + d)."""
        latent = _latent(np.ones(len(self.columns[0])) if self.weights is None else self.weights, u[:, 0])
        codes = np.stack([_inverse(line, latent, u[:, 1 + c]) for c, line in enumerate(self.lines)], 1)
        chances = self._chances(codes)
        if chances is not None and self.target is not None:
            column = self.target.column
            codes[:, column] = _inverse(_line(chances), np.arange(len(codes)), u[:, 1 + column])
        return codes

    def _chances(self, codes: Array) -> Array | None:
        """Of the target's cells given the others, (N, L); None where it is drawn as the mixture has it."""
        if self._posterior is None or self.target is None:
            return None
        return self.target.pooled(codes, [p.shape[1] for p in self.columns], self._posterior.of(codes))

    def _even(self, number: int, seed: int) -> tuple[Array, Callable[[int], Array]]:
        """Of each row of a block its latent row, and its places by column."""
        count = len(self.columns[0])
        use, turn = np.divmod(np.arange(number * BLOCK, (number + 1) * BLOCK), count)
        orders = [stream(seed, "latent rows", t).permutation(count) for t in range(use[0], use[-1] + 1)]
        latent = np.stack(orders)[use - use[0], turn]
        windows, within = np.divmod(use, ROUNDS)

        def at(c: int) -> Array:
            out = np.empty(BLOCK)
            for window in range(windows[0], windows[-1] + 1):
                here = windows == window
                out[here] = _spread(seed, c, int(window), count)[latent[here], within[here]]
            return out

        return latent, at

    def _weighted(self, number: int, seed: int) -> tuple[Array, Callable[[int], Array]]:
        assert self.weights is not None  # noqa: S101 - chosen by block
        rng = stream(seed, "latent rows", number)
        latent = _latent(self.weights, (rng.permutation(BLOCK) + rng.random()) / BLOCK)
        used = np.bincount(latent, minlength=len(self.weights))
        first = (np.cumsum(used) - used)[latent]

        def at(c: int) -> Array:
            rng = stream(seed, "cells", number, c)
            # Rank of a random number among those of the same latent row: a random order.
            order = np.lexsort((rng.random(BLOCK), latent))
            rank = np.empty(BLOCK)
            rank[order] = np.arange(BLOCK)
            return np.asarray((rank - first + rng.random(len(used))[latent]) / used[latent])

        return latent, at


def draw(
    probabilities: Sequence[Array], rows: int, seed: int, start: int = 0, target: TargetModel | None = None
) -> Array:
    """Codes (rows, d) int64 of rows start, start + 1, ... of a seed. Others as in Mixture."""
    mixture = Mixture(tuple(probabilities), target=target)
    blocks = range(start // BLOCK, -(-(start + rows) // BLOCK))
    parts = [mixture.block(number, seed) for number in blocks]
    first = start % BLOCK
    codes: Array = np.concatenate(parts)[first : first + rows] if parts else np.zeros((0, len(probabilities)), np.int64)
    return codes


def _line(p: Array) -> Array:
    """Cumulative distributions (K, size), ending at exactly 1; 0 where a latent row has no mass at all."""
    cumulative = np.cumsum(p.astype(np.float64), axis=1)
    total = cumulative[:, -1:]
    return np.divide(cumulative, total, out=np.zeros_like(cumulative), where=total > 0)


def _systematic(chances: Array, order: Array, starts: Array) -> Array:
    """A cell (N,) for each row, by chances (N, L) that sum to 1. Of each cell the rows that have it are spread evenly
    over `order`. starts (L,): uniform random numbers."""
    found = np.full(len(chances), -1)
    left = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1]
    for cell, start in enumerate(starts):
        free = found < 0
        share = np.divide(chances[:, cell], left[:, cell], out=np.zeros(len(chances)), where=free & (left[:, cell] > 0))
        reached = np.floor(np.cumsum(share[order]) + start)
        taken = np.zeros(len(chances), dtype=bool)
        taken[order] = np.diff(reached, prepend=0.0) > 0
        found[taken & free] = cell
    # Rounding may leave a row over.
    rest = found < 0
    found[rest] = chances[rest].argmax(1)
    return found


def _latent(weights: Array, place: Array) -> Array:
    """Latent rows at places (0 to 1) of the cumulative weights."""
    cumulative = np.cumsum(weights)
    found = np.searchsorted(cumulative / cumulative[-1], place, side="right")
    last = np.flatnonzero(weights > 0)[-1]
    latent: Array = np.minimum(found, last)
    return latent


def _inverse(line: Array, latent: Array, place: Array) -> Array:
    """Cell at a place (0 to 1) of the cumulative distribution line[latent]: one that has mass."""
    size = line.shape[1]
    whole = (line + np.arange(len(line))[:, None]).ravel()
    # Rounding of latent + place must lead neither to another latent row nor to a cell without mass.
    found = np.searchsorted(whole, latent + np.minimum(place, 1 - 2.0**-30), side="right") - latent * size
    cells: Array = np.clip(found, 0, size - 1)
    return cells


@lru_cache(maxsize=512)
def _spread(seed: int, column: int, window: int, count: int) -> Array:
    """Places of ROUNDS uses of each latent row in one column, (count, ROUNDS)."""
    rng = stream(seed, "cells", column, window)
    cell = rng.integers(ROUNDS, size=(count, 1))
    size = 1
    while size < ROUNDS:
        # One of the `size` places lies in each of as many parts: which half of it is taken?
        width = ROUNDS // size
        taken = np.empty((count, size), dtype=np.int64)
        np.put_along_axis(taken, cell // width, cell % width // (width // 2), axis=1)
        parts = np.argsort(rng.random((count, size)), axis=1)
        free = 1 - np.take_along_axis(taken, parts, axis=1)
        new = parts * width + free * (width // 2) + rng.integers(width // 2, size=(count, size))
        cell, size = np.concatenate([cell, new], axis=1), 2 * size
    places: Array = (cell + rng.random((count, 1))) / ROUNDS
    places.setflags(write=False)
    return places
