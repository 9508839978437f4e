"""Calibration of a trained generator: its conditionals, averaged over the training rows, meet the training
marginals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.gan.network import pieces
from models.gan.sampler import BLOCK, Sampler
from models.gan.trainer import Rows, Trainer
from models.progress import SILENT, Progress
from models.rng import key

ROWS = 16_384
"""Training rows averaged over, at most."""


@torch.no_grad()
def settle(trainer: Trainer, order: tuple[int, ...], shares: Tensor, seed: int, progress: Progress = SILENT) -> None:
    """Shift the biases of the head until the shares of freely drawn rows are the training shares (W,).

    Small errors add up from slot to slot where each is drawn after generated ones, not real ones. Shifts are shrunk
    by slot by how far they exceed the noise of the draw (James and Stein 1961), so a calibrated generator stays as it
    is.
    """
    layout = trainer.layout
    narrow = len(order) <= 60  # a wide table's rows take longer to draw than its shares are worth
    blocks = ROWS // BLOCK if narrow else 1
    for number in range(2 if narrow else 1):
        sampler = Sampler(trainer.model, layout, order, progress)
        drawn = torch.zeros_like(shares)
        for b in range(blocks):
            cells = sampler.block(b, 0, BLOCK, key(seed, "settle", number), 0)[0]
            index = (torch.from_numpy(cells) + torch.from_numpy(layout.offsets[:-1])).flatten()
            drawn += torch.bincount(index, minlength=layout.width).to(drawn) / (blocks * BLOCK)
        rows = blocks * BLOCK
        shift = ((shares + 1 / rows) / (drawn + 1 / rows)).log().clamp(-1, 1)
        off = (drawn - shares) ** 2 * rows / (shares + 1 / rows)
        excess = trainer.blocks.sums(off[None])[0]
        cells_of = trainer.blocks.sums(torch.ones_like(off)[None])[0]
        trust = (1 - (cells_of - 1) / excess.clamp_min(1e-9)).clamp(0, 1)
        trainer.model.head_bias.add_(shift * trust[trainer.blocks.slot_of])


@torch.no_grad()
def calibrate(trainer: Trainer, order: tuple[int, ...], progress: Progress = SILENT, rounds: int = 2) -> None:
    """Shift the biases of the head until each slot's mean probabilities, given real prefixes, are its training shares.

    At the optimum of likelihood they are; dropout and early stopping leave a gap that shows in every marginal.
    """
    rows = trainer.rows
    at = torch.arange(0, len(rows), max(1, len(rows) // ROWS), device=rows.codes.device)
    for _ in range(rounds):
        real, mean = _shares(trainer, order, rows, at, progress)
        # Cells that are too rare to be told from noise move less.
        count = real * len(at)
        shift = ((real + 1e-6) / (mean + 1e-6)).log().clamp(-1, 1) * (count / (count + 10))
        trainer.model.head_bias.add_(shift)


def _shares(
    trainer: Trainer, order: tuple[int, ...], rows: Rows, at: Tensor, progress: Progress
) -> tuple[Tensor, Tensor]:
    """-> training shares and mean probabilities of all cells (W,)."""
    layout, model = trainer.layout, trainer.model
    real = torch.zeros(layout.width, device=at.device)
    mean = torch.zeros(layout.width, device=at.device)
    for part in pieces(at, 8_192):
        batch = rows.take(part)
        index = trainer.unknown.expand(len(batch), -1).clone()
        for slot in order:
            progress.check()
            a, b = int(layout.offsets[slot]), int(layout.offsets[slot + 1])
            mean[a:b] += model.slot_logits(index, a, b).softmax(1).sum(0) / len(at)
            index[:, slot] = batch[:, slot]
        real += torch.bincount(batch.flatten(), minlength=layout.width) / len(at)
    return real, mean
