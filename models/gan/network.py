"""The generator's network: known cells of a row -> logits of all cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.gan.smooth import Basis
from models.gan.tails import Tail


class Block(nn.Module):
    """Layer norm, then a linear layer: the parts of a residual step."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.linear = nn.Linear(hidden, hidden)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        weight = self.linear.weight
        weight.copy_(torch.randn(weight.shape, generator=generator) / weight.shape[1] ** 0.5)
        self.linear.bias.zero_()


class Stack(nn.ModuleList):
    """Blocks, typed."""

    def __init__(self, hidden: int, depth: int) -> None:
        super().__init__(Block(hidden) for _ in range(depth))

    def blocks(self) -> list[Block]:
        return [b for b in self if isinstance(b, Block)]


def pieces(rows: Tensor, size: int) -> Iterator[Tensor]:
    """Consecutive pieces of at most `size` rows."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class Generator(nn.Module):
    """G(known cells, mask) -> logits over all W cells; S slots, H hidden units.

    An unknown slot has an embedding of its own, so the mask needs no other input. Residual blocks with layer norm
    before each (Xiong et al. 2020, "On layer normalization in the transformer architecture"). With a basis, embed and
    head are the weights of its functions (models/gan/smooth.py), until `fold` ends training.

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
        basis: Basis | None = None,
        tails: Sequence[Tail] = (),
    ) -> None:
        super().__init__()
        self.width, self.slots, self.dropout, self.compute = width, slots, dropout, compute
        self.basis = basis
        rows = width if basis is None else basis.functions
        self.embed = nn.Parameter(torch.empty(rows + slots, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.stack = Stack(hidden, depth)
        self.head = nn.Parameter(torch.empty(rows, hidden))
        self.head_bias = nn.Parameter(torch.empty(width))
        self._tails = nn.ModuleList(tails)

    @torch.no_grad()
    def initialise(self, frequencies: Tensor, generator: torch.Generator) -> None:
        """Start at the one-way marginals. frequencies (W,): share of each cell in its slot; generator: on the CPU."""
        hidden = self.embed.shape[1]
        self.embed.copy_(torch.randn(self.embed.shape, generator=generator) * 0.05)
        for block in self.stack.blocks():
            block.initialise(generator)
        self.head.copy_(torch.randn(self.head.shape, generator=generator) * 0.1 / hidden**0.5)
        self.head_bias.copy_((frequencies + 1e-4).log())
        for tail in self.tails:
            self.head_bias[tail.span] = 0.0

    def forward(self, index: Tensor) -> Tensor:
        """Without dropout, as rows are drawn. Training has its own way through (models/gan/gradients.py)."""
        embed, head = self.tables()
        logits = self._logits(self._body(index, embed), head, self.head_bias)
        for tail in self.tails:
            tail.add(logits, index)
        return logits

    @property
    def tails(self) -> list[Tail]:
        """Of the columns of very many labels."""
        return [t for t in self._tails if isinstance(t, Tail)]

    @torch.no_grad()
    def fold(self) -> None:
        """Store the weights of the cells in place of those of the basis."""
        embed, head = self.tables()
        self.embed, self.head, self.basis = nn.Parameter(embed.clone()), nn.Parameter(head.clone()), None

    def tables(self) -> tuple[Tensor, Tensor]:
        """Weights of the cells: embed (W + S, H), head (W, H)."""
        if self.basis is None:
            return self.embed, self.head
        cells, unknown = self.embed[: self.basis.functions], self.embed[self.basis.functions :]
        return torch.cat([self.basis.expand(cells), unknown]), self.basis.expand(self.head)

    def _body(self, index: Tensor, embed: Tensor) -> Tensor:
        h = F.embedding_bag(index, embed, mode="sum") + self.bias
        for block in self.stack.blocks():
            h = h + self._linear(F.silu(block.norm(h)), block.linear.weight, block.linear.bias).float()
        return h

    def _logits(self, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        # Biases are logarithms of shares: rounded to 8 bits they would shift the shares by percents.
        return F.linear(F.silu(h).to(self.compute), weight.to(self.compute)).float() + bias

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        t = self.compute
        return F.linear(x.to(t), weight.to(t), bias.to(t))


def shadow(model: nn.Module) -> dict[str, Tensor]:
    """Copy of a model's weights."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


@torch.no_grad()
def follow(ema: Mapping[str, Tensor], model: nn.Module, decay: float) -> None:
    """Exponential moving average of the weights, in place (Polyak averaging)."""
    weights = dict(model.named_parameters())
    names = list(weights)
    torch._foreach_lerp_([ema[n] for n in names], [weights[n].detach() for n in names], 1 - decay)
