"""Losses by name: what a row costs. Shapes: outputs (..., O), targets (..., O) or codes (...) -> costs (...).

A loss has a natural output layer (sigmoid, softmax or linear). With it, the cost is computed from what lies before that
layer, which is exact where a probability rounds to 0 or 1; with another, from what the layer gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.errors import InvalidInput

Cost = Callable[[Tensor, Tensor], Tensor]
TINY = 1e-7
"""Probabilities that an output layer gives are kept so far from 0 and 1."""


@dataclass(frozen=True)
class Loss:
    """of_outputs: cost of what the output layer gives. of_raw: the same of what lies before the layer `natural`.
    targets: "numbers", "shares" (one column per class, summing to 1) or "codes" (of classes)."""

    name: str
    natural: str
    targets: str
    of_outputs: Cost
    of_raw: Cost


def mse(out: Tensor, y: Tensor) -> Tensor:
    return (out - y).square().mean(-1)


def mae(out: Tensor, y: Tensor) -> Tensor:
    return (out - y).abs().mean(-1)


def msle(out: Tensor, y: Tensor) -> Tensor:
    """Squared difference of log(1 + .); outputs below 0 count as 0. y >= 0."""
    return (torch.log1p(out.clamp(min=0)) - torch.log1p(y)).square().mean(-1)


def binary_crossentropy(p: Tensor, y: Tensor) -> Tensor:
    p = p.clamp(TINY, 1 - TINY)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean(-1)


def _binary_raw(raw: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(raw, y, reduction="none").mean(-1)


def categorical_crossentropy(p: Tensor, y: Tensor) -> Tensor:
    return -(y * p.clamp(min=TINY).log()).sum(-1)


def _categorical_raw(raw: Tensor, y: Tensor) -> Tensor:
    return -(y * raw.log_softmax(-1)).sum(-1)


def sparse_categorical_crossentropy(p: Tensor, y: Tensor) -> Tensor:
    return -p.clamp(min=TINY).log().gather(-1, y[..., None])[..., 0]


def _sparse_raw(raw: Tensor, y: Tensor) -> Tensor:
    return -raw.log_softmax(-1).gather(-1, y[..., None])[..., 0]


def kl_divergence(p: Tensor, y: Tensor) -> Tensor:
    """Sum of y log(y / p)."""
    return torch.xlogy(y, y).sum(-1) + categorical_crossentropy(p, y)


def _kl_raw(raw: Tensor, y: Tensor) -> Tensor:
    return torch.xlogy(y, y).sum(-1) + _categorical_raw(raw, y)


def _short(out: Tensor, y: Tensor) -> Tensor:
    """How far each margin falls short of 1. One column per yes-no question (y 0 or 1), or codes y of classes, whose
    margin is to the best of the other classes (Crammer and Singer 2001)."""
    if y.dim() == out.dim():
        return (1 - (2 * y - 1) * out).clamp(min=0)
    own = out.gather(-1, y[..., None])
    rival = out.scatter(-1, y[..., None], -torch.inf).amax(-1, keepdim=True)
    return (1 - own + rival).clamp(min=0)


def hinge(out: Tensor, y: Tensor) -> Tensor:
    return _short(out, y).mean(-1)


def squared_hinge(out: Tensor, y: Tensor) -> Tensor:
    return _short(out, y).square().mean(-1)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("mse", "linear", "numbers", mse, mse),
        Loss("mae", "linear", "numbers", mae, mae),
        Loss("msle", "linear", "numbers", msle, msle),
        Loss("binary_crossentropy", "sigmoid", "numbers", binary_crossentropy, _binary_raw),
        Loss("multilabel_crossentropy", "sigmoid", "numbers", binary_crossentropy, _binary_raw),
        Loss("categorical_crossentropy", "softmax", "shares", categorical_crossentropy, _categorical_raw),
        Loss("sparse_categorical_crossentropy", "softmax", "codes", sparse_categorical_crossentropy, _sparse_raw),
        Loss("kl_divergence", "softmax", "shares", kl_divergence, _kl_raw),
        Loss("hinge", "linear", "codes", hinge, hinge),
        Loss("squared_hinge", "linear", "codes", squared_hinge, squared_hinge),
    )
}


def loss_of(name: str) -> Loss:
    """Raises InvalidInput where the name is not known."""
    if name not in LOSSES:
        raise InvalidInput(f"Loss {name!r} is not known.", hint=f"One of {', '.join(sorted(LOSSES))}.")
    return LOSSES[name]
