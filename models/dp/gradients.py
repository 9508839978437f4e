"""Sums of clipped gradients of the masked likelihood, one gradient for each unit, without making any of them.

A unit is a record seen under K masks (or the records of one unit, each under some): K rows of the network. Its
gradient is the sum over the K rows, is clipped once, and added to those of the others. In a product layer, row k has
the gradient b_k a_k', a its input and b the gradient of its output, so that

    |sum_k b_k a_k'|^2 = sum_{k, l} (a_k . a_l) (b_k . b_l)

(Goodfellow 2015, "Efficient per-example gradient computations", for K = 1; Lee and Kifer 2021, "Scaling up
differentially private deep learning with fast per-example gradient clipping"; Li et al. 2022, "Large language models
can be strong differentially private learners", section 4, "ghost clipping"). All norms come from what one pass back
holds anyway, and the sum of clipped gradients is one more product of it, with b_k scaled (Bu et al. 2023,
"Differentially private optimization on large model at small cost", "book-keeping"). Nothing is approximated: tests
compare with Opacus and with automatic differentiation.

What rounding does. Norms are sums of products in float32, which may cancel. `SLACK` of the sum of their sizes is added
to each, so that the norm that is clipped by is no less than the true one. A unit whose norm is not finite counts as
zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from models.gan.flat import split
from models.gan.gradients import _by_cell
from models.gan.losses import Blocks, surprise
from models.gan.network import Generator

SLACK = 2e-6
WIDEST = 4_096
"""Cells up to which a basis is kept: the inner products of all its rows are a table."""


class Layer(Protocol):
    """Gradients of one parameter by N units of K rows each."""

    def squares(self) -> Tensor:
        """Squared norm of each unit's gradient (N,), or a little more."""

    def total(self, scale: Tensor) -> Tensor:
        """Sum of the units' gradients times scale (N,), in the parameter's shape."""


@dataclass(frozen=True, eq=False)
class Product:
    """A weight (O, I): taken (N, K, I) is what its product took, back (N, K, O) the gradient of what it gave."""

    taken: Tensor
    back: Tensor

    def squares(self) -> Tensor:
        return _bounded(_inner(self.taken) * _inner(self.back))

    def total(self, scale: Tensor) -> Tensor:
        return (self.back * scale[:, None, None]).flatten(0, 1).T @ self.taken.flatten(0, 1)


