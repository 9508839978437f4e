"""Calibration of a trained generator: the shares of freely drawn rows are those of the training rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.draws import BLOCK, Draws
from models.gan.network import Generator, pieces
from models.gan.pairs import NO_PAIRS
from models.gan.sampler import Sampler
from models.progress import SILENT, Progress
from models.rng import key

ROWS = 16_384
"""Rows drawn to average over, at most."""
SETTLING = 20
"""Rounds of fitting the shifts of a slot, at most."""


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
    for place, slot in enumerate(order):
        progress.check()
        parent = layout.parents[slot]
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
        parts = zip(pieces(p * shift.exp(), BLOCK), draws, strict=True)
        cells[:, slot] = torch.cat([draw(part, slot) for part, draw in parts])
        h += sampler.entry[slot].index_select(0, cells[:, slot])
