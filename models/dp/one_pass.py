"""The one-pass generator: a mixture of K product distributions, fitted to noisy tables. Post-processing: free.

z picks one of K latent rows; its logits give each column's distribution, and given z columns are independent. With all
distributions side by side as P (K, W), the tables of all pairs are the blocks of Q = P'P / K: one product per step;
with a target, those of all triples (a, b, target = y) are the blocks of P' diag(P_y) P / K. (Logits of latent rows are
trained directly: the softmax form of Aydore et al. 2021, "RAP"; Liu, Vietri and Wu 2021, "GEM", train a network that
makes them.)

Loss. chi^2 = sum (rows Q - count)^2 / sd^2 over all noisy cells, the noise's own log-likelihood, plus lambda times the
mean relative entropy of a latent row to the mean row: how much z tells about a row. Of all mixtures that explain the
tables equally well this prefers the one nearest to independent columns, so that it does not learn the noise.

lambda. Were the mixture the truth, chi^2 per cell would be 1, and somewhat less after a fit. lambda is steered until
chi^2 per cell is `residual` (Morozov's discrepancy principle: fit until what is left is what noise explains).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.dp.consistency import Consistent, consistent
from models.dp.drawing import draw
from models.dp.release import Release
from models.progress import SILENT, Progress
from models.rng import key

Array = npt.NDArray[Any]
LEAST = 1e-5
"""Probability that a cell starts with, at least."""
_STRENGTH, _WEAKEST, _STRONGEST = 0.05, 1e-5, 10.0


@dataclass(frozen=True)
class FitPlan:
    """latent: K. steps, learning_rate: of Adam; the rate falls in the second half. residual: chi^2 per cell that is
    left. spread: of the first logits around the one-way tables."""

    latent: int = 1_000
    steps: int = 600
    learning_rate: float = 0.04
    residual: float = 0.9
    spread: float = 1.0


@dataclass(frozen=True)
class OnePass:
    """A fitted generator. sizes (d,): cells of each column. probabilities (K, W) float32: columns side by side. rows:
    how many the data has, public or estimated. release: what it was fitted to. residual, strength: chi^2 per cell and
    lambda at the end. All of it is post-processing of the release."""

    sizes: tuple[int, ...]
    probabilities: Array
    rows: int
    release: Release
    residual: float
    strength: float

    def columns(self) -> list[Array]:
        """Distributions of each column, (K, size)."""
        ends = np.cumsum(self.sizes)
        return [self.probabilities[:, end - size : end] for size, end in zip(self.sizes, ends, strict=True)]

    def sample(self, rows: int | None = None, seed: int = 0) -> Array:
        """Codes (rows, d) int64; left out, as many rows as the data has. Steered by the seed alone."""
        return draw(self.columns(), self.rows if rows is None else rows, seed)


@dataclass(frozen=True)
class _Targets:
    """Noisy tables as shares, side by side, and their precisions. one, one_weight (W,); pair, pair_weight (W, W), both
    halves; triple (L, W, W), triple_weight (W, W); label: where the target's L cells begin. cells: how many there
    are."""

    one: Tensor
    one_weight: Tensor
    pair: Tensor
    pair_weight: Tensor
    triple: Tensor
    triple_weight: Tensor
    label: int
    cells: int


def fit(release: Release, plan: FitPlan, seed: int, progress: Progress = SILENT) -> OnePass:
    """The mixture that explains a release. Sees nothing else; the seed picks where it starts."""
    agreed = consistent(release)
    sizes = release.workload.sizes
    targets = _targets(release, agreed)
    member = _members(sizes)
    generator = torch.Generator().manual_seed(key(seed, "one pass"))
    mean = torch.tensor(np.concatenate(agreed.one_way), dtype=torch.float32)
    logits = (mean + LEAST).log() + plan.spread * torch.randn(plan.latent, len(mean), generator=generator)
    first, second = torch.zeros_like(logits), torch.zeros_like(logits)
    strength, steering, residual = _STRENGTH, False, math.inf
    for step in range(plan.steps):
        progress.check()
        p = _softmax(logits, member)
        chi, slope = _chi_square(p, targets)
        residual = chi / max(targets.cells, 1)
        steering = steering or residual < 1.05 * plan.residual or step > plan.steps // 3
        if steering:
            strength *= math.exp(max(-0.05, min(0.05, 0.5 * (plan.residual - residual))))
            strength = max(_WEAKEST, min(_STRONGEST, strength))
        # Of mean KL(p_k | mean p), times the number of cells
        slope += (strength * targets.cells / plan.latent) * ((p + 1e-9).log() - (p.mean(0) + 1e-9).log())
        slope = p * (slope - ((p * slope) @ member) @ member.T)
        first.lerp_(slope, 0.1)
        second.mul_(0.99).addcmul_(slope, slope, value=0.01)
        scale = math.sqrt(1 - 0.99 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        rate = plan.learning_rate * min(1.0, 2 * (1 - step / plan.steps) + 0.02)
        logits.addcdiv_(first, second.sqrt().add_(1e-12), value=-rate * scale)
        if step % 20 == 0:
            progress.update(step / plan.steps, residual=residual)
    p = _softmax(logits, member)
    chi, _ = _chi_square(p, targets)
    probabilities = p.numpy()
    probabilities.setflags(write=False)
    rows = max(1, round(agreed.rows))
    return OnePass(sizes, probabilities, rows, release, chi / max(targets.cells, 1), strength)


def _members(sizes: tuple[int, ...]) -> Tensor:
    """(W, d): 1 where a cell is of a column."""
    column = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return (column[:, None] == torch.arange(len(sizes))).float()


def _softmax(logits: Tensor, member: Tensor) -> Tensor:
    """Within each column. logits, result (K, W); member (W, d) says which cell is of which column."""
    powers = (logits - logits.amax(1, keepdim=True)).clamp_(min=-60.0).exp_()
    return powers / ((powers @ member) @ member.T)


def _chi_square(p: Tensor, targets: _Targets) -> tuple[float, Tensor]:
    """(chi^2, its slope in p (K, W))."""
    count = len(p)
    off = p.mean(0) - targets.one
    weighted = targets.one_weight * off
    chi = float(weighted @ off)
    slope = (2 / count) * weighted.expand_as(p)
    if targets.pair_weight.numel():
        gap = (p.T @ p).div_(count).sub_(targets.pair)
        weighted = targets.pair_weight * gap
        # Both halves hold each pair
        chi += float((weighted * gap).sum()) / 2
        slope = torch.addmm(slope, p, weighted, alpha=2 / count)
    for y in range(len(targets.triple)):
        of_label = p[:, targets.label + y]
        scaled = p * of_label[:, None]
        gap = (scaled.T @ p).div_(count).sub_(targets.triple[y])
        weighted = targets.triple_weight * gap
        chi += float((weighted * gap).sum()) / 2
        pulled = p @ weighted
        slope = torch.addcmul(slope, of_label[:, None], pulled, value=2 / count)
        slope[:, targets.label + y] += (pulled * p).sum(1) / count
    return chi, slope if slope.is_contiguous() else slope.clone()


def _targets(release: Release, agreed: Consistent) -> _Targets:
    work, rows = release.workload, agreed.rows
    ends = np.cumsum(work.sizes)
    spans = [slice(int(end) - size, int(end)) for size, end in zip(work.sizes, ends, strict=True)]
    width = int(ends[-1])
    triples = [set(axes) for axes in work.axes if len(axes) == 3]
    label = next(iter(set.intersection(*triples))) if len(triples) > 1 else (max(triples[0]) if triples else 0)
    one, one_weight = np.zeros(width), np.zeros(width)
    has_pairs = any(len(axes) == 2 for axes in work.axes)
    pair, pair_weight = (np.zeros((width, width) if has_pairs else (0, 0)) for _ in range(2))
    triple = np.zeros((work.sizes[label], width, width) if triples else (0, 0, 0))
    triple_weight = np.zeros(triple.shape[1:])
    for axes, sd, counts in zip(work.axes, release.sd, release.counts, strict=True):
        share, weight = counts / rows, (rows / sd) ** 2
        if len(axes) == 1:
            one[spans[axes[0]]], one_weight[spans[axes[0]]] = share, weight
        elif len(axes) == 2:
            a, b = (spans[c] for c in axes)
            pair[a, b], pair[b, a] = share, share.T
            pair_weight[a, b] = pair_weight[b, a] = weight
        elif len(axes) == 3:
            a, b = (spans[c] for c in axes if c != label)
            sliced = np.moveaxis(share, axes.index(label), 0)
            triple[:, a, b], triple[:, b, a] = sliced, sliced.transpose(0, 2, 1)
            triple_weight[a, b] = triple_weight[b, a] = weight
    cells = sum(counts.size for axes, counts in zip(work.axes, release.counts, strict=True) if axes)
    arrays = (one, one_weight, pair, pair_weight, triple, triple_weight)
    t1, w1, t2, w2, t3, w3 = (torch.tensor(x, dtype=torch.float32) for x in arrays)
    return _Targets(t1, w1, t2, w2, t3, w3, spans[label].start, cells)
