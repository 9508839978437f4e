"""Rows raked to the tables of a mixture: they come near them, as often as they weigh, under conditions too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.dp.raking import MOST, Goals, chosen, raked
from models.dp.sampling import under
from models.errors import InvalidCondition
from models.gan.sampler import Pin, Pins

Array = npt.NDArray[Any]
ROWS = 12_000


@pytest.fixture(scope="module")
def columns() -> list[Array]:
    """Of three columns in two latent rows, very different ones."""
    return [
        np.array([[0.9, 0.1], [0.2, 0.8]]),
        np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]),
        np.array([[0.8, 0.2], [0.3, 0.7]]),
    ]


def off(cells: Array, weights: Array, goals: Goals) -> float:
    """Mean total variation of all pairs and the triple."""
    sizes = [p.shape[1] for p in goals.columns]
    out = []
    for axes in [(0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        cell = np.ravel_multi_index([cells[:, c] for c in axes], [sizes[c] for c in axes])
        got = np.bincount(cell, weights, np.prod([sizes[c] for c in axes]))
        out.append(np.abs(got - goals.table(axes)).sum() / 2)
    return float(np.mean(out))


def test_tables_of_raked_rows_come_near_the_goals(columns: list[Array]) -> None:
    goals, rng = Goals(tuple(columns), np.full(2, 0.5), 2), np.random.default_rng(1)
    cells = np.stack([rng.choice(p.shape[1], ROWS, p=p.mean(0)) for p in columns], 1)
    weights = raked(cells, goals, rng)
    assert weights.sum() == pytest.approx(1)
    assert weights.max() <= MOST / ROWS * 1.2
    assert off(cells, np.full(ROWS, 1 / ROWS), goals) > 0.1
    assert off(cells, weights, goals) < 0.01
    picked = cells[chosen(weights, ROWS // 3, rng)]
    assert off(picked, np.full(len(picked), 1 / len(picked)), goals) < 0.02


def test_cells_without_a_candidate_do_no_harm(columns: list[Array]) -> None:
    goals, rng = Goals(tuple(columns), np.full(2, 0.5), None), np.random.default_rng(1)
    cells = np.stack([rng.choice(p.shape[1], ROWS, p=p.mean(0)) for p in columns], 1)
    cells = cells[~((cells[:, 0] == 1) & (cells[:, 1] == 2))]
    weights = raked(cells, goals, rng)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1)


def test_a_row_is_chosen_as_often_as_it_weighs_but_for_less_than_one() -> None:
    rng = np.random.default_rng(3)
    weights = rng.random(500) ** 3
    weights /= weights.sum()
    at = chosen(weights, 300, rng)
    times = np.bincount(at, minlength=500)
    assert len(at) == 300
    assert (np.abs(times - 300 * weights) < 1).all()
    assert (np.diff(at) < 0).any()  # in random order: any part of a block is a fair part


def test_goals_under_a_condition_are_the_mixtures_own(columns: list[Array]) -> None:
    pins = Pins(by_slot={1: Pin(1, -1, torch.tensor([[1.0], [0.0], [0.5]]))})
    found, weights = under(columns, pins)
    goals = Goals(tuple(found), weights, None)
    joint = sum(np.einsum("i,j,k->ijk", *(p[k] for p in columns)) for k in range(2))
    met = joint * np.array([1.0, 0.0, 0.5])[None, :, None]
    met /= met.sum()
    for axes, rest in (((0, 1), 2), ((0, 2), 1), ((1, 2), 0)):
        np.testing.assert_allclose(goals.table(axes), met.sum(rest).ravel(), atol=1e-12)


def test_no_goals_where_the_mixture_has_no_such_row(columns: list[Array]) -> None:
    with pytest.raises(InvalidCondition):
        under(columns, Pins(by_slot={1: Pin(1, -1, torch.zeros(3, 1))}))
