"""Cross-entropy of every slot, and its gradient, in one pass over the logits."""

from __future__ import annotations

import torch
from torch import Tensor

from models.encoding.encoding import Layout


class Blocks:
    """Where each slot's cells lie among the W logits, on one device."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.spans = [(int(a), int(b)) for a, b in zip(layout.offsets, layout.offsets[1:], strict=False)]
        sizes, slots = torch.tensor(layout.sizes), len(layout.sizes)
        self.slot_of = torch.repeat_interleave(torch.arange(slots), sizes).to(device)
        # Sums per slot by one product with a 0/1 matrix, unless that matrix is so large that a loop is cheaper.
        self.sum_by = (
            torch.nn.functional.one_hot(self.slot_of, slots).float()
            if slots * layout.width <= 100_000 or device.type == "cuda"
            else None
        )

    def sums(self, x: Tensor) -> Tensor:
        """(B, W) -> (B, S)."""
        if self.sum_by is not None:
            return x @ self.sum_by
        return torch.stack([x[:, a:b].sum(1) for a, b in self.spans], 1)

    def spread(self, x: Tensor) -> Tensor:
        """(B, S) -> (B, W): every cell has what its slot has."""
        return x @ self.sum_by.T if self.sum_by is not None else x.index_select(1, self.slot_of)


def surprise(logits: Tensor, target: Tensor, weight: Tensor, blocks: Blocks) -> tuple[Tensor, Tensor]:
    """-> sum of -log p of the target cell of every slot times its weight, and the gradient (B, W) of that.

    The logits are overwritten: the gradient is made of their exponentials, and no slice of them is ever copied.

    Shape: logits (B, W), target (B, S) cell numbers 0..W-1, weight (B, S).
    """
    shift = logits.amax(1, keepdim=True)
    picked = logits.gather(1, target)
    e = logits.sub_(shift).exp_()
    sums = blocks.sums(e).clamp_min_(1e-30)
    loss = ((sums.log() + shift - picked) * weight).sum()
    toward = e.mul_(blocks.spread(weight / sums))
    return loss, toward.scatter_add_(1, target, -weight)
