"""The gradients written by hand are those of automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.encoding import Layout
from models.gan.flat import Flat
from models.gan.gradients import Gradients
from models.gan.losses import Blocks
from models.gan.network import Generator
from models.gan.smooth import smooth_basis
from models.gan.tails import Tail

LAYOUT = Layout((3, 4, 8, 2), (-1, 0, -1, -1), (None, np.array([4, 1, 2]), None, None), (0, 0, 7, 0))
HIDDEN, ROWS = 16, 12


def generator(depth: int, *, basis: bool, dropout: float, tail: bool) -> Generator:
    tails = [Tail(1, LAYOUT, np.array([[3, 1, 1, 2], [1, 0, 0, 0], [2, 5, 0, 0]]))] if tail else []
    made = Generator(
        LAYOUT.width, 4, HIDDEN, depth, dropout, basis=smooth_basis(LAYOUT) if basis else None, tails=tails
    )
    random = torch.Generator().manual_seed(1)
    made.initialise(torch.rand(LAYOUT.width, generator=random), random)
    for parameter in made.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=random) * 0.3)
    return made


def batch() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(2)
    codes = torch.stack([torch.randint(k, (ROWS,), generator=random) for k in LAYOUT.sizes], 1)
    target = codes + torch.from_numpy(LAYOUT.offsets[:-1])
    known = torch.rand(ROWS, 4, generator=random) < 0.5
    index = torch.where(known, target, torch.arange(4) + LAYOUT.width)
    return index, target, torch.rand(ROWS, 4, generator=random)


def by_torch(model: Generator, index: Tensor, target: Tensor, weight: Tensor, keeps: list[Tensor | None]) -> Tensor:
    """The loss as automatic differentiation can follow it."""
    embed, head = model.tables()
    h = F.embedding_bag(index, embed, mode="sum") + model.bias
    for block, keep in zip(model.stack.blocks(), keeps, strict=True):
        step = F.linear(F.silu(block.norm(h)), block.linear.weight, block.linear.bias)
        h = h + (step if keep is None else step * keep)
    logits = F.linear(F.silu(h), head) + model.head_bias
    for tail in model.tails:
        logits = logits.clone()
        tail.add(logits, index)
    spans = zip(LAYOUT.offsets[:-1], LAYOUT.offsets[1:], strict=True)
    nats = [F.cross_entropy(logits[:, a:b], target[:, s] - a, reduction="none") for s, (a, b) in enumerate(spans)]
    return (torch.stack(nats, 1) * weight).sum()


@pytest.mark.parametrize("basis", [True, False])
@pytest.mark.parametrize(("depth", "dropout", "tail"), [(2, 0.3, True), (1, 0.0, False), (0, 0.1, True)])
def test_gradients_by_hand_are_those_of_torch(depth: int, dropout: float, tail: bool, basis: bool) -> None:
    model = generator(depth, basis=basis, dropout=dropout, tail=tail)
    ours = Gradients(model, Blocks(LAYOUT, torch.device("cpu")))
    index, target, weight = batch()
    same = torch.Generator().manual_seed(3)
    keeps = [ours._keep(torch.empty(ROWS, HIDDEN), same) for _ in range(depth)]
    loss, grads = ours.learn(ours.given(), index, target, weight, torch.Generator().manual_seed(3))
    wanted = by_torch(model, index, target, weight, keeps)
    theirs = dict(
        zip(dict(model.named_parameters()), torch.autograd.grad(wanted, list(model.parameters())), strict=True)
    )
    torch.testing.assert_close(loss, wanted.detach())
    flat = Flat(model)
    ours.put([grads], flat.grads)
    for name, gradient in theirs.items():
        torch.testing.assert_close(flat.grads[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    model = generator(2, basis=True, dropout=0.0, tail=False)
    ours = Gradients(model, Blocks(LAYOUT, torch.device("cpu")))
    whole = batch()
    given, flat = ours.given(), Flat(model)
    loss, grads = ours.learn(given, *whole, None)
    ours.put([grads], flat.grads)
    once = flat.gradient.clone()
    found = [ours.learn(given, *(x[at] for x in whole), None) for at in (slice(0, 5), slice(5, None))]
    ours.put([g for _, g in found], flat.grads)
    torch.testing.assert_close(flat.gradient, once)
    torch.testing.assert_close(sum(part for part, _ in found), loss)


def test_dropout_leaves_out_its_share_and_makes_up_for_it() -> None:
    model = generator(1, basis=False, dropout=0.1, tail=False)
    ours = Gradients(model, Blocks(LAYOUT, torch.device("cpu")))
    keep = ours._keep(torch.empty(1_001, 301), torch.Generator().manual_seed(0))
    assert keep is not None
    assert keep.shape == (1_001, 301)
    assert sorted(set(keep.flatten().tolist())) == [0.0, pytest.approx(256 / 230)]
    assert float((keep == 0).float().mean()) == pytest.approx(26 / 256, abs=0.003)
    assert abs(float(np.corrcoef(keep[:-1].flatten(), keep[1:].flatten())[0, 1])) < 0.01


def test_a_basis_and_its_transpose_are_adjoint() -> None:
    basis = smooth_basis(LAYOUT)
    random = torch.Generator().manual_seed(0)
    cells = torch.randn(LAYOUT.width, 3, generator=random)
    functions = torch.randn(basis.functions, 3, generator=random)
    torch.testing.assert_close((basis.expand(functions) * cells).sum(), (functions * basis.gather(cells)).sum())
