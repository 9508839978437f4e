"""Which slots of a training row are known, and what the others weigh in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from models.encoding.encoding import Layout


class Masks:
    """Known slots: prefixes of one order for part of the rows, of random orders for the rest.

    Random orders teach any conditional (Uria et al. 2014, "A deep and tractable density estimator"; Hoogeboom et al.
    2022, "Autoregressive diffusion models"); the fixed one is what unconditional rows are drawn in.
    """

    def __init__(self, layout: Layout, order: Tensor, device: torch.device, fixed: float) -> None:
        self.slots = len(layout.sizes)
        self.fixed = fixed
        self.place = torch.empty(self.slots, dtype=torch.float32, device=device)
        self.place[order.to(device)] = torch.arange(self.slots, dtype=torch.float32, device=device)
        parents = torch.tensor(layout.parents, device=device)
        self.child = torch.nonzero(parents >= 0)[:, 0]
        self.parent = parents[self.child]

    def draw(self, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> known (B, S) bool, weight (B, S): the weighted sum of a row is an unbiased estimate of -log p(row)."""
        on = self.place.device
        place = torch.rand(rows, self.slots, generator=generator, device=on)
        place[:, self.child] = torch.maximum(place[:, self.child], place[:, self.parent] + 1e-4)
        place = place.argsort(1).argsort(1).float()
        use_fixed = torch.rand(rows, 1, generator=generator, device=on) < self.fixed
        place = torch.where(use_fixed, self.place, place)
        count = torch.randint(self.slots, (rows, 1), generator=generator, device=on)
        known = place < count
        unknown = ~known
        # A fine cell is only ever drawn when its coarse cell is known.
        unknown[:, self.child] &= known[:, self.parent]
        weight = unknown * (self.slots / unknown.sum(1, keepdim=True).clamp_min(1))
        nxt = (place == count) * float(self.slots)
        return known, torch.where(use_fixed, 0.5 * weight + 0.5 * nxt, weight)
