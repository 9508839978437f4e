"""Norms and sums of clipped gradients, against Opacus and automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from opacus import GradSampleModule
from torch import Tensor, nn

from models.dp.gradients import Plain, Product, UnitGradients, clip_factors
from models.encoding.encoding import Layout
from models.gan.flat import split
from models.gan.losses import Blocks
from models.gan.network import Generator
from models.gan.smooth import smooth_basis

LAYOUT = Layout((3, 8, 2), (-1, -1, -1), (None, None, None), (0, 0, 0), (0, 7, 0))
HIDDEN, UNITS, MASKS, SLOTS = 16, 9, 4, 3
CPU = torch.device("cpu")
Batch = tuple[Tensor, Tensor, Tensor]


def generator(*, basis: bool = False, scale: float = 0.3) -> Generator:
    made = Generator(LAYOUT.width, SLOTS, HIDDEN, 2, 0.0, basis=smooth_basis(LAYOUT) if basis else None)
    random = torch.Generator().manual_seed(1)
    made.initialise(torch.rand(LAYOUT.width, generator=random), random)
    for parameter in made.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=random) * scale)
    return made


def batch(masks: int = MASKS, *, rows: int = 1) -> Batch:
    """Units of `rows` different rows, each under so many masks."""
    random = torch.Generator().manual_seed(2)
    codes = torch.stack([torch.randint(k, (UNITS, rows), generator=random) for k in LAYOUT.sizes], 2)
    target = (codes + torch.from_numpy(LAYOUT.offsets[:-1])).repeat_interleave(masks, 1)
    known = torch.rand(target.shape, generator=random) < 0.5
    index = torch.where(known, target, torch.arange(SLOTS) + LAYOUT.width)
    return index, target, torch.rand(target.shape, generator=random)


def loss(model: Generator, index: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    logits = model(index)
    spans = zip(LAYOUT.offsets[:-1], LAYOUT.offsets[1:], strict=True)
    nats = [F.cross_entropy(logits[:, a:b], target[:, s] - a, reduction="none") for s, (a, b) in enumerate(spans)]
    return (torch.stack(nats, 1) * weight).sum()


def by_torch(model: Generator, given: Batch) -> Tensor:
    """Gradient of each unit by itself: (UNITS, parameters)."""
    out = []
    for unit in zip(*given, strict=True):
        grads = torch.autograd.grad(loss(model, *unit), list(model.parameters()))
        out.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(out)


@pytest.mark.parametrize("basis", [True, False])
@pytest.mark.parametrize(("masks", "rows"), [(1, 1), (MASKS, 1), (2, 3)])
def test_norms_and_clipped_sums_are_exact(masks: int, rows: int, basis: bool) -> None:
    model, given = generator(basis=basis), batch(masks, rows=rows)
    ours, wanted = UnitGradients(model, Blocks(LAYOUT, CPU)), by_torch(model, given)
    norms = wanted.norm(dim=1)
    torch.testing.assert_close(ours.norms(*given), norms, rtol=1e-4, atol=0)
    assert (ours.norms(*given) >= norms * (1 - 1e-6)).all()
    clip = float(norms.median())
    scaled = wanted * (clip / norms).clamp_max(1.0)[:, None]
    torch.testing.assert_close(ours.clipped(*given, clip), scaled.sum(0), rtol=1e-4, atol=1e-5)


class Peer(nn.Module):
    """The same network of layers that Opacus knows."""

    def __init__(self, model: Generator) -> None:
        super().__init__()
        self.embed = nn.Embedding(LAYOUT.width + SLOTS, HIDDEN)
        self.first = nn.Linear(SLOTS, HIDDEN)  # its bias is the one of the sum
        self.norms = nn.ModuleList(nn.LayerNorm(HIDDEN) for _ in range(2))
        self.linears = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN) for _ in range(2))
        self.head = nn.Linear(HIDDEN, LAYOUT.width)
        self.first.weight.requires_grad_(False)
        with torch.no_grad():
            self.first.weight.zero_()
            pairs = [(self.embed.weight, model.embed), (self.first.bias, model.bias)]
            pairs += [(self.head.weight, model.head), (self.head.bias, model.head_bias)]
            for norm, linear, block in zip(self.norms, self.linears, model.stack.blocks(), strict=True):
                pairs += [(norm.weight, block.norm.weight), (norm.bias, block.norm.bias)]
                pairs += [(linear.weight, block.linear.weight), (linear.bias, block.linear.bias)]
            for mine, theirs in pairs:
                mine.copy_(theirs)

    def forward(self, index: Tensor) -> Tensor:
        h = self.embed(index).sum(2) + self.first(torch.zeros(*index.shape))
        for norm, linear in zip(self.norms, self.linears, strict=True):
            h = h + linear(F.silu(norm(h)))
        out: Tensor = self.head(F.silu(h))
        return out


def test_norms_and_clipped_sums_are_those_of_opacus() -> None:
    model, given = generator(), batch()
    index, target, weight = given
    peer = GradSampleModule(Peer(model), loss_reduction="sum")
    logits = peer(index)
    spans = zip(LAYOUT.offsets[:-1], LAYOUT.offsets[1:], strict=True)
    nats = [
        F.cross_entropy(logits[:, :, a:b].transpose(1, 2), target[:, :, s] - a, reduction="none")
        for s, (a, b) in enumerate(spans)
    ]
    (torch.stack(nats, 2) * weight).sum().backward()
    samples = [p.grad_sample.flatten(1) for p in peer.parameters() if p.requires_grad]
    norms = torch.cat(samples, 1).norm(dim=1)
    ours = UnitGradients(model, Blocks(LAYOUT, CPU))
    torch.testing.assert_close(ours.norms(*given), norms, rtol=1e-5 * (1 + MASKS), atol=0)
    clip = float(norms.median())
    factors = (clip / norms).clamp_max(1.0)
    flat = ours.clipped(*given, clip)
    found = split(flat, dict(model.named_parameters()))
    theirs = {"embed": peer._module.embed.weight, "head": peer._module.head.weight, "bias": peer._module.first.bias}
    theirs |= {f"stack.{i}.norm.weight": n.weight for i, n in enumerate(peer._module.norms)}
    theirs |= {f"stack.{i}.linear.weight": n.weight for i, n in enumerate(peer._module.linears)}
    for name, parameter in theirs.items():
        wanted = torch.einsum("n,n...->...", factors, parameter.grad_sample)
        torch.testing.assert_close(found[name], wanted, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("scale", [0.3, 30.0, 1e6, 1e15])
def test_no_unit_counts_for_more_than_the_clip(scale: float) -> None:
    """Weights, and so gradients, as large as float32 holds and larger."""
    model = generator(basis=True, scale=scale)
    ours = UnitGradients(model, Blocks(LAYOUT, CPU))
    index, target, weight = batch()
    for unit in range(UNITS):
        one = slice(unit, unit + 1)
        alone = ours.clipped(index[one], target[one], weight[one] * scale, 0.5)
        assert float(alone.double().norm()) <= 0.5 * (1 + 1e-6)


@pytest.mark.parametrize("trained", [None, ("head", "head_bias"), ("stack.1.linear.bias", "head_bias")])
def test_adding_a_unit_changes_the_sum_by_at_most_the_clip(trained: tuple[str, ...] | None) -> None:
    model = generator(basis=True)
    ours = UnitGradients(model, Blocks(LAYOUT, CPU), trained)
    index, target, weight = batch()
    whole = ours.clipped(index, target, weight, 0.1)
    for unit in range(UNITS):
        kept = torch.arange(UNITS) != unit
        change = (whole - ours.clipped(index[kept], target[kept], weight[kept], 0.1)).double().norm()
        assert 0.099 < float(change) <= 0.1 * (1 + 1e-4)  # all of them are longer than the clip
    moved = split(whole, dict(model.named_parameters()))
    assert {name for name, part in moved.items() if part.any()} == set(trained or moved)


def test_masks_are_averaged_before_the_clip_not_after() -> None:
    """A unit under two masks of opposite gradients counts for their sum, which is zero."""
    layer = Product(torch.ones(1, 2, 3), torch.tensor([[[1.0, 2.0], [-1.0, -2.0]]]))
    assert float(layer.squares()) < 1e-3
    assert not layer.total(torch.ones(1)).any()


def test_a_unit_whose_norm_is_not_finite_counts_for_nothing() -> None:
    rows = torch.tensor([[1.0, 0.0], [torch.inf, 0.0], [torch.nan, 1.0], [0.0, 0.0]])
    assert clip_factors([Plain(rows)], 0.5).tolist() == [pytest.approx(0.5, rel=1e-4), 0.0, 0.0, 1.0]


def test_slack_makes_up_for_sums_that_cancel() -> None:
    """Rows that nearly cancel: the norm that is clipped by is never below the true one."""
    random = torch.Generator().manual_seed(0)
    taken = torch.randn(200, 1, 64, generator=random).expand(-1, 4, -1)
    back = torch.randn(200, 4, 32, generator=random) * 100
    back[:, 3] = -back[:, :3].sum(1) + 1e-3 * torch.randn(200, 32, generator=random)
    true = np.linalg.norm((back.double().transpose(1, 2) @ taken.double()).numpy(), axis=(1, 2))
    assert (Product(taken, back).squares().sqrt().double().numpy() >= true).all()
