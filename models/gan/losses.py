"""Cross-entropy of every slot in one pass over the logits."""

from __future__ import annotations

from typing import Any

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


class _CrossEntropy(torch.autograd.Function):
    """Fused: the backward pass reuses the exponentials, and no slice of the logits is ever copied."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, blocks: Blocks) -> Tensor:
        shift = logits.amax(1, keepdim=True)
        e = (logits - shift).exp_()
        sums = blocks.sums(e).clamp_min_(1e-30)
        ctx.save_for_backward(e, sums, target)
        ctx.blocks = blocks
        return sums.log() + shift - logits.gather(1, target)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        e, sums, target = ctx.saved_tensors
        grad = e * (grads[0] / sums).index_select(1, ctx.blocks.slot_of)
        grad.scatter_add_(1, target, -grads[0])
        return grad, None, None


def cross_entropy(logits: Tensor, target: Tensor, blocks: Blocks) -> Tensor:
    """-log p of the target cell of every slot.

    Shape: logits (B, W), target (B, S) cell numbers 0..W-1 -> (B, S).
    """
    out: Tensor = _CrossEntropy.apply(logits, target, blocks)  # type: ignore[no-untyped-call]
    return out
