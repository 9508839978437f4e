"""Intervals hold the truth about as often as they say."""

import numpy as np
import pytest

from models.evaluation.intervals import compound_poisson, jackknife, largest, ratio_of_medians, wilson

ROUNDS = 400


def covered(hits: int) -> bool:
    """Whether an interval of 95% that held so often in ROUNDS is about right: not below 92%."""
    return hits >= 0.92 * ROUNDS


def test_wilson_holds_a_share_and_is_wide_enough_for_cells_of_the_same_rows() -> None:
    rng = np.random.default_rng(0)
    rows, share = 300, 0.02
    ends = [wilson(rng.binomial(rows, share) / rows, rows) for _ in range(ROUNDS)]
    assert covered(sum(low <= share <= high for low, high in ends))
    whole_rows = (rng.random((ROUNDS, rows, 1)) < share).repeat(4, axis=2).mean(axis=(1, 2))
    assert covered(sum(low <= share <= high for low, high in (wilson(s, rows) for s in whole_rows)))
    assert wilson(0.0, 100) == (0.0, pytest.approx(0.037, abs=0.001))
    assert wilson(1.0, 100)[1] == 1.0


def test_compound_poisson_holds_a_sum_of_rare_events_of_any_size() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(ROUNDS):
        sizes = rng.choice([1.0, 2.0, 5.0], rng.poisson(12), p=[0.6, 0.3, 0.1])
        low, high = compound_poisson(sizes)
        hits += low <= 12 * 1.7 <= high
    assert covered(hits)
    assert compound_poisson(np.zeros(0)) == (0.0, pytest.approx(3.689, abs=0.001))


def test_the_largest_of_many_means_is_held_however_many_there_are() -> None:
    rng = np.random.default_rng(2)
    for means in (np.zeros(30), np.r_[np.zeros(20), 4.0], np.full(5, 2.0)):
        ends = [largest(means + rng.standard_normal(len(means))) for _ in range(ROUNDS)]
        assert covered(sum(low <= np.abs(means).max() <= high for low, high in ends))


def test_the_ratio_of_medians_is_held() -> None:
    rng = np.random.default_rng(3)
    truth = 1.25
    hits = 0
    for _ in range(200):
        low, high = ratio_of_medians(truth * rng.exponential(1, 300), rng.exponential(1, 200), rng)
        hits += low <= truth <= high
    assert hits >= 0.91 * 200
    assert np.isnan(ratio_of_medians(np.ones(9), np.zeros(9), rng)).all()


def test_the_jackknife_holds_a_mean() -> None:
    rng = np.random.default_rng(4)
    groups = np.arange(500) % 10
    hits = 0
    for _ in range(ROUNDS):
        x = (rng.random(500) < 0.3).astype(float)
        low, high = jackknife(float(x.mean()), np.array([x[groups != g].mean() for g in range(10)]), 500)
        hits += low <= 0.3 <= high
    assert jackknife(0.0, np.zeros(10), 500) == (0.0, pytest.approx(3.69 / 500, rel=0.01))
    assert hits >= 0.89 * ROUNDS  # ten groups: Student's t with nine degrees of freedom would be .95
