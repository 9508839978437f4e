"""What chance makes of a distance, against simulation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.evaluation.bars import distance_quantile
from models.evaluation.marginals import correlations
from models.evaluation.nulls import correlation_moments, kolmogorov_moments, share_moments, variation_moments

CASES = {
    "one share": (np.array([0.5, 0.5]), 1000, 1000),
    "a rare label": (np.array([0.99, 0.01]), 1000, 500),
    "a tail": (1 / np.arange(1, 401) ** 1.2, 2000, 2000),
    "singles": (np.ones(5000), 500, 500),
}


@pytest.mark.parametrize("case", CASES)
def test_total_variation_is_as_often_beyond_its_bar_as_said(case: str) -> None:
    shares, a, b = CASES[case]
    shares = shares / shares.sum()
    rng = np.random.default_rng(0)
    first, second = (rng.multinomial(n, shares, 1_000).astype(float) for n in (a, b))
    drawn = 0.5 * np.abs(first / a - second / b).sum(axis=1)
    usual = np.array([variation_moments(x, y) for x, y in zip(first[:100], second[:100], strict=True)])
    assert usual[:, 0].mean() == pytest.approx(drawn.mean(), rel=0.03)
    bars = [distance_quantile(*variation_moments(x, y), 0.02) for x, y in zip(first, second, strict=True)]
    assert 0.008 <= np.mean(drawn > np.array(bars)) < 0.04


def test_nothing_to_compare_reads_nothing() -> None:
    none: npt.NDArray[np.float64] = np.zeros(3)
    assert variation_moments(none, np.ones(3)) == (0.0, 0.0)
    assert kolmogorov_moments(0, 5) == (0.0, 0.0)
    assert share_moments(0.0, 10, 10) == (0.0, 0.0)
    assert variation_moments(np.array([7.0]), np.array([9.0])) == (0.0, 0.0)


def test_correlations_of_heavy_tails_vary_more_than_those_of_normal_columns() -> None:
    rng = np.random.default_rng(1)
    n = 800
    for heavy in (0.0, 1.0):
        beyond, off = 0, []
        for _ in range(400):
            pay = np.exp(heavy * rng.normal(size=2 * n)) if heavy else rng.normal(size=2 * n)
            other = rng.normal(size=2 * n) + 0.3 * pay
            r = [correlations(np.stack([pay[i], other[i]], axis=1))[0, 1] for i in (slice(0, n), slice(n, 2 * n))]
            mean, deviation = correlation_moments(pay, other, n, n)
            off.append(abs(r[0] - r[1]) / 2 / mean)
            beyond += abs(r[0] - r[1]) / 2 > distance_quantile(mean, deviation, 0.001)
        assert (0.3 if heavy else 0.85) < np.mean(off) < 1.1, heavy
        assert beyond <= 3, heavy