@dataclass(frozen=True, eq=False)
class Plain:
    """A vector (P,): each unit's gradient (N, P) as it is."""

    rows: Tensor

    def squares(self) -> Tensor:
        return self.rows.square().sum(1) * (1 + SLACK)

    def total(self, scale: Tensor) -> Tensor:
        return scale @ self.rows


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows that an index picks and sums: index (N, K, S), back (N, K, H) the gradient of the sum. alike (cells, cells):
    inner products of what two cells are made of; None where each stands for itself. cells: how many there are."""

    index: Tensor
    back: Tensor
    alike: Tensor | None
    cells: int

    def squares(self) -> Tensor:
        one, other = self.index[:, :, None], self.index[:, None]
        same = (one == other).float() if self.alike is None else self.alike[one, other]
        return _bounded(same.sum(3) * _inner(self.back))

    def total(self, scale: Tensor) -> Tensor:
        return _by_cell(self.index.flatten(0, 1), (self.back * scale[:, None, None]).flatten(0, 1), self.cells)


class UnitGradients:
    """Of `model`, by the parameters `trained` (all of them, left out). Without dropout, in float32."""

    def __init__(self, model: Generator, blocks: Blocks, trained: Sequence[str] | None = None) -> None:
        if model.compute != torch.float32:
            raise ValueError("clipped gradients are made in float32")
        if model.basis is not None and model.width + model.slots > WIDEST:
            model.fold()
        self.model, self.blocks = model, blocks
        self.shapes = dict(model.named_parameters())
        self.trained = tuple(self.shapes) if trained is None else tuple(n for n in self.shapes if n in set(trained))
        self.basis: Tensor | None = None
        self.alike: Tensor | None = None
        if model.basis is not None:
            # (W, R): the cells in terms of the functions.
            self.basis = model.basis.expand(torch.eye(model.basis.functions, device=model.embed.device))
            self.alike = torch.eye(model.width + model.slots, device=model.embed.device)
            self.alike[: model.width, : model.width] = self.basis @ self.basis.T

    @torch.no_grad()
    def clipped(self, index: Tensor, target: Tensor, weight: Tensor, clip: float) -> Tensor:
        """Sum over units of min(1, clip / norm) times the gradient: (n,), all parameters, zero for what is not trained.

        Shape: index (N, K, S) as the generator takes it, target (N, K, S) cell numbers 0..W-1, weight (N, K, S): what
        a slot's surprise counts.
        """
        layers = self.layers(index, target, weight)
        scale = clip_factors(layers.values(), clip)
        if not (good := scale > 0).all():
            # Zero times infinity is no zero.
            layers, scale = self.layers(index[good], target[good], weight[good]), scale[good]
        flat = torch.zeros(sum(p.numel() for p in self.shapes.values()), device=index.device)
        for name, where in split(flat, self.shapes).items():
            if name in layers:
                where.copy_(self._in_functions(name, layers[name].total(scale)))
        return flat

    @torch.no_grad()
    def norms(self, index: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Norm of each unit's gradient (N,), or a little more. Confidential: for tests."""
        return torch.stack([layer.squares() for layer in self.layers(index, target, weight).values()]).sum(0).sqrt()

    def layers(self, index: Tensor, target: Tensor, weight: Tensor) -> dict[str, Layer]:
        """What the gradients of each trained parameter are made of. Shapes as in `clipped`."""
        model, (units, masks, _) = self.model, index.shape
        rows, wanted = index.flatten(0, 1), set(self.trained)
        embed, head = model.tables()
        h = F.embedding_bag(rows, embed, mode="sum") + model.bias
        blocks, trace = model.stack.blocks(), []
        for block in blocks:
            norm = block.norm
            normed, mean, inverse = torch.native_layer_norm(h, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
            taken = F.silu(normed)
            trace.append((h, normed, mean, inverse, taken))
            h = h + F.linear(taken, block.linear.weight, block.linear.bias)
        x = F.silu(h)
        logits = F.linear(x, head) + model.head_bias
        for tail in model.tails:
            tail.add(logits, rows)
        _, toward = surprise(logits, target.flatten(0, 1), weight.flatten(0, 1), self.blocks)

        def by_unit(flat: Tensor) -> Tensor:
            return flat.view(units, masks, flat.shape[1])

        out: dict[str, Layer] = {"head_bias": Plain(by_unit(toward).sum(1))}
        out["head"] = Product(by_unit(x), by_unit(toward if self.basis is None else toward @ self.basis))
        if wanted <= {"head", "head_bias"}:
            return {name: out[name] for name in self.trained}
        dh = torch.ops.aten.silu_backward(toward @ head, h)
        for i in reversed(range(len(blocks))):
            norm, linear = blocks[i].norm, blocks[i].linear
            before, normed, mean, inverse, taken = trace[i]
            out[f"stack.{i}.linear.weight"] = Product(by_unit(taken), by_unit(dh))
            out[f"stack.{i}.linear.bias"] = Plain(by_unit(dh).sum(1))
            below = torch.ops.aten.silu_backward(dh @ linear.weight, normed)
            out[f"stack.{i}.norm.weight"] = Plain(by_unit(below * ((before - mean) * inverse)).sum(1))
            out[f"stack.{i}.norm.bias"] = Plain(by_unit(below).sum(1))
            moments = (norm.normalized_shape, mean, inverse, norm.weight, norm.bias, [True, False, False])
            dh = dh + torch.ops.aten.native_layer_norm_backward(below, before, *moments)[0]
        out["bias"] = Plain(by_unit(dh).sum(1))
        out["embed"] = Cells(index, by_unit(dh), self.alike, len(embed))
        return {name: out[name] for name in self.trained}

    def _in_functions(self, name: str, total: Tensor) -> Tensor:
        basis = self.model.basis
        if basis is None or name != "embed":
            return total  # of the head: made of the functions already
        return torch.cat([basis.gather(total[: self.model.width]), total[self.model.width :]])


def clip_factors(layers: Iterable[Layer], clip: float) -> Tensor:
    """min(1, clip / norm) of each unit (N,), its norm taken over all layers; 0 where the norm is not finite."""
    norms = torch.stack([layer.squares() for layer in layers]).sum(0).sqrt()
    # A comparison with NaN is false: such a unit is left out too.
    return torch.where(norms < torch.inf, (clip / norms).clamp_max(1.0), 0.0)


def _inner(x: Tensor) -> Tensor:
    """(N, K, I) -> inner products of a unit's rows (N, K, K)."""
    return x @ x.transpose(1, 2)


def _bounded(terms: Tensor) -> Tensor:
    """Sums of (N, K, K), no less than they are without rounding: the sizes of all terms sum to at most K times the
    diagonal's."""
    own = torch.diagonal(terms, dim1=1, dim2=2).sum(1)
    return (terms.sum((1, 2)) + SLACK * terms.shape[1] * own).clamp_min(0.0)
