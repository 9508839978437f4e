"""Calibration of a trained generator: its conditionals, averaged over the training rows, meet the training
marginals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.gan.network import pieces
from models.gan.trainer import Rows, Trainer
from models.progress import SILENT, Progress

ROWS = 16_384
"""Training rows averaged over, at most."""


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
