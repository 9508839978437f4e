"""Numbers as several inputs each, so that a network can bend at them (Gorishniy et al. 2022, "On embeddings for
numerical features in tabular deep learning")."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from models.errors import InvalidInput

NUMBERS = ("plain", "piecewise", "periodic")
FREQUENCIES = 16
WIDTH = 8
SIGMA = 0.3


class Piecewise(nn.Module):
    """Each of the first F inputs also as its place within each of its quantile bins, 0 before and 1 behind the bin
    (section 3.2). (M, B, I) -> (M, B, I + all bins)."""

    def __init__(self, of: Tensor, left: Tensor, span: Tensor) -> None:
        """of: input of each bin, int64 (W,); left: its lower end; span: its width, above 0."""
        super().__init__()
        self.of: Tensor
        self.left: Tensor
        self.span: Tensor
        self.register_buffer("of", of)
        self.register_buffer("left", left)
        self.register_buffer("span", span)

    @staticmethod
    def learn(inputs: Tensor, numbers: int, bins: int) -> Piecewise:
        """Bins between quantiles of training inputs (N, I) of the first `numbers` columns; equal ones are merged."""
        of, left, span = [], [], []
        for column in range(numbers):
            values = inputs[:, column].double()
            cuts = torch.from_numpy(np.unique(np.quantile(_thinned(values).numpy(), np.linspace(0, 1, bins + 1))))
            if len(cuts) > 2:
                of += [column] * (len(cuts) - 1)
                left.append(cuts[:-1])
                span.append(cuts.diff())
        empty = torch.zeros(0, dtype=torch.float64)
        return Piecewise(
            torch.tensor(of, dtype=torch.int64), torch.cat([empty, *left]).float(), torch.cat([empty, *span]).float()
        )

    @property
    def added(self) -> int:
        return len(self.of)

    def forward(self, x: Tensor) -> Tensor:
        places = (x.index_select(-1, self.of) - self.left) / self.span
        return torch.cat([x, places.clamp(0, 1)], dim=-1)


class Periodic(nn.Module):
    """Each of the first F inputs also as sines and cosines of learnt frequencies, mixed and rectified (section 3.3,
    PLR). (M, B, I) -> (M, B, I + F * WIDTH)."""

    def __init__(self, members: int, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers
        self.frequencies = nn.Parameter(torch.randn(members, 1, numbers, FREQUENCIES) * SIGMA)
        bound = math.sqrt(6 / (2 * FREQUENCIES))
        self.mix = nn.Parameter(torch.empty(members, numbers, 2 * FREQUENCIES, WIDTH).uniform_(-bound, bound))

    @property
    def added(self) -> int:
        return self.numbers * WIDTH

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * math.pi * self.frequencies * x[..., : self.numbers, None]
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1)
        mixed = torch.einsum("mbfk,mfkd->mbfd", waves, self.mix).relu()
        return torch.cat([x, mixed.flatten(-2)], dim=-1)


Embedding = Piecewise | Periodic | None


def embedding(kind: str, inputs: Tensor, numbers: int, bins: int, members: int) -> Embedding:
    """The layer of this kind for training inputs (N, I), None where it would add nothing. Raises InvalidInput."""
    if kind not in NUMBERS:
        raise InvalidInput(f"Numbers as {kind!r} are not known.", hint=f"One of {', '.join(NUMBERS)}.")
    if kind == "plain" or numbers == 0:
        return None
    layer = Piecewise.learn(inputs, numbers, bins) if kind == "piecewise" else Periodic(members, numbers)
    return layer if layer.added else None


def _thinned(values: Tensor, most: int = 100_000) -> Tensor:
    """At most so many values, evenly spread over the rows: their quantiles are as good."""
    return values[:: -(-len(values) // most)]
