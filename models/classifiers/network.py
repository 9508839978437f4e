"""The networks themselves: a perceptron and a convolution, each as several members side by side."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from models.classifiers.activations import RECTIFIERS, activation, pieces
from models.classifiers.layers import BatchNorm, Conv1d, Linear, MaxPool, Windows
from models.errors import InvalidInput

MAX_WIDTH = 65_536
MAX_DEPTH = 256


def perceptron(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    act: str = "relu",
    dropout: float = 0.0,
    *,
    batch_norm: bool = False,
    members: int = 1,
    first: Sequence[nn.Module] = (),
) -> nn.Sequential:
    """`first`, then linear, batch normalisation, activation and dropout per hidden layer, then a linear layer:
    (M, B, inputs) -> (M, B, outputs). Raises InvalidInput."""
    check_sizes(hidden, dropout)
    layers: list[nn.Module] = list(first)
    for width in hidden:
        layer = Linear(members, inputs, width * pieces(act), act in RECTIFIERS)
        layers += _block(layer, width, act, batch_norm, members)
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return nn.Sequential(*layers, Linear(members, inputs, outputs, rectified=False))


def convolution(
    channels: int,
    length: int,
    filters: Sequence[int],
    kernel: int,
    pool: int,
    act: str = "relu",
    *,
    batch_norm: bool = False,
    members: int = 1,
) -> tuple[list[nn.Module], int]:
    """Convolution, activation and pooling per entry of `filters`: (M, B, channels * length) -> (M, B, features).

    -> layers and features. Raises InvalidInput."""
    check_sizes(filters, 0.0)
    if kernel < 1 or kernel % 2 == 0 or pool < 1:
        raise InvalidInput("A kernel must be odd and pooling at least 1.", hint="Try kernel=3 and pool=2.")
    layers: list[nn.Module] = [Windows(channels)]
    for width in filters:
        layer = Conv1d(members, channels, width * pieces(act), kernel, act in RECTIFIERS)
        layers += _block(layer, width, act, batch_norm, members)
        if pool > 1 and length > 1:
            layers.append(MaxPool(pool))
            length = -(-length // pool)
        channels = width
    return [*layers, nn.Flatten(-2)], channels * length


def check_sizes(widths: Sequence[int], dropout: float) -> None:
    """Raise InvalidInput where layers cannot be made."""
    if len(widths) > MAX_DEPTH or any(not 1 <= w <= MAX_WIDTH for w in widths):
        raise InvalidInput("The hidden layers cannot be made.", hint=f"At most {MAX_DEPTH}, of 1 to {MAX_WIDTH} units.")
    if not 0 <= dropout < 1:
        raise InvalidInput("Dropout is a share below 1.", hint="Try 0.1.")


def _block(layer: nn.Module, width: int, act: str, batch_norm: bool, members: int) -> list[nn.Module]:
    norm = [BatchNorm(members, width * pieces(act))] if batch_norm else []
    return [layer, *norm, activation(act, members)]
