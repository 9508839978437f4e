"""Rows that teach conditionals: rare values nearly as often as frequent ones, and the conditionals unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.encoding.encoding import Layout
from models.gan.masks import Masks
from models.gan.picking import Picker

CPU = torch.device("cpu")


def table(rows: int) -> torch.Tensor:
    """Slot 0: cell 2 in one row of a hundred; slot 1 follows it in nine rows of ten."""
    source = np.random.default_rng(0)
    first = np.where(source.random(rows) < 0.01, 2, source.integers(0, 2, rows))
    second = np.where(source.random(rows) < 0.9, first, source.integers(0, 3, rows))
    return torch.from_numpy(np.stack([first, second], 1).astype(np.uint8))


def test_rare_cells_are_picked_nearly_as_often_and_keep_their_conditionals() -> None:
    codes = table(20_000)
    picker = Picker(codes, [0, 1], [3, 3])
    rows, slots = picker.pick(20_000, torch.Generator().manual_seed(0))
    assert 0.48 < (slots == 0).double().mean() < 0.52
    picked = codes[rows[slots == 0]].long()
    shares = torch.bincount(picked[:, 0], minlength=3) / len(picked)
    counts = torch.bincount(codes[:, 0].long(), minlength=3)
    torch.testing.assert_close(
        shares.double(), counts.double().log1p() / counts.double().log1p().sum(), atol=0.02, rtol=0
    )
    for cell in range(3):
        real = (codes[codes[:, 0] == cell, 1] == cell).double().mean()
        assert abs((picked[picked[:, 0] == cell, 1] == cell).double().mean() - real) < 0.03


def test_long_tables_are_picked_from_evenly_spaced_rows() -> None:
    codes = torch.zeros(300_000, 1, dtype=torch.uint8)
    rows, _ = Picker(codes, [0], [2]).pick(1_000, torch.Generator().manual_seed(0))
    assert (rows % 3 == 0).all()
    assert 290_000 < rows.max() < 300_000


def test_the_slot_that_a_row_was_picked_by_is_always_known() -> None:
    layout = Layout((3, 4, 2), (-1, 0, -1), (None, np.array([4, 1, 2]), None))
    masks = Masks(layout, torch.arange(3), CPU, fixed=0.5)
    first = torch.tensor([0, 2] * 500)
    known, weight = masks.draw(2_000, torch.Generator().manual_seed(0), first)
    assert known[torch.arange(1_000), first].all()
    assert (weight[torch.arange(1_000), first] == 0).all()
    assert not known[1_000:].all(1).any()
    # The other half keeps the plain order: a slot is known only with those before it.
    plain = known[1_000:].int()
    assert (plain[:, 1:] <= plain[:, :-1]).all()


@pytest.mark.parametrize("picked", [True, False])
def test_a_target_is_taught_given_all_else(picked: bool) -> None:
    layout = Layout((3, 2, 4, 4), (-1, -1, -1, 2), (None, None, None, np.full(4, 4)))
    first = torch.zeros(3_000, dtype=torch.int64) if picked else None

    def known(target: int) -> Tensor:
        masks = Masks(layout, torch.arange(4), CPU, fixed=0.5, target=target)
        return masks.draw(6_000, torch.Generator().manual_seed(0), first)[0]

    before, told = known(0), known(2)
    other = (before != told).any(1)
    assert (told[other] == torch.tensor([True, True, False, False])).all()
    # A tenth of the plain half, of which a quarter knew just this already.
    assert 0.027 < other.float().mean() < 0.048
    if picked:
        assert not other[:3_000].any()
