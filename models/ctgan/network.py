"""The generator of CTGAN (Xu et al. 2019, section 4.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ctgan.spans import Spans

ABSENT = -1e4
"""Logit of a place that stands for no cell."""


class ConditionalGenerator(nn.Module):
    """Noise and a condition -> scalars and logits of every span, in one pass.

    Each hidden layer (linear, batch norm, ReLU) sees noise, condition and all layers before it, as in the paper. The
    condition vector has a single one, so its product with a layer's weights is a row of `condition`: an embedding.

    Shape: noise (B, Z) float32, condition (B,) int64 -> (B, A + places) float32, before tanh and softmax.
    """

    padding: Tensor

    def __init__(self, spans: Spans, noise: int, hidden: int, depth: int, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.spans, self.noise, self.hidden, self.depth, self.compute = spans, noise, hidden, depth, compute
        outs = [hidden] * depth + [spans.width]
        self.weights = nn.ParameterList(torch.empty(out, i * hidden + noise) for i, out in enumerate(outs))
        self.condition = nn.Parameter(torch.empty(spans.conditions, sum(outs)))
        self.bias = nn.Parameter(torch.zeros(spans.width))
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(depth))
        outside = torch.cat([torch.zeros(spans.scalars, dtype=torch.bool), spans.padding()])
        self.register_buffer("padding", outside.float() * ABSENT, persistent=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """As torch does linear layers. generator: on the CPU."""
        at = 0
        for weight in self.weights:
            bound = (weight.shape[1] + self.condition.shape[0]) ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            self.condition[:, at : at + len(weight)].uniform_(-bound, bound, generator=generator)
            at += len(weight)
        self.bias.zero_()

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        # Split rather than sliced: the gradient of a slice is a full table of zeros each.
        *given, last = torch.split(F.embedding(condition, self.condition), [len(w) for w in self.weights], 1)
        x = noise.to(self.compute)
        for weight, norm, here in zip(self.weights, self.norms, given, strict=False):
            h = F.linear(x, weight.to(self.compute)) + here
            x = torch.cat([F.relu(norm(h)).to(self.compute), x], 1)
        out: Tensor = F.linear(x, self.weights[self.depth].to(self.compute))
        return out + last + (self.bias + self.padding)
