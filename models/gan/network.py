"""The generator's network: known cells of a row -> logits of all cells."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Generator(nn.Module):
    """G(known cells, mask) -> logits over all W cells; S slots, H hidden units.

    An unknown slot has an embedding of its own, so the mask needs no other input. Residual blocks with layer norm
    before each (Xiong et al. 2020, "On layer normalization in the transformer architecture").

    Shape: index (B, S) int64, cell numbers 0..W-1 or W + slot where unknown -> logits (B, W) float32.
    """

    def __init__(
        self,
        width: int,
        slots: int,
        hidden: int,
        depth: int,
        dropout: float = 0.0,
        compute: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.width, self.slots, self.dropout, self.compute = width, slots, dropout, compute
        self.embed = nn.Parameter(torch.empty(width + slots, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(depth))
        self.head = nn.Linear(hidden, width)

    @torch.no_grad()
    def initialise(self, frequencies: Tensor, generator: torch.Generator) -> None:
        """Start at the one-way marginals. frequencies (W,): share of each cell in its slot; generator: on the CPU."""
        hidden = self.embed.shape[1]
        self.embed.copy_(torch.randn(self.embed.shape, generator=generator) * 0.05)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / hidden**0.5)
            layer.bias.zero_()
        self.head.weight.copy_(torch.randn(self.head.weight.shape, generator=generator) * 0.1 / hidden**0.5)
        self.head.bias.copy_((frequencies + 1e-4).log())

    def forward(self, index: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """noise: of the dropout; None leaves dropout out."""
        h = F.embedding_bag(index, self.embed, mode="sum") + self.bias
        for layer, norm in zip(self.layers, self.norms, strict=True):
            step = self._linear(F.silu(norm(h)), layer).float()
            if noise is not None and self.dropout:
                keep = torch.rand(step.shape, generator=noise, device=step.device) >= self.dropout
                step = step * keep / (1 - self.dropout)
            h = h + step
        return self._linear(F.silu(h), self.head).float()

    def _linear(self, x: Tensor, layer: nn.Module) -> Tensor:
        assert isinstance(layer, nn.Linear)
        t = self.compute
        return F.linear(x.to(t), layer.weight.to(t), layer.bias.to(t))


def shadow(model: nn.Module) -> dict[str, Tensor]:
    """Copy of a model's weights."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


@torch.no_grad()
def follow(ema: Mapping[str, Tensor], model: nn.Module, decay: float) -> None:
    """Exponential moving average of the weights, in place (Polyak averaging)."""
    weights = dict(model.named_parameters())
    names = list(weights)
    torch._foreach_lerp_([ema[n] for n in names], [weights[n].detach() for n in names], 1 - decay)
