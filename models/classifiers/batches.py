"""Prepared rows as a torch Dataset, and whole batches of them.

torch's DataLoader usually fetches row by row and collates: on tables that costs more than the training. Here the
sampler yields the indices of a whole batch, for all networks at once, and the dataset answers with one indexing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Row = tuple[Tensor, Tensor, Tensor]


class Rows(Dataset[Row]):
    """inputs (N, I), targets (N, ...) and weights (N,); an index of any shape gives rows of that shape."""

    def __init__(self, inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        self.inputs, self.targets = inputs, targets
        self.weights = torch.ones(len(inputs)) if weights is None else weights

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int | Tensor) -> Row:
        return self.inputs[index], self.targets[index], self.weights[index]


class Batches(Sampler[Tensor]):
    """Shuffled indices (M, B) of about `size` rows each: every member goes through its own rows (M, n) in its own
    order. The batches of an epoch differ by one row at most, so that none is too small to normalise."""

    def __init__(self, rows: Tensor, size: int, generator: torch.Generator) -> None:
        self.rows, self.count, self.generator = rows, -(-rows.shape[1] // size), generator

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        members, n = self.rows.shape
        order = torch.stack([torch.randperm(n, generator=self.generator) for _ in range(members)])
        yield from self.rows.gather(1, order).tensor_split(self.count, dim=1)


def loader(data: Rows, rows: Tensor, size: int, generator: torch.Generator) -> DataLoader[Row]:
    """Batches of `data`: inputs (M, B, I), targets (M, B, ...), weights (M, B); shuffled anew in every epoch."""
    return DataLoader(data, batch_size=None, sampler=Batches(rows, size, generator), generator=generator)
