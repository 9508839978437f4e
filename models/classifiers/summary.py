"""A network as a table: its layers, the shapes of their outputs, and their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """shape: of the output for one row of one network. parameters: learnt numbers of one network."""

    name: str
    shape: tuple[int, ...]
    parameters: int


def layers_of(net: nn.Sequential, width: int) -> tuple[list[Layer], int]:
    """-> layers for rows of `width` inputs, and how many networks there are side by side."""
    members = max((p.shape[0] for p in net.parameters()), default=1)
    kind = next((p.dtype for p in net.parameters()), torch.float32)
    x: Tensor = torch.zeros(members, 1, width, dtype=kind)
    mode = net.training
    net.eval()
    layers = []
    with torch.no_grad():
        for layer in net:
            x = layer(x)
            count = sum(p.numel() for p in layer.parameters()) // members
            layers.append(Layer(type(layer).__name__, tuple(x.shape[2:]), count))
    net.train(mode)
    return layers, members


def summary_of(net: nn.Sequential, width: int) -> str:
    layers, members = layers_of(net, width)
    rows = [("layer", "output", "parameters")]
    rows += [(f"{i} {a.name}", str(a.shape), f"{a.parameters:,}") for i, a in enumerate(layers)]
    sizes = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{sizes[0]}}  {b:<{sizes[1]}}  {c:>{sizes[2]}}" for a, b, c in rows]
    one = sum(layer.parameters for layer in layers)
    lines.insert(1, "-" * len(lines[0]))
    lines.append(f"{one:,} parameters" + (f" in each of {members} networks" if members > 1 else ""))
    return "\n".join(lines)
