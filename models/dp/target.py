"""The target of a row given its other cells, smoother than a mixture has it. Post-processing of a release: free.

In a mixture the target follows from the latent rows that explain the other cells. Their posterior is sharp and repeats
the noise of single latent rows. A logistic regression of the target on all other cells, trained on rows of the mixture,
averages that noise out, and with it whatever does not add up. The target is drawn from both,

    P(y | x)  ~  mixture(y | x)^(1 - w)  logistic(y | x)^w

(a logarithmic pool: Genest and Zidek 1986, "Combining probability distributions", section 3). w is chosen as lambda is
(models/dp/one_pass.py), on a smaller mixture that followed one copy of the noisy tables: the largest whose tables of
three with the target are not significantly farther from the other copy, whose noise is independent. Relations that do
not add up keep w at 0 where they stand out of the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

Array = npt.NDArray[Any]
RIDGE, ITERATIONS = 1.0, 200
WEIGHTS, ERRORS = (0.0, 0.25, 0.5, 0.75, 1.0), 2.0
"""w is one of these; and by how many standard errors it may look worse than another before it is not taken."""
_LEAST = 1e-6
"""Probability that either model gives a cell, at least, where it may be at all."""


@dataclass(frozen=True, eq=False)
class TargetModel:
    """column: the target. weight: w. coefficients (W + 1, L): of each cell of the columns side by side, 0 for those of
    the target itself; and the constants."""

    column: int
    weight: float
    coefficients: Array

    def logistic(self, codes: Array, sizes: Sequence[int]) -> Array:
        """Probabilities (N, L) given the other cells of codes (N, d)."""
        at = codes + (np.cumsum(sizes) - sizes)
        scores = np.tile(self.coefficients[-1].astype(np.float64), (len(codes), 1))
        for c in range(len(sizes)):
            if c != self.column:
                scores += self.coefficients[at[:, c]]
        return np.asarray(softmax(scores, axis=1))

    def pooled(self, codes: Array, sizes: Sequence[int], own: Array) -> Array:
        """P(y | x) of rows codes (N, d), whose mixture gives own (N, L); 0 where that is 0."""
        return pool(own, self.logistic(codes, sizes), self.weight) if self.weight else own


@dataclass(frozen=True, eq=False)
class Posterior:
    """Of the target given all other cells, in a mixture. columns: of each, its distribution in each latent row, (K,
    size). weights (K,): of latent rows; None: all equal."""

    columns: tuple[Array, ...]
    column: int
    weights: Array | None = None

    @cached_property
    def _logs(self) -> torch.Tensor:
        """Logarithms of the other columns' probabilities, (their cells, K)."""
        others = [p for c, p in enumerate(self.columns) if c != self.column]
        return torch.from_numpy(np.concatenate(others, 1).T.astype(np.float32)).contiguous().clamp_min(1e-30).log()

    @cached_property
    def _start(self) -> torch.Tensor:
        count = len(self.columns[0])
        weights = np.ones(count) if self.weights is None else self.weights
        return torch.from_numpy(np.asarray(weights, np.float32)).clamp_min(1e-30).log()

    def of(self, codes: Array) -> Array:
        """(N, L) for codes (N, d); those of the target itself do not count."""
        others = [c for c in range(len(self.columns)) if c != self.column]
        sizes = np.array([self.columns[c].shape[1] for c in others])
        at = torch.from_numpy(codes[:, others] + (np.cumsum(sizes) - sizes))
        logs = torch.nn.functional.embedding_bag(at, self._logs, mode="sum") + self._start
        found = logs.softmax(1) @ torch.from_numpy(self.columns[self.column].astype(np.float32))
        return np.asarray(found.numpy(), np.float64)


def pool(own: Array, other: Array, weight: float) -> Array:
    """Logarithmic pool of two sets of distributions (N, L); 0 where own is 0."""
    logs = (1 - weight) * np.log(np.maximum(own, _LEAST)) + weight * np.log(np.maximum(other, _LEAST))
    return np.asarray(softmax(np.where(own > 0, logs, -np.inf), axis=1))


def train(codes: Array, sizes: Sequence[int], column: int, weight: float = 1.0) -> TargetModel:
    """The regression on rows codes (N, d) of a mixture. A cell of the target that none of them has gets no chance."""
    found = np.zeros((sum(sizes) + 1, sizes[column]), np.float32)
    seen = np.unique(codes[:, column])
    found[-1] = np.log(_LEAST)
    found[-1, seen] = 0.0
    if len(seen) > 1:
        model = LogisticRegression(C=RIDGE, max_iter=ITERATIONS, tol=1e-3)
        model.fit(one_hot(codes, sizes, column), codes[:, column])
        slopes, constants = model.coef_, model.intercept_
        if len(seen) == 2:  # of the second class alone
            slopes, constants = np.vstack([0 * slopes, slopes]), np.r_[0.0, constants]
        found[:-1, seen] = slopes.T
        found[-1, seen] = constants
    found.setflags(write=False)
    return TargetModel(column, weight, found)


def one_hot(codes: Array, sizes: Sequence[int], column: int) -> Any:
    """Sparse (N, W): 1 for each cell of each row, but for those of one column."""
    at = codes + (np.cumsum(sizes) - sizes)
    kept = np.delete(at, column, axis=1)
    ends = np.arange(len(codes) + 1) * kept.shape[1]
    return csr_matrix((np.ones(kept.size), kept.ravel(), ends), (len(codes), sum(sizes)))


def best_weight(
    model: TargetModel, codes: Array, sizes: Sequence[int], own: Array, gap: Array, precision: Array
) -> float:
    """The largest w whose tables of the target are not farther from others than the nearest ones by ERRORS standard
    errors of the difference (as in cost-complexity pruning: Breiman et al. 1984, section 3.4.3).

    model: of `train`, on rows codes (N, d) of a mixture, whose posteriors are own (N, L). gap (L, W, W): the mixture's
    own tables less those to come near to; precision (W, W): of each of their cells. Both as shares.
    """
    cells = one_hot(codes, sizes, model.column)
    other, changes, off = model.logistic(codes, sizes), [], []
    for weight in WEIGHTS:
        moved = pool(own, other, weight) - own if weight else 0 * own
        tables = [(cells.T @ cells.multiply(by[:, None])).toarray() / len(codes) for by in moved.T]
        changes.append(np.stack(tables))
        off.append(float((precision * (gap + changes[-1]) ** 2).sum()))
    nearest = int(np.argmin(off))
    # Noise of variance 1 / precision in each cell; sums hold each cell twice, so that the variance of one is
    # 8 sum precision change^2.
    errors = [math.sqrt(8 * float((precision * (c - changes[nearest]) ** 2).sum())) for c in changes]
    return max(w for w, d, e in zip(WEIGHTS, off, errors, strict=True) if d - off[nearest] <= ERRORS * e)
