"""Shares of a trained generator, set right."""

from __future__ import annotations

import torch
from torch import Tensor

from models.ctgan.network import ConditionalGenerator
from models.ctgan.spans import Spans

ROUNDS = 6
MOST = 2.0
"""Shift of a logit, at most."""


def free_rows(width: int) -> int:
    """Rows from which shares are told: as many as memory allows for easily."""
    return max(1_024, min(16_384, 16_000_000 // max(1, width)))


def condition_shares(spans: Spans, cells: Tensor) -> Tensor:
    """Share of rows (N, T) that each entry of the condition vector is true of: (C,) float32, for each column adding up
    to 1; a single 1 where no column can be named."""
    counts = [torch.bincount(cells[:, t].long(), minlength=spans.sizes[t]) for t in spans.conditional]
    return torch.cat(counts).float() / max(1, len(cells)) if counts else torch.ones(1, device=cells.device)


def place_shares(spans: Spans, cells: Tensor) -> Tensor:
    """Share of rows (N, T) that are in the cell of each place: (places,) float32."""
    out = torch.zeros(spans.places, device=cells.device)
    for t, (start, size) in enumerate(zip(spans.starts, spans.sizes, strict=True)):
        out[start : start + size] = torch.bincount(cells[:, t].long(), minlength=size) / len(cells)
    return out


@torch.no_grad()
def settle(generator: ConditionalGenerator, raw: Tensor, cells: Tensor) -> None:
    """Shift the biases of the output until the mean probabilities of each span are its training shares.

    An adversary that stops at a finite step leaves them off by some points. Spans are drawn independently given the
    noise, so a shift of one changes no other. raw (R, width): output for free rows; cells (N, T): the training rows.
    """
    spans = generator.spans
    goal = place_shares(spans, cells)
    logits = spans.views(raw[:, spans.scalars :])
    shifts = []
    for view, here in zip(logits, spans.views(goal[None]), strict=True):
        shift = torch.zeros_like(here)
        # Cells that are too rare to be told from noise move less.
        trust = (count := here * len(raw)) / (count + 5)
        for _ in range(ROUNDS):
            mean = (view + shift).softmax(2).mean(0, keepdim=True)
            shift = (shift + ((here + 1e-7) / (mean + 1e-7)).log() * trust).clamp(-MOST, MOST)
        shifts.append(shift.flatten())
    if shifts:
        generator.bias[spans.scalars :] += torch.cat(shifts)
