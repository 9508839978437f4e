"""Calibration of a trained generator: the shares of freely drawn rows are those of the training rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.draws import BLOCK, Draws, pick
from models.gan.network import Generator, pieces
from models.gan.pairs import NO_PAIRS
from models.gan.sampler import Sampler
from models.gan.tails import Tail
from models.progress import SILENT, Progress
from models.rng import key, stream

ROWS = 16_384
"""Rows drawn to average over, at most."""
SETTLING = 20
"""Rounds of fitting the shifts of a slot, at most."""
DRAWS = 2_048
"""Rows for each group of labels, on average: after long training what a label follows from is learnt by heart, and the
mean over few rows says little."""
MOST = 2**27
"""Probabilities of labels in groups that are held at once, in two bytes each."""


@torch.no_grad()
def settle(
    model: Generator,
    layout: Layout,
    order: Sequence[int],
    shares: Tensor,
    seed: int,
    progress: Progress = SILENT,
    pairs: Array = NO_PAIRS,
) -> None:
    """Shift the biases of the head until the shares of freely drawn rows are the training shares (W,).

    Small errors add up from slot to slot where each is drawn after generated cells, not real ones. So rows are drawn as
    when sampling, and each slot's mean probabilities are set right before it is drawn and the next one follows.
    """
    device = shares.device
    sampler = Sampler(model, layout, order, progress, pairs=pairs)
    blocks = ROWS // BLOCK if len(order) <= 60 else 1
    slots = len(order)
    draws = [Draws.of(key(seed, "settle"), b, layout, device) for b in range(blocks)]
    rows = blocks * BLOCK
    cells = torch.zeros(rows, slots, dtype=torch.int64, device=device)
    h = sampler.start.expand(rows, -1).clone()
    tails = {tail.slot: tail for tail in model.tails}
    heads = {tail.parent: tail.slot for tail in tails.values()}
    drawn: dict[int, Tensor] = {}
    for place, slot in enumerate(order):
        progress.check()
        parent = layout.parents[slot]
        if slot in tails:
            _settle_tail(sampler, tails[slot], h, cells, drawn.pop(slot), seed)
            blocked = zip(pieces(h, BLOCK), pieces(cells[:, parent], BLOCK), draws, strict=True)
            cells[:, slot] = torch.cat([d(sampler.probabilities(x, slot, c), slot) for x, c, d in blocked])
            h += sampler.entry[slot].index_select(0, cells[:, slot])
            continue
        coarse = cells[:, parent] if parent >= 0 else None
        p = torch.cat(
            [
                sampler.probabilities(part, slot, None if coarse is None else coarse[i * BLOCK : (i + 1) * BLOCK])
                for i, part in enumerate(pieces(h, BLOCK))
            ]
        )
        p = sampler.pairs.apply(p, slot, cells, order[:place])
        a, b = int(layout.offsets[slot]), int(layout.offsets[slot + 1])
        goal, count = shares[a:b], shares[a:b] * rows
        shift = torch.zeros_like(goal)
        for _ in range(SETTLING):
            q = p * shift.exp()
            mean = (q / q.sum(1, keepdim=True)).mean(0)
            if float((mean - goal).abs().sum()) < 2e-4:
                break
            # Cells that are too rare to be told from noise move less.
            step = ((goal + 1e-7) / (mean + 1e-7)).log() * (count / (count + 5))
            shift = (shift + step).clamp(-5, 5)
        model.head_bias[a:b] += shift
        p = p * shift.exp()
        if slot in heads:
            drawn[heads[slot]] = p / p.sum(1, keepdim=True)
        parts = zip(pieces(p, BLOCK), draws, strict=True)
        cells[:, slot] = torch.cat([draw(part, slot) for part, draw in parts])
        h += sampler.entry[slot].index_select(0, cells[:, slot])


def _settle_tail(sampler: Sampler, tail: Tail, h: Tensor, cells: Tensor, drawn: Tensor, seed: int) -> None:
    """Shift the shares inside each group of labels likewise, until those of free rows are the training shares.

    h (B, H): first-layer sums of rows of cells (B, S), their group drawn. drawn (B, coarse): its probabilities. Rows
    are given other groups by these, so that even small ones are seen often.
    """
    if tail.goal is None:
        raise ValueError("the shares inside the groups are not known")
    goal, log = tail.goal.to(h.device), torch.zeros_like(tail.log)
    split = torch.nonzero(tail.real.sum(1) > 1)[:, 0].to(h.device)
    p = drawn[:, split].double()
    mass = p.sum(1).cumsum(0)
    count = max(1, min(DRAWS * len(split), MOST // goal.shape[1]))
    source = stream(seed, "tail", tail.slot)
    u = torch.from_numpy(source.random((2, count))).to(h.device)
    at = torch.searchsorted(mass, (torch.arange(count, device=h.device) + u[0]) / count * mass[-1])
    at = at.clamp_max(len(h) - 1)
    group = split[torch.cat([pick(p[a], v) for a, v in zip(pieces(at, BLOCK), pieces(u[1], BLOCK), strict=True)])]
    parts = []
    for a, g in zip(pieces(at, BLOCK), pieces(group, BLOCK), strict=True):
        sampler.progress.check()
        entry = sampler.entry[tail.parent]
        p_in = sampler.probabilities(h[a] - entry[cells[a, tail.parent]] + entry[g], tail.slot, g)
        parts.append(p_in.bfloat16())
    number = torch.bincount(group, minlength=len(goal))[:, None].float()
    rows = goal * number
    for _ in range(SETTLING):
        mean, factor = torch.zeros_like(goal), log.exp()
        for q, g in zip(parts, pieces(group, BLOCK), strict=True):
            q = q.float() * factor[g]
            mean.index_add_(0, g, q / q.sum(1, keepdim=True).clamp_min(1e-30))
        mean /= number.clamp_min(1)
        if float((rows - mean * number).abs().sum()) < 1e-3 * count:
            break
        step = ((goal + 1e-9) / (mean + 1e-9)).log() * (rows / (rows + 5))
        log = (log + step).clamp(-5, 5)
    tail.log += log
    sampler.valid[tail.slot] = tail.factors(h.device)
