"""Which training rows teach conditionals: those of rare values as often as those of frequent ones, nearly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST = 131_072
"""Rows that are picked from, at most: the index takes memory for each slot of each."""


class Picker:
    """Picks a slot, one of its cells by the logarithm of its frequency, and a row that has it.

    This is training by sampling (Xu et al. 2019, "Modeling tabular data using conditional GAN", section 4.3). There it
    shifts the shares that the generator learns; here the slot picked is known in the row, and what is learnt is the
    other slots given it, which the choice does not change.
    """

    def __init__(self, codes: Tensor, slots: Sequence[int], sizes: Sequence[int]) -> None:
        """codes (N, S): encoded rows; slots: those to pick from."""
        device = codes.device
        every = max(1, -(-len(codes) // MOST))
        self.slots = torch.tensor(slots, device=device)
        self.every = every
        width = max((sizes[s] for s in slots), default=1)
        by_cell, starts, shares = [], [], []
        for slot in slots:
            column = codes[::every, slot].long()
            by_cell.append(column.argsort(stable=True).int())
            counts = torch.bincount(column, minlength=width)
            starts.append(torch.cat([counts.new_zeros(1), counts.cumsum(0)]))
            weight = torch.log1p(counts.double())
            shares.append((weight.cumsum(0) / weight.sum()).float())
        self.rows, self.starts, self.shares = torch.stack(by_cell), torch.stack(starts), torch.stack(shares)

    def pick(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> rows (count,) and the slot that each was picked by (count,)."""
        device = self.slots.device
        which = torch.randint(len(self.slots), (count,), generator=generator, device=device)
        u = torch.rand(count, 2, generator=generator, device=device)
        cell = (self.shares[which] <= u[:, :1]).sum(1).clamp_max(self.shares.shape[1] - 1)
        first, last = self.starts[which, cell], self.starts[which, cell + 1]
        # Rounding may lead to a cell of no rows, behind the last one: the row before it stands in.
        at = (first + torch.floor(u[:, 1] * (last - first)).long()).clamp_max(self.rows.shape[1] - 1)
        return self.rows[which, at].long() * self.every, self.slots[which]
