"""What audits conclude from guesses: against published values, exact enumeration and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from models.accounting import analytic
from models.dp.audit.bounds import (
    blind_p,
    distance_p,
    epsilon_lower,
    epsilon_of,
    guesses_p,
    mu_lower,
    mu_of,
    one_run_lower,
    one_run_p,
    rate_bounds,
    sign_p,
)


def test_one_run_reproduces_the_values_printed_in_the_paper() -> None:
    """Steinke, Nasr and Jagielski 2023, appendix D and section 7 (the second is truncated there)."""
    assert one_run_lower(1000, 100, 75, 1e-4, 0.95) == pytest.approx(0.673, abs=5e-4)
    assert one_run_lower(100_000, 1510, 1439, 1e-5, 0.95) == pytest.approx(2.675, abs=1e-3)


def test_one_run_without_delta_is_binomial_and_delta_only_raises_it() -> None:
    chance = math.exp(1) / (1 + math.exp(1))
    assert one_run_p(1000, 100, 90, 1.0, 0.0) == pytest.approx(float(binom.sf(89, 100, chance)))
    assert one_run_p(1000, 100, 90, 1.0, 1e-9) > one_run_p(1000, 100, 90, 1.0, 0.0)
    assert one_run_p(1000, 100, 90, 1.0, 1e-2) <= 1.0
    assert one_run_lower(1000, 100, 50, 1e-9, 0.95) == 0.0


@pytest.mark.parametrize("mu", [0.2, 1.5])
def test_guesses_of_a_gaussian_release_keep_their_level(mu: float) -> None:
    """Over all outcomes of the best guesser: the p-value is below .05 with chance .05 at most, and nearly so."""
    trials = 500
    chance = binom.pmf(np.arange(trials + 1), trials, norm.cdf(mu / 2))
    refused = np.array([guesses_p(c, trials, mu) < 0.05 for c in range(trials + 1)])
    above = np.array([mu_lower(c, trials, 0.95) > mu for c in range(trials + 1)])
    for bad in (refused, above):
        assert 0.02 < chance[bad].sum() <= 0.05


def test_what_is_blind_and_what_is_not() -> None:
    assert blind_p(250, 500, 1.5) < 1e-20
    assert blind_p(387, 500, 1.5) > 0.4


def test_bounds_of_a_rate_are_exact_at_the_ends() -> None:
    assert rate_bounds(0, 100, 0.05) == (0.0, pytest.approx(1 - 0.05 ** (1 / 100)))
    assert rate_bounds(100, 100, 0.05) == (pytest.approx(0.05 ** (1 / 100)), 1.0)


def test_the_bound_for_any_mechanism_holds_for_randomised_response() -> None:
    rng = np.random.default_rng(0)
    kept = math.exp(1) / (1 + math.exp(1))
    lower = [
        epsilon_lower(rng.binomial(3000, kept), 3000, rng.binomial(3000, 1 - kept), 3000, 0.0, 0.95) for _ in range(200)
    ]
    assert np.mean([x > 1 for x in lower]) < 0.05
    assert np.median(lower) > 0.85


def test_signs_and_distances() -> None:
    assert sign_p(50, 100) == 1.0
    assert sign_p(100, 100) == sign_p(0, 100) == pytest.approx(2 * 0.5**100)
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(300):
        a, b = np.sort(rng.normal(size=(2, 500)), axis=1)
        at = np.union1d(a, b)
        apart = np.abs(np.searchsorted(a, at, "right") - np.searchsorted(b, at, "right")).max() / 500
        ps.append(distance_p(float(apart), 500))
    assert np.mean(np.array(ps) < 0.1) <= 0.1
    with pytest.raises(ValueError, match="458"):
        distance_p(0.1, 100)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.2, 1e-9), (1.0, 1e-9), (10.0, 1e-12)])
def test_mu_and_epsilon_are_two_names_of_one_claim(epsilon: float, delta: float) -> None:
    mu = mu_of(epsilon, delta)
    assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    assert analytic.delta(mu, epsilon) <= delta
    assert epsilon_of(0.0, delta) == 0.0
