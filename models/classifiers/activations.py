"""Activations by name. Tensors are (members, rows, ..., features): an activation works on the last axis."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.errors import InvalidInput

MAXOUT_PIECES = 2


class PReLU(nn.Module):
    """max(x, 0) + a min(x, 0) with one learnt slope a per member (He et al. 2015, section 2.1)."""

    def __init__(self, members: int = 1) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((members,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, self.slope.view(-1, *[1] * (x.dim() - 1)) * x)


class Maxout(nn.Module):
    """Largest of each `pieces` neighbouring features: (..., F * pieces) -> (..., F) (Goodfellow et al. 2013)."""

    def __init__(self, pieces: int = MAXOUT_PIECES) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], -1, self.pieces).amax(-1)


ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda members: nn.ReLU(),
    "leaky_relu": lambda members: nn.LeakyReLU(),
    "prelu": PReLU,
    "elu": lambda members: nn.ELU(),
    "silu": lambda members: nn.SiLU(),
    "swish": lambda members: nn.SiLU(),
    "maxout": lambda members: Maxout(),
    "tanh": lambda members: nn.Tanh(),
    "sigmoid": lambda members: nn.Sigmoid(),
    "softmax": lambda members: nn.Softmax(dim=-1),
    "softplus": lambda members: nn.Softplus(),
    "linear": lambda members: nn.Identity(),
}
"""name -> constructor, given the number of networks that are trained side by side."""
RECTIFIERS = frozenset({"relu", "leaky_relu", "prelu", "elu", "silu", "swish", "maxout"})
"""Those that halve the variance of their input: their layers start with He's weights, the others with Glorot's."""


def activation(name: str, members: int = 1) -> nn.Module:
    """A new layer. Raises InvalidInput where the name is not known."""
    if name not in ACTIVATIONS:
        raise InvalidInput(f"Activation {name!r} is not known.", hint=f"One of {', '.join(sorted(ACTIVATIONS))}.")
    return ACTIVATIONS[name](members)


def pieces(name: str) -> int:
    """Features that the layer before must give per feature after this activation."""
    return MAXOUT_PIECES if name == "maxout" else 1
