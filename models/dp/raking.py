"""Rows of the masked generator, raked to the tables of the one-pass generator: boosting after the steps. Free.

DP-SGD makes the network forget some of what the noisy tables said, and its rows scatter as independent draws do. Both
are mended by choosing rows: a block is drawn from POOL times as many candidates, weighted so that their tables of
pairs, and of pairs by the target, become those of the one-pass generator (iterative proportional fitting: Deming and
Stephan 1940; of all weights that agree with the tables these are nearest to equal ones: Csiszar 1975). It is private
post-GAN boosting (Neunhoeffer, Wu and Dwork 2021, section 3: multiplicative weights on a pool of generated rows) in
which the noisy tables, already paid for, stand in the place of discriminators. Candidates come from a network that the
steps paid for, tables from the release: post-processing of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch

from models.dp.one_pass import OnePass, label_of
from models.dp.pairs import Axes
from models.dp.sampling import under
from models.errors import InvalidCondition
from models.gan.draws import BLOCK
from models.gan.network import Generator
from models.gan.sampler import NONE, Pins, Sampler
from models.rng import key, stream

Array = npt.NDArray[Any]
POOL = 3
"""Candidates of each row."""
ROUNDS, DAMPING, STEP, MOST = 12, 0.5, 5.0, 5.0
"""Rounds through all tables; power of the correction in each; largest correction; largest weight, in means."""
TABLES = 300
"""Tables of each kind, pairs and triples, that a block is raked to: of more, so many chosen by chance."""


@dataclass(frozen=True, eq=False)
class Goals:
    """A mixture's columns as distributions, (K, size) each; weights (K,) of latent rows, summing to 1; label: the
    column of the target, if its triples count."""

    columns: tuple[Array, ...]
    weights: Array
    label: int | None

    def axes(self, rng: np.random.Generator) -> list[Axes]:
        """Columns of the tables to rake to."""
        pairs = list(combinations(range(len(self.columns)), 2))
        others = [c for c in range(len(self.columns)) if c != self.label]
        triples = [] if self.label is None else [(*p, self.label) for p in combinations(others, 2)]
        found: list[Axes] = []
        for tables in (pairs, triples):
            few = sorted(rng.permutation(len(tables))[:TABLES])
            found += [tables[i] for i in few]
        return found or [(c,) for c in range(len(self.columns))]

    def table(self, axes: Axes) -> Array:
        """Shares of the cells, flat."""
        first = self.columns[axes[0]] * self.weights[:, None]
        if len(axes) == 1:
            return np.asarray(first.sum(0))
        second = self.columns[axes[1]]
        if len(axes) == 2:
            return np.asarray((first.T @ second).ravel())
        by_label = [(first * share[:, None]).T @ second for share in self.columns[axes[2]].T]
        return np.stack(by_label, axis=2).ravel()


def raked(cells: Array, goals: Goals, rng: np.random.Generator) -> Array:
    """Weights (N,) of rows of cells (N, S), summing to 1, whose tables come near the goals."""
    sizes = [p.shape[1] for p in goals.columns]
    tables = []
    for axes in goals.axes(rng):
        cell = np.zeros(len(cells), np.int64)
        for c in axes:
            cell = cell * sizes[c] + cells[:, c]
        tables.append((cell, goals.table(axes)))
    weights = np.full(len(cells), 1 / len(cells))
    for _ in range(ROUNDS):
        for i in rng.permutation(len(tables)):
            cell, goal = tables[i]
            share = np.bincount(cell, weights, len(goal))
            # A cell that no candidate is in cannot be raked.
            factor = np.divide(goal, share, out=np.ones_like(goal), where=share > 0)
            weights *= (np.clip(factor, 1 / STEP, STEP) ** DAMPING)[cell]
            weights /= weights.sum()
        weights = np.minimum(weights, MOST / len(cells))
        weights /= weights.sum()
    return weights


def chosen(weights: Array, rows: int, rng: np.random.Generator) -> Array:
    """Numbers (rows,) of rows, each as often as it weighs but for less than one, in random order (systematic sampling:
    Madow 1949)."""
    order = rng.permutation(len(weights))
    reached = np.cumsum(weights[order])
    marks = (np.arange(rows) + rng.random()) / rows * reached[-1] * (1 - 1e-12)
    return np.asarray(rng.permutation(order[np.searchsorted(reached, marks, side="right")]))


class RakedSampler(Sampler):
    """A Sampler whose blocks are raked. Rows that are drawn again, one by one, are the network's own."""

    def __init__(self, model: Generator, one_pass: OnePass, *given: Any, **options: Any) -> None:
        super().__init__(model, *given, **options)
        self._columns = tuple(p.astype(np.float64) for p in one_pass.columns())
        self._label = label_of(one_pass.release.workload)
        self._goals: WeakKeyDictionary[Pins, Goals] = WeakKeyDictionary()

    def block(
        self, number: int, first: int, last: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """As Sampler.block; the whole block is drawn, whichever of its rows are asked for."""
        goals = self._under(pins)
        if goals is None:
            return super().block(number, first, last, seed, uniforms, pins)
        pool = [self._candidate(number, 0, BLOCK, key(seed, "pool", i), uniforms, pins) for i in range(POOL)]
        cells, u = torch.cat([c for c, _ in pool]).cpu().numpy(), np.concatenate([u for _, u in pool])
        rng = stream(seed, "raked", number)
        at = chosen(raked(cells, goals, rng), BLOCK, rng)[first:last]
        return cells[at], u[at]

    def _under(self, pins: Pins) -> Goals | None:
        """What rows under these conditions are raked to; None where the mixture has no such row."""
        if pins not in self._goals:
            try:
                columns, weights = under(self._columns, pins)
            except InvalidCondition:
                return None
            self._goals[pins] = Goals(tuple(columns), weights, self._label)
        return self._goals[pins]


def to_json() -> dict[str, Any]:
    """For the manifest."""
    return {"candidates": POOL, "rounds": ROUNDS, "largest_weight": MOST}
