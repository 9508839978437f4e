"""Losses of CTGAN and the one step that it draws its output by."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ctgan.spans import Spans

SHARPNESS = 5
"""One over the temperature of 0.2."""


class SpanSoftmax(torch.autograd.Function):
    """softmax(SHARPNESS (logits + gumbel)) of each span. logits (B, places), odds (B, places): exp(gumbel).

    As a power of the softmax at temperature 1, whose largest entry is no less than one over the cells of its span, so
    that nothing overflows or vanishes without looking for the largest logit of each span.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, odds: Tensor, spans: Spans) -> Tensor:
        soft = logits.clamp(-MOST, MOST).exp_().mul_(odds)
        soft /= spans.totals(soft)
        power = soft.pow(SHARPNESS)
        power /= spans.totals(power)
        ctx.spans = spans
        ctx.save_for_backward(power)
        return power

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (soft,) = ctx.saved_tensors
        weighted = grads[0] * soft
        return (weighted - soft * ctx.spans.totals(weighted)).mul_(SHARPNESS), None, None


MOST = 60.0
"""Size of a logit, at most: its exponential times that of the noise is a float32."""


def activate(raw: Tensor, spans: Spans, noise: torch.Generator) -> Tensor:
    """Network output (B, width) -> rows as the critic sees them: tanh for scalars, Gumbel-softmax for spans.

    Jang, Gu and Poole 2017, "Categorical reparameterization with Gumbel-softmax".
    """
    scalars, logits = torch.split(raw, [spans.scalars, spans.places], 1)
    u = torch.rand(logits.shape, generator=noise, device=raw.device)
    odds = u.clamp_(1e-20, 1 - 2**-24).log_().neg_().reciprocal_()  # exp(gumbel) is one over an exponential
    soft: Tensor = SpanSoftmax.apply(logits, odds, spans)  # type: ignore[no-untyped-call]
    return torch.cat([scalars.tanh(), soft], 1)


def condition_loss(raw: Tensor, starts: Tensor, sizes: Tensor, cells: Tensor) -> Tensor:
    """Mean cross-entropy of the conditioned spans. starts, sizes (B,): of the span of each row, counted in `raw`
    (B, width); cells (B,): the cell that its condition names."""
    reach = torch.arange(int(sizes.max()), device=raw.device)
    index = starts[:, None] + torch.minimum(reach, sizes[:, None] - 1)
    logits = raw.gather(1, index).masked_fill(reach >= sizes[:, None], -torch.inf)
    return F.cross_entropy(logits, cells)
