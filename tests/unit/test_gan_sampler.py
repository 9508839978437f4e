"""Rows under conditions follow the plain drawing order, in which the generator knows them best."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from models.encoding.encoding import Layout
from models.gan.network import Generator
from models.gan.sampler import Pin, Pins, Sampler

LAYOUT = Layout((3, 4, 2), (-1, -1, -1), (None, None, None))
ROWS = 8_192


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    """Of a generator whose orders contradict each other, as those of any generator do, only more."""
    model = Generator(LAYOUT.width, 3, 16, 1)
    source = torch.Generator().manual_seed(3)
    model.initialise(torch.full((LAYOUT.width,), 0.3), source)
    with torch.no_grad():
        model.embed.copy_(torch.randn(model.embed.shape, generator=source))
        model.head.copy_(torch.randn(model.head.shape, generator=source) * 0.25)
    return Sampler(model, LAYOUT, (0, 1, 2))


def plain(sampler: Sampler, pins: Pins) -> np.ndarray:
    """Probability of every row (3, 4, 2) in the plain order, given the conditions, by enumeration."""
    rows = torch.tensor(list(product(*map(range, LAYOUT.sizes))))
    h, log = sampler.start.expand(len(rows), -1).clone(), torch.zeros(len(rows))
    for slot in range(3):
        p = sampler.probabilities(h, slot, None)
        if slot in pins.by_slot:
            p = p * pins.by_slot[slot].mass[:, 0]
        log += p.gather(1, rows[:, slot, None])[:, 0].log()
        h += sampler.entry[slot][rows[:, slot]]
    weight = log.exp().numpy().reshape(LAYOUT.sizes)
    return weight / weight.sum()


def distance(sampler: Sampler, pins: Pins) -> float:
    cells, _ = sampler.block(0, 0, ROWS, 5, 0, pins)
    counts = np.zeros(LAYOUT.sizes)
    np.add.at(counts, tuple(cells.T), 1)
    return float(np.abs(counts / ROWS - plain(sampler, pins)).sum() / 2)


def test_moved_columns_leave_the_distribution_of_the_plain_order(sampler: Sampler) -> None:
    single = Pin(2, -1, torch.tensor([[0.0], [1.0]]))
    several = Pin(1, -1, torch.tensor([[1.0], [0.0], [0.5], [1.0]]))
    moved = Pins((2, 1), {2: single, 1: several}, moved=True)
    corrected, proposed = distance(sampler, moved), distance(sampler, replace(moved, moved=False))
    assert proposed > 0.15
    assert corrected < 0.4 * proposed
    kept = Pins((0, 1, 2), moved.by_slot)
    assert distance(sampler, kept) < 0.03


def test_rows_under_conditions_are_the_same_in_any_piece(sampler: Sampler) -> None:
    pins = Pins((2,), {2: Pin(2, -1, torch.tensor([[0.0], [1.0]]))}, moved=True)
    whole, _ = sampler.block(3, 0, 1_000, 5, 0, pins)
    part, _ = sampler.block(3, 300, 700, 5, 0, pins)
    np.testing.assert_array_equal(whole[300:700], part)
