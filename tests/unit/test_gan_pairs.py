"""Impossible pairs: which are found, and that samples never hold one while their shares stay right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.encoding.encoding import Layout
from models.errors import InvalidArtifact
from models.gan.network import Generator
from models.gan.pairs import NO_PAIRS, PairMask, check_pairs, find_pairs
from models.gan.restrict import Pin, Pins
from models.gan.sampler import Sampler

LAYOUT = Layout((3, 4, 2, 5), (-1, -1, -1, 2), (None, None, None, np.array([5, 2])))


def codes(rows: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 3, rows), rng.integers(0, 4, rows), rng.integers(0, 2, rows)
    b[(a == 1) & (b == 2)] = 3
    d = np.where(c == 0, rng.integers(0, 5, rows), rng.integers(0, 2, rows))
    c[:] = np.where(a == 2, 1, c)  # 2 and 0 never meet
    return np.stack([a, b, c, d], 1).astype(np.uint8)


def test_frequent_cells_that_never_meet_are_found_and_no_others() -> None:
    # Slot 3 holds fine cells: what they mean depends on slot 2, so they take no part.
    assert find_pairs(codes(), LAYOUT).tolist() == [[1, 5], [2, 7]]
    assert find_pairs(codes(60), LAYOUT).tolist() == []  # too few rows to tell
    assert find_pairs(codes()[:0], LAYOUT).shape == (0, 2)


def test_missing_and_present_cells_count_together() -> None:
    # Slot 0: people of 0 to 4; slot 1: ten answers, each rare, and a code for none. Those of 0 never answer, and
    # those of 4 always do; no single answer would be expected of them often enough.
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, 1_500), rng.integers(0, 11, 1_500)
    b = np.where(a == 0, 10, np.where((a == 4) & (b == 10), rng.integers(0, 10, 1_500), b))
    table = np.stack([a, b], 1).astype(np.uint8)
    layout = Layout((5, 11), (-1, -1), (None, None), (0, 1))
    assert find_pairs(table, layout).tolist() == [[0, 5 + i] for i in range(10)] + [[4, 15]]
    assert find_pairs(table, Layout((5, 11), (-1, -1), (None, None))).tolist() == [[4, 15]]
    table[0] = (0, 3)  # one of them answers
    assert find_pairs(table, layout).tolist() == [[4, 15]]


def test_one_row_refutes_a_pair() -> None:
    found = codes()
    found[7, :2] = (1, 2)
    assert find_pairs(found, LAYOUT).tolist() == [[2, 7]]


def test_masks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.gan.pairs.MOST", 20)
    # The pair of slots 0 and 1 takes 2 x 12 entries, that of slots 0 and 2 takes 2 x 6; the first is expected less.
    assert find_pairs(codes(), LAYOUT).tolist() == [[2, 7]]


def test_the_mask_takes_out_what_goes_with_no_drawn_cell() -> None:
    mask = PairMask(np.array([[1, 5], [2, 7], [4, 7]]), LAYOUT, torch.device("cpu"))
    cells = torch.tensor([[1, 0, 0, 0], [2, 0, 0, 0], [0, 1, 0, 0]])
    allowed = mask.allowed(1, cells, [0])
    assert allowed is not None
    assert allowed.tolist() == [[True, True, False, True], [True] * 4, [True] * 4]
    both = mask.allowed(2, cells, [0, 1])
    assert both is not None
    assert both.tolist() == [[True, True], [False, True], [False, True]]
    assert mask.allowed(2, cells, []) is None
    assert mask.allowed(3, cells, [0, 1, 2]) is None


def test_no_row_is_left_without_a_cell() -> None:
    mask = PairMask(np.array([[0, 7], [0, 8], [1, 7]]), LAYOUT, torch.device("cpu"))
    p = torch.tensor([[0.25, 0.75], [0.25, 0.75], [0.5, 0.5]])
    out = mask.apply(p, 2, torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]]), [0])
    torch.testing.assert_close(out, torch.tensor([[0.25, 0.75], [0.0, 1.0], [0.5, 0.5]]))
    assert mask.unmasked == 1
    # Where a condition leaves impossible cells alone, it holds, and its mass is the one without the mask.
    within = torch.tensor([1.0, 0.0])
    out = mask.apply(p, 2, torch.tensor([[1, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]]), [0], within)
    torch.testing.assert_close(out, torch.tensor([[0.25, 0.0], [0.25, 0.0], [0.5, 0.0]]))


def drawn(pairs: np.ndarray, pins: Pins = Pins()) -> np.ndarray:
    model = Generator(LAYOUT.width, 4, 16, 1)
    model.initialise(torch.full((LAYOUT.width,), 0.3), torch.Generator().manual_seed(0))
    return Sampler(model, LAYOUT, (0, 1, 2, 3), pairs=pairs).block(0, 0, 4_096, 1, 0, pins)[0]


def test_samples_hold_no_impossible_pair() -> None:
    pairs = np.array([[1, 5], [2, 7]])
    free, masked = drawn(NO_PAIRS), drawn(pairs)
    for a, i, b, j in ((0, 1, 1, 2), (0, 2, 2, 0)):
        assert ((free[:, a] == i) & (free[:, b] == j)).sum() > 100
        assert ((masked[:, a] == i) & (masked[:, b] == j)).sum() == 0
    # Rows that the mask does not concern are drawn as before.
    same = (free[:, 0] == 0) & (masked[:, 0] == 0)
    assert same.sum() > 1_000
    np.testing.assert_array_equal(free[same], masked[same])


def test_pairs_are_masked_whichever_comes_first_and_conditions_hold() -> None:
    pairs = np.array([[1, 5], [2, 7]])
    later = Pin(2, -1, torch.tensor([[1.0], [0.0]]))
    earlier = Pin(1, -1, torch.tensor([[0.0], [0.0], [1.0], [0.0]]))
    cells = drawn(pairs, Pins((2, 1), {2: later, 1: earlier}))
    assert (cells[:, 2] == 0).all()
    assert (cells[:, 1] == 2).all()
    assert (cells[:, 0] == 0).all()  # 1 is impossible with the one, 2 with the other


def test_pairs_that_do_not_fit_are_refused() -> None:
    good = np.array([[1, 5]], np.int32)
    assert check_pairs(good, LAYOUT) is good
    for bad in ([[0, 14]], [[-1, 4]], [[0, 1]], [[0, 9]], [[0, 4, 7]], [0, 4], [[0.0, 4.0]]):
        with pytest.raises(InvalidArtifact):
            check_pairs(np.array(bad), LAYOUT)
