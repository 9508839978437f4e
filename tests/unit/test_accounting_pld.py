"""Privacy loss distributions against closed forms: never below the truth, and hardly above it."""

import itertools
import math
import time

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from models.accounting import (
    analytic,
    approximate,
    calibrate,
    delta,
    discrete_gaussian,
    epsilon,
    gaussian,
    pld,
    pure,
    sampled_gaussian,
)
from models.accounting.terms import Terms
from models.errors import InvalidInput

DELTAS = (1e-5, 1e-9)


def one_step(q: float, sigma: float, eps: float) -> float:
    """delta of one step of the sampled Gaussian, in closed form: the worse of removing and adding."""

    def masses(x: float) -> tuple[float, float]:
        none, one = float(ndtr(-x / sigma)), float(ndtr(-(x - 1) / sigma))
        return none, (1 - q) * none + q * one

    def output(loss: float) -> float:
        inside = (math.exp(loss) - (1 - q)) / q
        return sigma**2 * math.log(inside) + 0.5 if inside > 0 else -math.inf

    none, mixture = masses(output(eps))
    removing = mixture - math.exp(eps) * none
    none, mixture = masses(output(-eps))
    adding = (1 - none) - math.exp(eps) * (1 - mixture)
    return max(removing, adding)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("d", [1e-5, 1e-9, 1e-15])
def test_the_grid_is_just_above_the_exact_gaussian(sigma: float, d: float) -> None:
    exact = analytic.epsilon(1 / sigma, d)
    on_grid = Terms(1 / sigma, (), (), 0.0)
    assert 1 <= pld.epsilon(on_grid, d) / exact <= 1 + 2e-5
    assert 1 <= pld.delta(on_grid, exact) / d <= 1 + 1e-3


@pytest.mark.parametrize(("q", "sigma"), list(itertools.product([0.001, 0.05, 0.5, 0.99], [0.6, 2.0, 8.0])))
def test_one_sampled_step_is_just_above_the_closed_form(q: float, sigma: float) -> None:
    history = (sampled_gaussian(q, sigma, 1),)
    for eps in (0.01, 0.3, 1.0, 3.0):
        exact = one_step(q, sigma, eps)
        if exact > 1e-13:  # below, the closed form has lost its digits
            assert 1 - 1e-4 * (exact < 1e-11) <= delta(history, eps) / exact <= 1 + 5e-3


def test_randomised_responses_are_just_above_the_binomial() -> None:
    eps, count, d = 0.1, 40, 1e-6
    losses = eps * (2 * np.arange(count + 1) - count)
    mass = binom.pmf(np.arange(count + 1), count, 1 / (1 + math.exp(-eps)))

    def exact(goal: float) -> float:
        return float(np.sum(mass * np.maximum(0.0, -np.expm1(goal - losses))))

    found = epsilon((pure(eps),) * count, d)
    assert exact(found) <= d
    assert exact(found - 2e-3) > d


@pytest.mark.parametrize(("sigma", "counts"), [(0.5, 1), (1.0, 1), (1.0, 3), (5.0, 1), (5.0, 4)])
def test_discrete_gaussian_counts_are_just_above_the_sum_over_outputs(sigma: float, counts: int) -> None:
    n = np.arange(-200, 201)
    one = np.exp(-(n**2) / (2 * sigma**2))
    mass = np.array([1.0])
    for _ in range(counts):
        mass = np.convolve(mass, one / one.sum())
    noise = np.arange(len(mass)) - 200 * counts
    loss = (2 * noise + counts) / (2 * sigma**2)
    history = (discrete_gaussian(sigma, counts),)
    for eps in (0.06, 0.51, 2.1, 5.7):
        exact = float(np.sum(mass * np.maximum(0.0, -np.expm1(np.minimum(eps - loss, 0.0)))))
        if exact > 1e-13:
            assert 1 - 1e-4 * (exact < 1e-11) <= delta(history, eps) / exact <= 1 + 2e-2


def test_the_continuous_formula_is_too_good_for_a_discrete_count_and_fits_many() -> None:
    assert epsilon((discrete_gaussian(1.0, 1),), 1e-9) > 1.02 * epsilon((gaussian(1.0),), 1e-9)
    many = epsilon((discrete_gaussian(20.0, 78),), 1e-9)
    assert many == pytest.approx(epsilon((gaussian(20.0 / 78**0.5),), 1e-9), rel=1e-4)
    assert many < epsilon((discrete_gaussian(20.0, 78),), 1e-9, "rdp")
    apart = (discrete_gaussian(20.0, 38), discrete_gaussian(20.0, 40))
    assert epsilon(apart, 1e-9) == many


def test_pure_releases_cost_at_most_their_sum() -> None:
    assert epsilon((pure(0.2), pure(0.3)), 1e-9) <= 0.5
    assert delta((pure(0.2), pure(0.3)), 0.5) == 0.0


def test_approximate_releases_fail_with_their_delta() -> None:
    history = (approximate(0.1, 3e-10), approximate(0.1, 6e-10))
    assert delta(history, 5.0) == pytest.approx(9e-10, rel=1e-6)
    assert epsilon(history, 8.9e-10) == math.inf
    assert epsilon(history, 8.9e-10, "rdp") == math.inf
    assert epsilon(history, 1e-6) <= 0.2


