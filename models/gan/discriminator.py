"""The discriminator: gradient boosted trees on whole rows, and the held-out verdict on what they achieve.

Trees are fitted by scikit-learn and kept as plain numbers: a node asks whether a feature's code is above a threshold,
and rules out the leaves on its left if so. All nodes on one feature are answered at once by a table of bit masks; what
they leave is the leaf (Lucchese et al. 2015, "QuickScorer: a fast algorithm to rank documents with additive ensembles
of regression trees").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.network import pieces
from models.rng import key

LEAVES = 31
"""Of a tree, at most: one bit each in an int32, less the sign."""
MOST_CODES = 512
PIECE = 512
"""Rows scored at a time, so that their masks stay in the cache."""


@dataclass(frozen=True, eq=False)
class Features:
    """Columns as the discriminator sees them: F codes below MOST_CODES, coarse and fine cells as one, in order."""

    layout: Layout

    @property
    def own(self) -> list[tuple[int, int]]:
        """Coarse (or only) slot of each feature, and its fine slot or -1."""
        fine = {parent: s for s, parent in enumerate(self.layout.parents) if parent >= 0}
        return [(s, fine.get(s, -1)) for s, parent in enumerate(self.layout.parents) if parent < 0]

    @property
    def sizes(self) -> list[int]:
        return [min(MOST_CODES, self._cells(c, f)) for c, f in self.own]

    def _cells(self, coarse: int, fine: int) -> int:
        counts = self.layout.fine[fine] if fine >= 0 else None
        return self.layout.sizes[coarse] if counts is None else int(counts.sum())

    def of(self, cells: Array) -> Array:
        """Cells (N, S) -> codes (F, N) int64."""
        out = np.empty((len(self.own), len(cells)), np.int64)
        for row, (coarse, fine) in zip(out, self.own, strict=True):
            row[:] = cells[:, coarse]
            counts = self.layout.fine[fine] if fine >= 0 else None
            if counts is not None:
                row[:] = np.concatenate([[0], counts.cumsum()])[row] + cells[:, fine]
            if (most := self._cells(coarse, fine)) > MOST_CODES:
                row[:] = row * MOST_CODES // most
        return out


@dataclass(frozen=True, eq=False)
class Discriminator:
    """tree, feature, threshold, left (K,): the nodes; left: bits of the leaves to the left. value (T, LEAVES): of each
    leaf. shift: what is added to the codes' log weights by feature, one array each, so that weighted rows keep to the
    training shares.
    """

    sizes: Sequence[int]
    tree: Array
    feature: Array
    threshold: Array
    left: Array
    value: Array
    shift: tuple[Array, ...]

    def on(self, device: torch.device) -> Judge:
        return Judge(self, device)

    def tensors(self) -> dict[str, Array]:
        nodes = np.stack([self.tree, self.feature, self.threshold, self.left]).astype(np.int32)
        return {"nodes": nodes, "value": self.value.astype(np.float32), "shift": np.concatenate(self.shift)}


class Judge:
    """A discriminator ready to score on one device."""

    def __init__(self, found: Discriminator, device: torch.device) -> None:
        trees = len(found.value)
        tables = []
        for f, size in enumerate(found.sizes):
            table = np.full((size, trees), 2**LEAVES - 1, np.int32)
            for k in np.flatnonzero(found.feature == f):
                table[found.threshold[k] + 1 :, found.tree[k]] &= ~np.int32(found.left[k])
            tables.append(torch.from_numpy(table).to(device))
        self.tables, self.device = tables, device
        self.shift = [torch.from_numpy(s.astype(np.float32)).to(device) for s in found.shift]
        self.value = torch.from_numpy(found.value.reshape(-1)).to(device)
        self.base = torch.arange(trees, device=device) * LEAVES

    @torch.no_grad()
    def log_weight(self, codes: Array) -> Tensor:
        """Codes (F, N) -> log of how much more often such rows are real than generated (N,)."""
        whole = torch.from_numpy(codes).to(self.device)
        out = torch.zeros(codes.shape[1], device=self.device)
        for f, shift in enumerate(self.shift):
            out += shift[whole[f]]
        if not len(self.base):
            return out
        for at in pieces(torch.arange(codes.shape[1], device=self.device), PIECE):
            part = whole[:, at]
            mask = self.tables[0].index_select(0, part[0])
            for f in range(1, len(self.tables)):
                mask &= self.tables[f].index_select(0, part[f])
            leaf = torch.frexp((mask & -mask).float()).exponent.long() - 1
            out[at] += self.value[leaf + self.base].sum(1)
        return out


def discriminator_from(tensors: Mapping[str, Array], layout: Layout) -> Discriminator | None:
    """The one among the tensors of an artifact, None where there is none. Raises ValueError where it does not fit."""
    mine = {k.removeprefix("discriminator."): v for k, v in tensors.items() if k.startswith("discriminator.")}
    if not mine:
        return None
    sizes = Features(layout).sizes
    tree, feature, threshold, left = mine["nodes"].astype(np.int64)
    value, shift = mine["value"].astype(np.float32), mine["shift"].astype(np.float32)
    good = value.ndim == 2 and value.shape[1] == LEAVES and len(shift) == sum(sizes)
    good = good and np.isfinite(value).all() and np.isfinite(shift).all()
    good = good and ((tree >= 0) & (tree < len(value)) & (feature >= 0) & (feature < len(sizes))).all()
    if not good or ((threshold < 0) | (left < 0) | (left >= 2**LEAVES)).any():
        raise ValueError("the trees of its discriminator")
    return Discriminator(sizes, tree, feature, threshold, left, value, _by_feature(shift, sizes))


def _by_feature(flat: Array, sizes: Sequence[int]) -> tuple[Array, ...]:
    return tuple(np.split(flat, np.cumsum(sizes)[:-1]))


def trees_of(boosting: Any, count: int, sizes: Sequence[int]) -> Discriminator:
    """The first trees of a fitted HistGradientBoostingClassifier."""
    nodes: list[tuple[int, int, int, int]] = []
    value = np.zeros((count, LEAVES), np.float32)
    for t, (predictor,) in enumerate(boosting._predictors[:count]):
        tree, leaves = predictor.nodes, 0

        def walk(at: int, t: int = t, tree: Any = tree) -> int:
            """-> bits of the leaves below a node, numbered from left to right."""
            nonlocal leaves
            node = tree[at]
            if node["is_leaf"]:
                value[t, leaves] = node["value"]
                leaves += 1
                return 1 << (leaves - 1)
            left = walk(int(node["left"]))
            nodes.append((t, int(node["feature_idx"]), int(np.floor(node["num_threshold"])), left))
            return left | walk(int(node["right"]))

        walk(0)
    tree, feature, threshold, left = np.array(nodes, np.int64).reshape(-1, 4).T
    none = tuple(np.zeros(size, np.float32) for size in sizes)
    return Discriminator(sizes, tree, feature, threshold, left, value, none)


def boosting(seed: int, trees: int, rate: float, leaves: int, least: int) -> Any:
    """Gradient boosting that will tell generated rows from real ones. least: rows of a leaf."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=least,
        early_stopping=False,
        random_state=key(seed, "boosting") % 2**31,
    )


def balanced(real: Array) -> Array:
    """Weights (N,) by which real (N,) and generated rows count alike."""
    share = real.mean()
    return np.asarray(np.where(real, 0.5 / share, 0.5 / (1 - share)))


def verdict(real: Array, fake: Array, real_tests: Sequence[Array], fake_test: Array, seed: int) -> list[float]:
    """AUC of gradient boosting that tells generated rows from those of each real test: 0.5 where it cannot (Lopez-Paz
    and Oquab 2017).

    Codes or cells (N, F) of each; the boosting learns from the first two and judges the others. It never is the one
    that rows are weighed by.
    """
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    y = np.r_[np.ones(len(real), bool), np.zeros(len(fake), bool)]
    model = boosting(key(seed, "verdict"), 80, 0.12, 16, 20)
    with threadpool_limits(1):  # its parallel steps are so short that threads wait for each other
        model.fit(np.concatenate([real, fake]), y, sample_weight=balanced(y))
    drawn, *others = (model.predict_proba(rows)[:, 1] for rows in (fake_test, *real_tests))
    return [float(roc_auc_score(np.arange(len(p) + len(drawn)) < len(p), np.r_[p, drawn])) for p in others]
