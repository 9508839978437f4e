"""Which slots of a training row are known, and what the others weigh in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from models.encoding.encoding import Layout

TOLD = 0.1
"""Share of the rows in the plain order that teach a target given all else."""


class Masks:
    """Known slots: prefixes of the drawing order, for part of the rows after a random set of columns was moved to its
    front.

    The first is what unconditional rows are drawn in; the second teaches any conditional that a sample under conditions
    asks for: the conditioned columns first, in any order, then the rest as usual. It is a smaller family than that of
    all orders (Uria et al. 2014, "A deep and tractable density estimator"; Hoogeboom et al. 2022, "Autoregressive
    diffusion models"), and learnt better at equal steps.

    Where a target is told, which is drawn last, some of the first kind know all other columns: what it follows from is
    what a sample will be asked for most, and of prefixes of any length few are so long.
    """

    def __init__(self, layout: Layout, order: Tensor, device: torch.device, fixed: float, target: int = 0) -> None:
        """target: how many slots, the last of the order, are the target's."""
        self.slots = len(layout.sizes)
        self.fixed, self.target = fixed, target
        self.place = torch.empty(self.slots, dtype=torch.float32, device=device)
        self.place[order.to(device)] = torch.arange(self.slots, dtype=torch.float32, device=device)
        parents = torch.tensor(layout.parents, device=device)
        self.child = torch.nonzero(parents >= 0)[:, 0]
        self.parent = parents[self.child]

    def draw(self, rows: int, generator: torch.Generator, first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """-> known (B, S) bool, weight (B, S): what each unknown slot's surprise counts, on average S per row.

        first (M,): of the first M rows, which all have columns moved, the slot that comes first and is always known.
        """
        on = self.place.device
        u = torch.rand(rows, 4, generator=generator, device=on)
        place = self._moved(u[:, :2], generator, first)
        count = torch.floor(u[:, 3:4] * self.slots)
        if first is None:
            use_fixed = u[:, 2:3] < self.fixed
        else:
            use_fixed = (torch.arange(rows, device=on) >= len(first))[:, None]
            count[: len(first)].clamp_min_(1)
        if self.target:
            told = use_fixed & (u[:, 2:3] < TOLD * (self.fixed if first is None else 1))
            count = torch.where(told, self.slots - self.target, count)
        place = torch.where(use_fixed, self.place, place)
        known = place < count
        unknown = ~known
        # A fine cell is only ever drawn when its coarse cell is known.
        unknown[:, self.child] &= known[:, self.parent]
        weight = unknown * (self.slots / unknown.sum(1, keepdim=True).clamp_min(1))
        # Half on the slot that comes next, half on all: the others are help, not what sampling asks for.
        return known, 0.5 * weight + 0.5 * self.slots * (place == count)

    def _moved(self, u: Tensor, generator: torch.Generator, first: Tensor | None) -> Tensor:
        """Places (B, S) with random sets of columns in front: mostly one to three, now and then any number."""
        rank = torch.rand(len(u), self.slots, generator=generator, device=u.device)
        if first is not None:
            rank[torch.arange(len(first), device=u.device), first] = -0.5
        few = torch.floor(-torch.log2(u[:, :1].clamp_min(1e-6))) + 1
        size = torch.where(u[:, 1:] < 0.8, few, torch.ceil(u[:, :1] * self.slots))
        rank[:, self.child] = 2.0  # a fine cell moves with its coarse cell
        front = rank.argsort(1).argsort(1) < size
        rank[:, self.child] = rank[:, self.parent] + 1e-4
        front[:, self.child] = front[:, self.parent]
        return torch.where(front, rank - 2, self.place).argsort(1).argsort(1).float()
