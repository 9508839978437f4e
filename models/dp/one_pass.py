"""The one-pass generator: a mixture of K product distributions, fitted to noisy tables. Post-processing: free.

z picks one of K latent rows; its logits give each column's distribution, and given z columns are independent. With all
distributions side by side as P (K, W), the tables of all pairs are the blocks of Q = P'P / K: one product per step;
with a target, those of all triples (a, b, target = y) are the blocks of P' diag(P_y) P / K. (Logits of latent rows are
trained directly: the softmax form of Aydore et al. 2021, "RAP"; Liu, Vietri and Wu 2021, "GEM", train a network that
makes them.)

Loss. chi^2 = sum (rows Q - count)^2 / sd^2 over all noisy cells, the noise's own log-likelihood, plus lambda times the
mean relative entropy of a latent row to the mean row, column by column: how much z tells about a row. Of all mixtures
that explain the tables equally well this prefers the one nearest to independent columns, so that it does not learn the
noise. Columns of more cells, whose tables hold more noise, weigh more, and the target, which must not be guessed from
noise, more than its cells say (docs/privacy/marginals.md has what that is worth).

lambda is chosen on the release alone, as by a held-out set. Let y be the noisy tables and e fresh noise of the same
variances: y + sqrt(a) e and y - e / sqrt(a) hold the same rows under independent noises (Oliveira, Lei and Tibshirani
2024, "Unbiased risk estimation in the normal means problem via coupled bootstrap techniques"; discrete noise is near
enough to normal for this purpose). A smaller mixture follows the first while lambda rises; the lambda at which its
distance to the second is least is taken. What noise explains is then left alone at every budget and size of table.
The same mixture and copy say how far the target follows a regression (models/dp/target.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.dp.consistency import Consistent, consistent
from models.dp.drawing import draw
from models.dp.pairs import Workload
from models.dp.release import Release
from models.dp.target import Posterior, TargetModel, best_weight, train
from models.progress import SILENT, Progress
from models.rng import key, stream

Array = npt.NDArray[Any]
LEAST = 1e-5
"""Probability that a cell starts with, at least."""
WEAKEST, STRONGEST = 5e-4, 0.15
"""lambda is looked for between these. Where there is hardly any noise, the mixture still comes nearer to both copies
while lambda rises, and no end of its own would be found."""
_SEARCH_LATENT, _SEARCH_WARM, _SEARCH_STEPS, _SEARCH_EVERY = 250, 400, 240, 6
_SPLIT = 0.25
"""a: the first copy has 1.25 times the release's variance, the second 5 times."""
_POWER, _TARGET = 0.3, 1.5
"""A column weighs as its number of cells to this power, 1 on average; the target this much."""
_TARGET_ROWS = 131_072, 32_768
"""Rows of the mixture that the target's regression learns from; and of the smaller one, to find its weight."""
_SHARE, _NARROW, _WIDE = (0.77, 1.1), 13, 24
"""Of the lambda found, which is best for squared errors of the mixture, in tables of so many columns, and between them
in proportion: measured on one table of each width (docs/privacy/marginals.md). Rows of a sharper mixture scatter less;
with many columns, what is learnt from noise costs more than that."""


@dataclass(frozen=True)
class FitPlan:
    """latent: K. steps, learning_rate: of Adam; the rate falls in the second half. strength: lambda; None: chosen on
    the release. spread: of the first logits around the one-way tables."""

    latent: int = 1_000
    steps: int = 800
    learning_rate: float = 0.15
    strength: float | None = None
    spread: float = 1.0


