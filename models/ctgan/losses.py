"""Losses of CTGAN and the one step that it draws its output by, with their gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from models.ctgan.spans import Spans

SHARPNESS = 5
"""One over the temperature of 0.2."""
MOST = 60.0
"""Size of a logit, at most: its exponential times that of the noise is a float32."""


def softmax(logits: Tensor, spans: Spans) -> Tensor:
    """Of each span. (B, places) -> (B, places)."""
    soft = logits.clamp(-MOST, MOST).exp_()
    soft /= spans.totals(soft)
    return soft


def softmax_back(soft: Tensor, toward: Tensor, spans: Spans) -> Tensor:
    """Gradient with respect to the logits, from that with respect to what `softmax` made of them. All (B, places)."""
    weighted = toward * soft
    return weighted.sub_(soft * spans.totals(weighted))


def soften(logits: Tensor, waits: Tensor, spans: Spans) -> Tensor:
    """softmax(SHARPNESS (logits + gumbel)) of each span. logits (B, places), waits (B, places): -exp(-gumbel).

    As a power of the softmax at temperature 1, whose largest entry is no less than one over the cells of its span, so
    that nothing overflows or vanishes without looking for the largest logit of each span.
    """
    soft = logits.clamp(-MOST, MOST).exp_().div_(waits)
    soft /= spans.totals(soft)  # which have the sign of the waits
    square = soft * soft
    power = soft.mul_(square).mul_(square)
    power /= spans.totals(power)
    return power


def soften_back(soft: Tensor, toward: Tensor, spans: Spans) -> Tensor:
    """Gradient with respect to the logits, from that with respect to what `soften` made of them. All (B, places)."""
    return softmax_back(soft, toward, spans).mul_(SHARPNESS)


def activate(raw: Tensor, spans: Spans, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Network output (B, width) -> rows as the critic sees them: tanh for scalars (B, A), Gumbel-softmax for spans
    (B, places).

    Jang, Gu and Poole 2017, "Categorical reparameterization with Gumbel-softmax".
    """
    scalars, logits = torch.split(raw, [spans.scalars, spans.places], 1)
    u = torch.rand(logits.shape, generator=noise, device=raw.device).clamp_(1e-20, 1 - 2**-24)
    return scalars.tanh(), soften(logits, u.log_(), spans)


def activate_back(scalars: Tensor, soft: Tensor, toward: Tensor, spans: Spans) -> Tensor:
    """Gradient with respect to the network's output, from that with respect to the rows, toward (B, width)."""
    toward_scalars, toward_soft = torch.split(toward, [spans.scalars, spans.places], 1)
    return torch.cat([toward_scalars * (1 - scalars * scalars), soften_back(soft, toward_soft, spans)], 1)


def condition_loss(
    raw: Tensor, places: Tensor, outside: Tensor, cells: Tensor, toward: Tensor, weight: float = 1.0
) -> Tensor:
    """`weight` times the mean cross-entropy of the conditioned spans; its gradient is added to `toward`.

    raw, toward (B, width); places, outside (B, R): rows of Spans.named; cells (B,): what each row's condition names.
    """
    log = raw.gather(1, places).add_(outside).log_softmax(1)
    named = cells[:, None]
    loss = -weight * log.gather(1, named).mean()
    slope = log.exp_().scatter_add_(1, named, log.new_tensor(-1.0).expand_as(named))
    toward.scatter_add_(1, places, slope.mul_(weight / len(raw)))
    return loss
