"""Post-GAN boosting: of a pool of generated rows, those are kept that a discriminator holds for real.

Every group of rows is chosen from POOL times as many candidates, as often as the discriminator holds them for real
by its odds: the ratio of the densities of data and generator, as far as it is known (Azadi et al. 2019,
"Discriminator rejection sampling"; Neunhoeffer, Wu and Dwork 2021, "Private post-GAN boosting"). The discriminator
learns from one pool; its weights are raked on a second one, so that all columns keep their training shares. Other trees
judge whether the phase is worth its time, on training rows, of which there are enough to see little, and whether it
took the drawn rows to the training rows alone, on rows that nothing has seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.discriminator import Discriminator, Features, Judge, balanced, boosting, trees_of, verdict
from models.gan.draws import GROUP
from models.progress import Progress
from models.rng import key

POOL = 2
"""Candidates of each row."""
ROWS = 40_960
"""Rows of a pool, and real rows beside it, at most."""
TREES, RATE, LEAVES, LEAST = 300, 0.1, 31, 100
EDGE = 0.515
"""AUC of telling drawn rows from training rows below which there is too little to learn: the phase is left out unless
it is asked for."""
GAIN = 0.003
"""Fall of that AUC that counts as an improvement."""
SLACK = 2.0
"""Rise of the AUC on unseen rows that may be chance, in standard errors: they are few."""
FIRM = 400
"""Rows of a code by which half of its shift is believed: shares are off by some 5% before."""
FAR = 4.0
"""Log weights beyond it, either way, are cut."""
OUT_OF_TIME = "the training time was over"


@dataclass(frozen=True, eq=False)
class Rows:
    """Real rows as cells (N, S). train: as trained on; unseen: kept apart."""

    train: Array
    unseen: Array


def boost(
    pool: Callable[[int, int], Array],
    rows: Rows,
    features: Features,
    *,
    seed: int,
    always: bool,
    progress: Progress,
    deadline: float,
) -> tuple[Discriminator | None, dict[str, Any]]:
    """pool: (number, rows) -> cells (rows, S) of rows drawn by the generator, others for each number. -> the
    discriminator, if it is worth its time, and facts for the manifest.
    """
    facts: dict[str, Any] = {"played": False, "kept": False}
    if time.monotonic() >= deadline:
        return None, facts | {"reason": OUT_OF_TIME}
    rng = np.random.default_rng(key(seed, "weighing"))
    whole = POOL * GROUP
    count = max(1, min(ROWS, len(rows.train)) // whole) * whole
    real = features.of(rows.train[rng.permutation(len(rows.train))[:count]])
    unseen = features.of(rows.unseen)
    fresh = features.of(pool(1, count))
    facts["learnt_before"], facts["auc_before"] = _verdict(real, fresh, unseen, np.arange(count // POOL), seed)
    if facts["learnt_before"] < EDGE and not always:
        return None, facts | {"reason": f"trees hardly tell them from training rows (AUC below {EDGE})"}
    progress.check()
    fake = features.of(pool(0, count + 2 * unseen.shape[1]))
    found, facts["trees"] = _learn(real, fake[:, :count], unseen, fake[:, count:], features, seed)
    progress.check()
    found = replace(found, shift=_raked(found, features.of(rows.train), fresh))
    weights = found.on(torch.device("cpu")).log_weight(fresh)
    groups = weights.view(-1, POOL, GROUP)
    chosen = choose(groups, rng.random((len(groups), POOL * GROUP + 1)))
    facts["learnt_after"], facts["auc_after"] = _verdict(real, fresh, unseen, chosen, seed)
    facts["effective"] = round(_effective(weights), 3)
    better = facts["learnt_after"] < facts["learnt_before"] - GAIN
    chance = SLACK * (12 * unseen.shape[1]) ** -0.5  # of an AUC of 0.5 against many more rows (Hanley and McNeil 1982)
    facts |= {"played": True, "kept": better and facts["auc_after"] < facts["auc_before"] + chance}
    reason = "the AUC fell"
    if not facts["kept"]:
        reason = f"the AUC {'rose on unseen rows' if better else 'did not fall'}: rows are not weighed"
    return found if facts["kept"] else None, facts | {"reason": reason}


def _verdict(real: Array, fake: Array, unseen: Array, chosen: Array, seed: int) -> list[float]:
    """AUC of telling the chosen rows from training rows that the judge did not learn from, and from unseen rows."""
    fake, cut = fake[:, chosen].T, len(chosen) * 3 // 4
    learnt, others = np.split(real.T, [len(chosen)])
    return [round(auc, 4) for auc in verdict(learnt, fake[:cut], (others, unseen.T), fake[cut:], seed)]


def _learn(
    real: Array, fake: Array, real_held: Array, fake_held: Array, features: Features, seed: int
) -> tuple[Discriminator, int]:
    """Trees on codes (F, N), as many as the loss on held-out rows falls for."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    y, held = (np.repeat([True, False], [a.shape[1], b.shape[1]]) for a, b in ((real, fake), (real_held, fake_held)))
    model = boosting(seed, TREES, RATE, LEAVES, LEAST)
    with threadpool_limits(1):  # its parallel steps are so short that threads wait for each other
        model.fit(np.concatenate([real, fake], 1).T, y, sample_weight=balanced(y))
        staged = model.staged_decision_function(np.concatenate([real_held, fake_held], 1).T)
        losses = [np.average(np.logaddexp(0, np.where(held, -s, s)), weights=balanced(held)) for s in staged]
    count = int(np.argmin(losses)) + 1
    return trees_of(model, count, features.sizes), count


