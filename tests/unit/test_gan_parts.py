"""Losses, masks, strata and plans of the generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.encoding.encoding import Layout
from models.errors import InvalidInput
from models.gan.draws import BLOCK, GROUP, Draws, strata
from models.gan.losses import Blocks, surprise
from models.gan.masks import Masks
from models.gan.plan import make_plan, precision, resolution, threads
from models.options import FitOptions

LAYOUT = Layout((3, 4, 2), (-1, 0, -1), (None, np.array([4, 1, 2]), None))
CPU = torch.device("cpu")


@pytest.mark.parametrize("loop", [False, True])
def test_surprise_and_its_gradient_are_those_of_torch(loop: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 9, generator=generator) * 5
    target = torch.stack([torch.randint(k, (7,), generator=generator) for k in LAYOUT.sizes], 1)
    weight = torch.rand(7, 3, generator=generator)
    offsets = torch.from_numpy(LAYOUT.offsets[:-1])
    blocks = Blocks(LAYOUT, CPU)
    if loop:  # as for very wide tables
        blocks.sum_by = None
    loss, toward = surprise(logits.clone(), target + offsets, weight, blocks)
    theirs = logits.clone().requires_grad_()
    parts = [
        torch.nn.functional.cross_entropy(theirs[:, a:b], target[:, s], reduction="none")
        for s, (a, b) in enumerate(zip(LAYOUT.offsets[:-1], LAYOUT.offsets[1:], strict=True))
    ]
    wanted = (torch.stack(parts, 1) * weight).sum()
    wanted.backward()
    torch.testing.assert_close(loss, wanted.detach())
    torch.testing.assert_close(toward, theirs.grad)


def test_a_fine_cell_is_never_known_or_asked_for_without_its_coarse_cell() -> None:
    masks = Masks(LAYOUT, torch.tensor([0, 1, 2]), CPU, fixed=0.3)
    known, weight = masks.draw(5_000, torch.Generator().manual_seed(0))
    assert not (known[:, 1] & ~known[:, 0]).any()
    assert not ((weight[:, 1] > 0) & ~known[:, 0]).any()
    assert (weight[known] == 0).all()
    assert weight.sum(0).min() > 0


def test_uniforms_fill_every_stratum_once_in_any_run_of_rows() -> None:
    u = strata(3, 0, 3)
    assert u.shape == (BLOCK, 3)
    for column in range(3):
        for rows in u[:, column].reshape(-1, GROUP)[:5]:
            assert sorted((rows.astype(np.float64) * GROUP).astype(int)) == list(range(GROUP))
    assert abs(np.corrcoef(u[:, 0], u[:, 1])[0, 1]) < 0.05
    assert u.max() < 1


def test_as_many_cells_are_missing_as_their_probabilities_sum_to() -> None:
    layout = Layout((4, 2), (-1, -1), (None, None), (1, 0))
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(BLOCK, 4, generator=generator) ** 4 + 1e-3
    p[:50, 3], p[50:90, :3] = 0, 0
    share = p[:, 3] / p.sum(1)
    cells = Draws.of(5, 0, layout, CPU)(p, 0)
    assert not (cells[:50] == 3).any()
    assert (cells[50:90] == 3).all()
    for rows in (cells == 3).double().view(-1, GROUP).sum(1) - share.double().view(-1, GROUP).sum(1):
        assert abs(rows) < 1
    part = Draws.of(5, 0, layout, CPU).part(2 * GROUP, 4 * GROUP)
    assert (part(p[2 * GROUP : 4 * GROUP], 0) == cells[2 * GROUP : 4 * GROUP]).all()


def test_a_group_of_rows_is_tilted_to_the_share_of_missing_cells_that_it_should_have() -> None:
    layout = Layout((2,), (-1,), (None,), (1,))
    generator = torch.Generator().manual_seed(2)
    share = torch.sigmoid(3 * torch.randn(BLOCK, generator=generator))
    share[::5], share[1::5] = 0, 1
    p = torch.stack([1 - share, share], 1)
    goal = float(share.mean()) + 0.01
    cells = Draws.of(5, 0, layout, CPU, [goal])(p, 0)
    assert (cells.double().view(-1, GROUP).sum(1) - goal * GROUP).abs().max() <= 1.01
    assert not cells[::5].any()
    assert cells[1::5].all()


def test_every_row_keeps_its_own_probabilities() -> None:
    layout = Layout((3,), (-1,), (None,), (1,))
    p = torch.rand(GROUP, 3, generator=torch.Generator().manual_seed(1))
    p /= p.sum(1, keepdim=True)
    seen, times = torch.zeros(GROUP, 3), 600
    for seed in range(times):
        draws = Draws.of(seed, 0, layout, CPU).part(0, GROUP)
        seen[torch.arange(GROUP), draws(p, 0)] += 1
    chi = ((seen - times * p) ** 2 / (times * p * (1 - p))).mean()
    assert 0.85 < chi < 1.15


@pytest.mark.parametrize("rows", [12, 100, 900, 30_000, 600_000])
def test_plans_fit_the_table(rows: int) -> None:
    plan = make_plan(rows, LAYOUT, FitOptions())
    assert 2 <= plan.batch <= max(rows, 16)
    found = resolution(rows, 20, FitOptions(coarse=9))
    assert found.coarse == 9
    assert found.direct >= 12


def test_tables_of_numbers_alone_get_a_narrower_network_unless_there_is_no_discriminator() -> None:
    numbers = Layout((32,) * 10 + (2,), (-1,) * 11, (None,) * 11, ordered=(32,) * 10 + (0,))
    mixed = Layout((32,) * 8 + (2,) * 3, (-1,) * 11, (None,) * 11, ordered=(32,) * 8 + (0,) * 3)
    assert [make_plan(rows, numbers, FitOptions()).hidden for rows in (6_000, 17_000, 36_000, 90_000)] == [
        192, 192, 448, 512,
    ]  # fmt: skip
    assert make_plan(17_000, numbers, FitOptions(adversarial="never")).hidden == 512
    wide = Layout((32,) * 201, (-1,) * 201, (None,) * 201, ordered=(32,) * 201)
    assert make_plan(17_000, wide, FitOptions()).hidden == 512, "too many slots for a discriminator"
    assert make_plan(17_000, numbers, FitOptions(hidden=320)).hidden == 320
    assert make_plan(17_000, mixed, FitOptions()).hidden == 512


def test_options_are_checked_and_named() -> None:
    for raw in (
        {"steps": 0},
        {"seed": 1.5},
        {"holdout": 0.9},
        {"device": "tpu"},
        {"colour": 1},
        {"dropout": True},
        [1],
    ):
        with pytest.raises(InvalidInput):
            FitOptions.from_json(raw)
    options = FitOptions.from_json({"seed": 4, "max_time": 9.5})
    assert FitOptions.from_json(options.to_json()) == options


def test_threads_are_as_asked_and_precision_is_known() -> None:
    assert threads(FitOptions(threads=3)) == 3
    assert threads(FitOptions()) >= 1
    assert precision(CPU) in (torch.float32, torch.bfloat16)