def test_sampling_everybody_is_the_gaussian() -> None:
    assert epsilon((sampled_gaussian(1.0, 20.0, 4),), 1e-9) == epsilon((gaussian(20.0, steps=4),), 1e-9)
    nearly = epsilon((sampled_gaussian(1 - 1e-9, 20.0, 4),), 1e-9)
    assert nearly == pytest.approx(epsilon((gaussian(10.0),), 1e-9), rel=1e-4)


def test_gaussians_compose_exactly() -> None:
    assert epsilon((gaussian(3.0), gaussian(4.0)), 1e-9) == pytest.approx(epsilon((gaussian(2.4),), 1e-9), rel=1e-9)


def test_order_does_not_matter_to_the_last_bit() -> None:
    events = (gaussian(9.0), sampled_gaussian(0.02, 1.5, 70), pure(0.05), gaussian(7.0), sampled_gaussian(0.1, 4.0, 20))
    assert epsilon(events, 1e-9) == epsilon(events[::-1], 1e-9)


MIXED = (
    discrete_gaussian(60.0, 40),
    sampled_gaussian(0.05, 2.0, 200),
    gaussian(20.0),
    pure(0.05),
    approximate(0.02, 1e-11),
)


@pytest.mark.parametrize("history", [MIXED, MIXED[:1], MIXED[1:2], (sampled_gaussian(0.001, 0.6, 5_000),)])
@pytest.mark.parametrize("d", DELTAS)
@pytest.mark.parametrize("accountant", ["pld", "rdp"])
def test_epsilon_and_delta_are_inverse(history: tuple, d: float, accountant: str) -> None:
    assert delta(history, epsilon(history, d, accountant), accountant) == pytest.approx(d, rel=2e-3)


@pytest.mark.parametrize("d", DELTAS)
def test_the_whole_costs_more_than_its_parts_and_renyi_more_than_that(d: float) -> None:
    tight = epsilon(MIXED, d)
    assert all(tight > epsilon((event,), d) for event in MIXED[:4])
    assert tight < epsilon(MIXED, d, "rdp") < 1.3 * tight


@pytest.mark.parametrize(("q", "sigma"), [(0.001, 0.6), (0.01, 1.0), (0.2, 8.0)])
def test_more_steps_and_less_noise_cost_more(q: float, sigma: float) -> None:
    by_steps = [epsilon((sampled_gaussian(q, sigma, k),), 1e-9) for k in (1, 2, 10, 100, 101, 1_000, 5_000)]
    by_noise = [epsilon((sampled_gaussian(q, sigma * f, 100),), 1e-9) for f in (2, 1.1, 1.01, 1, 0.9)]
    by_rate = [epsilon((sampled_gaussian(q * f, sigma, 100),), 1e-9) for f in (0.5, 0.99, 1, 1.01, 1.5)]
    for found in (by_steps, by_noise, by_rate):
        assert all(a < b for a, b in itertools.pairwise(found)), found


def test_small_deltas_keep_their_digits() -> None:
    history = (sampled_gaussian(0.05, 2.0, 200), gaussian(10.0))
    found = [epsilon(history, d) for d in (1e-9, 1e-20, 1e-40, 1e-80)]
    assert all(a < b for a, b in itertools.pairwise(found))
    assert found[-1] < epsilon(history, 1e-80, "rdp") < 1.1 * found[-1]


def test_calibration_of_a_job_is_quick_and_on_the_safe_side() -> None:
    def build(scale: float) -> tuple:
        return (gaussian(10 * scale), sampled_gaussian(0.05, scale, 200))

    start = time.process_time()
    scale = calibrate(build, 1.0, 1e-9, spent=(gaussian(20.0),))
    assert time.process_time() - start < 5
    assert epsilon((gaussian(20.0), *build(scale)), 1e-9) <= 1.0
    assert epsilon((gaussian(20.0), *build(0.995 * scale)), 1e-9) > 1.0


def test_nothing_costs_nothing() -> None:
    assert epsilon((), 1e-9) == 0.0
    assert delta((), 0.0) == 0.0


@pytest.mark.parametrize("d", [0.0, 1.0, -1e-9, math.nan, True, None])
def test_bad_deltas_are_refused(d: float) -> None:
    with pytest.raises(InvalidInput, match="delta"):
        epsilon(MIXED, d)


@pytest.mark.parametrize("eps", [-0.1, math.inf, math.nan, "1"])
def test_bad_epsilons_are_refused(eps: float) -> None:
    with pytest.raises(InvalidInput, match="epsilon"):
        delta(MIXED, eps)


def test_unknown_accountants_are_refused() -> None:
    with pytest.raises(InvalidInput, match="pld, rdp"):
        epsilon(MIXED, 1e-9, "moments")


@pytest.mark.parametrize(
    "history",
    [
        (sampled_gaussian(0.5, 1e-3, 10**9),),
        (sampled_gaussian(1e-12, 1e-3, 10**9), gaussian(1e12)),
        (discrete_gaussian(1e5, 10**9), pure(1e6), approximate(1e-12, 1e-300)),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_absurd_parameters_are_bounded_too(history: tuple) -> None:
    found = epsilon(history, 1e-9)
    assert 0 <= found <= epsilon(history, 1e-9, "rdp")
    assert 0 <= delta(history, 1.0) <= 1