def _raked(found: Discriminator, real: Array, fake: Array, rounds: int = 8) -> tuple[Array, ...]:
    """Shifts of the log weights by feature and code, by which weighted rows (F, M) have the shares of the real ones
    (F, N) (iterative proportional fitting: Deming and Stephan 1940), each shift shrunk towards 0.
    """
    log = found.on(torch.device("cpu")).log_weight(fake).clamp(-FAR, FAR).double().numpy()
    shift = [np.zeros(size) for size in found.sizes]
    goals = [np.bincount(r, minlength=size) / len(r) for r, size in zip(real, found.sizes, strict=True)]
    for _ in range(rounds):
        for code, goal, moved in zip(fake, goals, shift, strict=True):
            w = np.exp(log)
            w = np.minimum(w / w.mean(), POOL)  # as often as a row can be chosen at most
            share = np.bincount(code, w, len(goal)) / w.sum()
            # Shrunk to nothing where a code has too few rows for its share to be told from noise.
            count = goal * fake.shape[1]
            full = moved + np.log((goal + 1e-6) / (share + 1e-6))
            step = np.clip(full * count / (count + FIRM), -1, 1) - moved
            moved += step
            log += step[code]
    return tuple(s.astype(np.float32) for s in shift)


def _effective(log: Tensor) -> float:
    """Share of rows that would tell as much if all weighed alike (Kish 1965)."""
    w = log.clamp(-FAR, FAR).double().exp()
    return float(w.sum() ** 2 / (w**2).sum() / len(w))


def choose(log: Tensor, uniforms: Array) -> Array:
    """Log weights (G, POOL, n) of the candidates of G groups, uniforms (G, POOL * n + 1) -> numbers of the chosen ones
    among all candidates (G * n,).

    A candidate of the first pool is kept with a chance of its weight, up to 1, one of the second with a chance of what
    its weight is above 1, and so on: together as often as it weighs, and most of the first pool, whose draws are evenly
    spread, stays together. Chances become choices by systematic sampling (Madow 1949) in random order.
    """
    groups, pools, want = log.shape
    weight = (log - log.mean((1, 2), keepdim=True)).clamp(-FAR, FAR).double().exp().cpu().numpy()
    before = np.arange(pools)[:, None]
    low, high = np.full((groups, 1, 1), 1e-3), np.full((groups, 1, 1), 1e3)
    for _ in range(40):  # the scale at which as many are kept as are wanted
        scale = np.sqrt(low * high)
        few = np.clip(scale * weight - before, 0, 1).sum((1, 2), keepdims=True) < want
        low, high = np.where(few, scale, low), np.where(few, high, scale)
    chance = np.clip(high * weight - before, 0, 1).reshape(groups, -1)
    order = uniforms[:, :-1].argsort(1)
    reached = np.take_along_axis(chance, order, 1).cumsum(1)
    steps = np.floor(reached * (want / reached[:, -1:]) + uniforms[:, -1:] * (1 - 1e-6))
    steps[:, -1] = want
    hit = np.diff(steps, axis=1, prepend=0) > 0
    # Rounding may let two marks fall on one candidate: the last ones left fill the gap.
    for g in np.flatnonzero(hit.sum(1) != want):
        spare = np.flatnonzero(~hit[g])[::-1]
        hit[g, spare[: want - hit[g].sum()]] = True
    return np.asarray((order + np.arange(groups)[:, None] * pools * want)[hit])


@dataclass(frozen=True, eq=False)
class Weigher:
    """Log weights of generated rows."""

    encoding: TableEncoding
    judge: Judge

    @cached_property
    def _features(self) -> Features:
        return Features(self.encoding.layout)

    def __call__(self, cells: Tensor, uniforms: Array) -> Tensor:
        """cells (N, S), uniforms (N, U) of their decoding -> (N,).

        Rows that attain an end of a column's range weigh 1 at least: a sample is to span the ranges.
        """
        drawn = cells.cpu().numpy()
        codes = self._features.of(self.encoding.canonical(drawn, uniforms))
        log = self.judge.log_weight(codes).clamp(-FAR, FAR)
        ends = torch.from_numpy(self.encoding.at_ends(drawn, uniforms)).to(log.device)
        return torch.where(ends, log.clamp_min(0), log)