@dataclass(frozen=True)
class OnePass:
    """A fitted generator. sizes (d,): cells of each column. probabilities (K, W) float32: columns side by side. rows:
    how many the data has, public or estimated. release: what it was fitted to. residual: chi^2 per cell that is left.
    strength: lambda. target: how the target is drawn given the other cells, if not as the mixture has it. All of it is
    post-processing of the release."""

    sizes: tuple[int, ...]
    probabilities: Array
    rows: int
    release: Release
    residual: float
    strength: float
    target: TargetModel | None = None

    def columns(self) -> list[Array]:
        """Distributions of each column, (K, size)."""
        ends = np.cumsum(self.sizes)
        return [self.probabilities[:, end - size : end] for size, end in zip(self.sizes, ends, strict=True)]

    def sample(self, rows: int | None = None, seed: int = 0) -> Array:
        """Codes (rows, d) int64; left out, as many rows as the data has. Steered by the seed alone."""
        return draw(self.columns(), self.rows if rows is None else rows, seed, target=self.target)


@dataclass(frozen=True)
class _Targets:
    """Noisy tables as shares, side by side, and their precisions. one, one_weight (W,); pair, pair_weight (W, W), both
    halves; triple (L, W, W), triple_weight (W, W); label: where the target's L cells begin. cells: how many there
    are. penalty (W,): how much each cell's column weighs in the penalty."""

    one: Tensor
    one_weight: Tensor
    pair: Tensor
    pair_weight: Tensor
    triple: Tensor
    triple_weight: Tensor
    label: int
    cells: int
    penalty: Tensor


