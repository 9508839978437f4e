"""The masked generator's training loss and its gradients, written out by hand.

Automatic differentiation makes a step several times as long on a processor: it keeps and copies every table in between,
and a batch is one piece of work to it. Here parts of a batch are independent, so that threads take one each, and what
they have in common (the weights of the cells, and the rounded ones) is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.gan.losses import Blocks, surprise
from models.gan.network import Generator

Grads = dict[str, Tensor]
"""Gradients by name of the parameter, but embed and head are those of the cells: (W + S, H) and (W, H)."""


@dataclass(frozen=True, eq=False)
class Given:
    """Weights as a step multiplies them. embed (W + S, H); head (W, H) and linear: of the type that is computed in."""

    embed: Tensor
    head: Tensor
    linear: list[tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class _Block:
    """What a block saw, all (B, H): its input and that normed, with mean and inverse deviation (B, 1); what its product
    took; what dropout multiplied by."""

    before: Tensor
    normed: Tensor
    mean: Tensor
    inverse: Tensor
    taken: Tensor
    keep: Tensor | None


class Gradients:
    """Of `model`, whose slots are those of `blocks`."""

    def __init__(self, model: Generator, blocks: Blocks) -> None:
        self.model, self.blocks = model, blocks
        self.drop = round(256 * model.dropout)
        """Of 256: what dropout leaves out is told by a random byte."""

    @torch.no_grad()
    def given(self) -> Given:
        """As the weights are now."""
        t, (embed, head) = self.model.compute, self.model.tables()
        linear = [(b.linear.weight.to(t), b.linear.bias.to(t)) for b in self.model.stack.blocks()]
        return Given(embed, head.to(t), linear)

    @torch.no_grad()
    def learn(
        self, given: Given, index: Tensor, target: Tensor, weight: Tensor, noise: torch.Generator | None
    ) -> tuple[Tensor, Grads]:
        """-> sum of the weighted surprises of these rows, and its gradients. noise: of the dropout; None for none.

        Shape: index (B, S) as the generator takes it, target (B, S) cell numbers 0..W-1, weight (B, S).
        """
        model, t, out = self.model, self.model.compute, {}
        h = F.embedding_bag(index, given.embed, mode="sum").add_(model.bias)
        blocks, trace = model.stack.blocks(), []
        for block, (w, b) in zip(blocks, given.linear, strict=True):
            norm = block.norm
            normed, mean, inverse = torch.native_layer_norm(h, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
            taken = F.silu(normed).to(t)
            step, keep = F.linear(taken, w, b).float(), self._keep(h, noise)
            trace.append(_Block(h, normed, mean, inverse, taken, keep))
            h = h + step if keep is None else torch.addcmul(h, step, keep)
        x = F.silu(h).to(t)
        logits = F.linear(x, given.head) + model.head_bias
        for tail in model.tails:
            tail.add(logits, index)
        loss, toward = surprise(logits, target, weight, self.blocks)
        out["head_bias"] = toward.sum(0)
        back = toward.to(t)
        out["head"] = back.T @ x
        dh = torch.ops.aten.silu_backward((back @ given.head).float(), h)
        for i in reversed(range(len(blocks))):
            norm, (w, _), was = blocks[i].norm, given.linear[i], trace[i]
            back = (dh if was.keep is None else dh * was.keep).to(t)
            out[f"stack.{i}.linear.weight"], out[f"stack.{i}.linear.bias"] = back.T @ was.taken, back.sum(0)
            below = torch.ops.aten.silu_backward((back @ w).float(), was.normed)
            shape, moments = norm.normalized_shape, (was.mean, was.inverse)
            below, out[f"stack.{i}.norm.weight"], out[f"stack.{i}.norm.bias"] = (
                torch.ops.aten.native_layer_norm_backward(
                    below, was.before, shape, *moments, norm.weight, norm.bias, [True, True, True]
                )
            )
            dh = below.add_(dh)
        out["bias"], out["embed"] = dh.sum(0), _by_cell(index, dh, len(given.embed))
        return loss, out

    @torch.no_grad()
    def put(self, parts: Sequence[Grads], into: Mapping[str, Tensor]) -> None:
        """The sum of the parts' gradients, `into` those of the parameters."""
        basis = self.model.basis
        for name, where in into.items():
            total = parts[0][name].to(where.dtype)
            for part in parts[1:]:
                total = total.add_(part[name])
            if basis is None or name not in ("embed", "head"):
                where.copy_(total)
                continue
            where[: basis.functions] = basis.gather(total[: self.model.width])
            if name == "embed":
                where[basis.functions :] = total[self.model.width :]

    def _keep(self, like: Tensor, noise: torch.Generator | None) -> Tensor | None:
        """0 where dropout leaves out, else what makes up for it: shape of `like`, whose size is a multiple of 8."""
        if noise is None or not self.drop:
            return None
        # Clamped between two neighbours rather than compared: several times as fast on a processor.
        words = torch.empty(-(-like.numel() // 8), dtype=torch.int64, device=like.device)
        bytes_ = words.random_(-(2**63), None, generator=noise).view(torch.uint8)[: like.numel()]
        keep = bytes_.clamp_(self.drop - 1, self.drop).sub_(self.drop - 1).to(like.dtype)
        return keep.mul_(256 / (256 - self.drop)).view_as(like)


def _by_cell(index: Tensor, rows: Tensor, cells: int) -> Tensor:
    """Sums (cells, H) of the rows (B, H) that have the cell among their index (B, S)."""
    flat = index.flatten()
    counts = torch.bincount(flat, minlength=cells)
    order = flat.argsort(stable=True).div_(index.shape[1], rounding_mode="floor")
    return F.embedding_bag(order, rows, counts.cumsum(0).sub_(counts), mode="sum")
