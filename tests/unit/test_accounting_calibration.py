"""Calibration: what comes out fits, and a little less noise does not."""

import pytest

from models.accounting import (
    History,
    calibrate,
    discrete_gaussian,
    epsilon,
    fits,
    gaussian,
    largest_epsilon,
    pure,
    sampled_gaussian,
)
from models.errors import InvalidInput


def one_release(scale: float) -> History:
    return (gaussian(scale),)


@pytest.mark.parametrize("delta", [1e-5, 1e-9])
@pytest.mark.parametrize("budget", [0.01, 0.2, 1.0, 10.0, 50.0])
def test_one_gaussian(budget: float, delta: float) -> None:
    scale = calibrate(one_release, budget, delta)
    assert fits(one_release(scale), budget, delta)
    assert not fits(one_release(0.995 * scale), budget, delta)


def test_known_value() -> None:
    # Balle and Wang's algorithm 1 for epsilon 1, delta 1e-5, as many libraries have it.
    assert calibrate(one_release, 1.0, 1e-5) == pytest.approx(3.730631634, rel=2e-4)


def test_spent_counts() -> None:
    scale = calibrate(one_release, 1.0, 1e-9, spent=(gaussian(10.0),))
    assert fits((gaussian(10.0), gaussian(scale)), 1.0, 1e-9)
    assert scale > 1.1 * calibrate(one_release, 1.0, 1e-9)


def test_fixed_costs_beyond_the_budget_are_refused() -> None:
    with pytest.raises(InvalidInput, match="No amount of noise"):
        calibrate(lambda scale: (pure(2.0), gaussian(scale)), 1.0, 1e-9)


def test_scales_beyond_what_an_event_may_have_are_passed_over() -> None:
    def build(scale: float) -> History:
        return (discrete_gaussian(100 * scale, 1),)

    assert calibrate(build, 60.0, 1e-9) == pytest.approx(0.0025, rel=1e-3)  # sigma .25, the least there is
    with pytest.raises(InvalidInput, match="No amount of noise"):
        calibrate(build, 1e-6, 1e-9)
    with pytest.raises(InvalidInput, match="'q'"):
        calibrate(lambda scale: (sampled_gaussian(2.0, scale, 1),), 1.0, 1e-9)


def test_largest_epsilon_fits_and_more_does_not() -> None:
    spent = (gaussian(10.0),)
    left = largest_epsilon(spent, 1.0, 1e-9)
    assert 0.5 < left < 1.0
    assert fits((*spent, *one_release(calibrate(one_release, left, 1e-9))), 1.0, 1e-9)
    assert not fits((*spent, *one_release(calibrate(one_release, 1.005 * left, 1e-9))), 1.0, 1e-9)


def test_largest_epsilon_of_nothing_spent_and_of_all_spent() -> None:
    assert largest_epsilon((), 1.0, 1e-9) == pytest.approx(1.0, rel=1e-3)
    assert largest_epsilon((gaussian(5.0),), 1.0, 1e-9) == 0.0
    assert epsilon((gaussian(5.0),), 1e-9) > 1.0