class _Descent:
    """Adam on logits (K, W)."""

    def __init__(self, mean: Tensor, member: Tensor, latent: int, spread: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.member = member
        self.logits = (mean + LEAST).log() + spread * torch.randn(latent, len(mean), generator=generator)
        self.first, self.second = torch.zeros_like(self.logits), torch.zeros_like(self.logits)
        self.taken = 0

    def probabilities(self) -> Tensor:
        return _softmax(self.logits, self.member)

    def step(self, targets: _Targets, strength: float, rate: float) -> tuple[Tensor, float]:
        """One step; returns the probabilities before it and their chi^2."""
        p = self.probabilities()
        chi, slope = _chi_square(p, targets)
        # Of mean KL(p_k | mean p), times the number of cells
        told = (p + 1e-9).log() - (p.mean(0) + 1e-9).log()
        slope += (strength * targets.cells / len(p)) * targets.penalty * told
        slope = p * (slope - ((p * slope) @ self.member) @ self.member.T)
        self.taken += 1
        self.first.lerp_(slope, 0.1)
        self.second.mul_(0.99).addcmul_(slope, slope, value=0.01)
        scale = math.sqrt(1 - 0.99**self.taken) / (1 - 0.9**self.taken)
        self.logits.addcdiv_(self.first, self.second.sqrt().add_(1e-12), value=-rate * scale)
        return p, chi


def fit(release: Release, plan: FitPlan, seed: int, progress: Progress = SILENT) -> OnePass:
    """The mixture that explains a release. Sees nothing else; the seed picks where it starts and how noise is split."""
    agreed = consistent(release)
    sizes = release.workload.sizes
    found = None if plan.strength is not None else _search(release, agreed, seed, progress)
    strength = plan.strength if found is None else share_of(len(sizes)) * found.strength
    assert strength is not None  # noqa: S101 - one of both
    targets = _targets(release, agreed)
    mean = torch.tensor(np.concatenate(agreed.one_way), dtype=torch.float32)
    descent = _Descent(mean, _members(sizes), plan.latent, plan.spread, key(seed, "one pass"))
    for step in range(plan.steps):
        progress.check()
        rate = plan.learning_rate * min(1.0, 2 * (1 - step / plan.steps) + 0.02)
        _, chi = descent.step(targets, strength, rate)
        if step % 20 == 0:
            progress.update(step / plan.steps, residual=chi / max(targets.cells, 1))
    p = descent.probabilities()
    chi, _ = _chi_square(p, targets)
    probabilities = p.numpy()
    probabilities.setflags(write=False)
    rows = max(1, round(agreed.rows))
    fitted = OnePass(sizes, probabilities, rows, release, chi / max(targets.cells, 1), strength)
    label = label_of(release.workload)
    if found is None or label is None:
        return fitted
    progress.check()
    codes = fitted.sample(_TARGET_ROWS[0], key(seed, "rows of the target"))
    return replace(fitted, target=train(codes, sizes, label, found.weight(sizes, label, seed)))


def share_of(columns: int) -> float:
    """Part of the strength found that is used."""
    return float(np.interp(columns, (_NARROW, _WIDE), _SHARE))


@dataclass(frozen=True)
class _Found:
    """strength: the lambda with which a mixture of one copy is nearest to the other; probabilities: that mixture;
    other: the other copy."""

    strength: float
    probabilities: Tensor
    other: _Targets

    def weight(self, sizes: tuple[int, ...], label: int, seed: int) -> float:
        """How far the target follows a regression, 0 to 1."""
        p = self.probabilities
        columns = tuple(np.split(p.numpy(), np.cumsum(sizes)[:-1], axis=1))
        codes = draw(columns, _TARGET_ROWS[1], key(seed, "weight of the target"))
        tables = torch.stack([(p * by[:, None]).T @ p / len(p) for by in torch.from_numpy(columns[label]).T])
        gap, precision = (tables - self.other.triple).numpy(), self.other.triple_weight.numpy()
        own = Posterior(columns, label).of(codes)
        return best_weight(train(codes, sizes, label), codes, sizes, own, gap, precision)


def _search(release: Release, agreed: Consistent, seed: int, progress: Progress) -> _Found:
    """The lambda with which a mixture of this release is nearest to its tables under other noise."""
    rng = stream(seed, "split of the noise")
    noise = [sd * rng.standard_normal(counts.shape) for sd, counts in zip(release.sd, release.counts, strict=True)]
    fitted, held = _moved(release, noise, math.sqrt(_SPLIT)), _moved(release, noise, -1 / math.sqrt(_SPLIT))
    targets, judge = _targets(fitted, agreed), _targets(held, agreed)
    mean = torch.tensor(np.concatenate(consistent(fitted).one_way), dtype=torch.float32)
    descent = _Descent(mean, _members(release.workload.sizes), _SEARCH_LATENT, 1.0, key(seed, "strength"))
    least, best, nearest = math.inf, WEAKEST, descent.probabilities()
    for step in range(_SEARCH_WARM + _SEARCH_STEPS):
        progress.check()
        done = max(0, step - _SEARCH_WARM) / _SEARCH_STEPS
        # It starts where it soon is near its end, not at the weakest, where it would take long; and long enough for
        # the noise to be learnt, or the weakest would look best for having been stopped early.
        strength = 4 * WEAKEST if step < _SEARCH_WARM else WEAKEST * (STRONGEST / WEAKEST) ** done
        p = descent.step(targets, strength, 0.04)[0]
        if step >= _SEARCH_WARM + 20 and step % _SEARCH_EVERY == 0:
            off, _ = _chi_square(p, judge)
            if off < least:
                least, best, nearest = off, strength, p
    return _Found(best, nearest, judge)


def _moved(release: Release, noise: list[Array], factor: float) -> Release:
    """Counts with `factor` times the noise added, and what deviation that gives them."""
    counts = tuple(c + factor * e for c, e in zip(release.counts, noise, strict=True))
    return replace(release, counts=counts, sd=tuple(s * math.sqrt(1 + factor**2) for s in release.sd))


def penalty_of(workload: Workload) -> Tensor:
    """How much each cell's column weighs, (W,)."""
    sizes = np.array(workload.sizes)
    weights = sizes**_POWER / np.mean(sizes**_POWER)
    label = label_of(workload)
    if label is not None:
        weights[label] = _TARGET
    return torch.tensor(np.repeat(weights, sizes), dtype=torch.float32)


def label_of(workload: Workload) -> int | None:
    """The target, which all tables of three share; None where there is no such table."""
    return workload.target if any(len(axes) == 3 for axes in workload.axes) else None


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
    triples = any(len(axes) == 3 for axes in work.axes)
    label = label_of(work) or 0
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
    return _Targets(t1, w1, t2, w2, t3, w3, spans[label].start, cells, penalty_of(work))
