"""The parameters of a network as one tensor, so that the optimizer and the average are one operation each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Flat:
    """values (n,): all parameters of `model`, which from now on are views of it; gradient (n,): theirs; grads: views of
    that by name of the parameter."""

    def __init__(self, model: nn.Module) -> None:
        named = dict(model.named_parameters())
        self.values = nn.Parameter(torch.cat([p.detach().flatten() for p in named.values()]))
        self.gradient = self.values.grad = torch.zeros_like(self.values)
        self.grads = split(self.gradient, named)
        for name, view in split(self.values.detach(), named).items():
            named[name].data = view


def split(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """(n,) -> views of it by name, in order, in the shapes of `like`."""
    parts = torch.split(flat, [p.numel() for p in like.values()])
    return {name: part.view(p.shape) for (name, p), part in zip(like.items(), parts, strict=True)}
