"""Losses of CTGAN and the one step that it draws its output by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ctgan.spans import Spans

TEMPERATURE = 0.2


def activate(raw: Tensor, spans: Spans, noise: torch.Generator) -> Tensor:
    """Network output (B, width) -> rows as the critic sees them: tanh for scalars, Gumbel-softmax for spans.

    Jang, Gu and Poole 2017, "Categorical reparameterization with Gumbel-softmax".
    """
    scalars, logits = torch.split(raw, [spans.scalars, spans.places], 1)
    u = torch.rand(logits.shape, generator=noise, device=raw.device)
    gumbel = u.clamp_(1e-20, 1 - 2**-24).log_().neg_().log_()
    parts = [view.softmax(2).flatten(1) for view in spans.views((logits - gumbel) / TEMPERATURE)]
    return torch.cat([scalars.tanh(), *parts], 1)


def condition_loss(raw: Tensor, starts: Tensor, sizes: Tensor, cells: Tensor) -> Tensor:
    """Mean cross-entropy of the conditioned spans. starts, sizes (B,): of the span of each row, counted in `raw`
    (B, width); cells (B,): the cell that its condition names."""
    reach = torch.arange(int(sizes.max()), device=raw.device)
    index = starts[:, None] + torch.minimum(reach, sizes[:, None] - 1)
    logits = raw.gather(1, index).masked_fill(reach >= sizes[:, None], -torch.inf)
    return F.cross_entropy(logits, cells)
