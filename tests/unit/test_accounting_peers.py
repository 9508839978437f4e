"""The accountant against two others, written by other people: Google's dp-accounting and Opacus, to within 1%."""

import functools
import math
import warnings
from typing import Any

import dp_accounting
import pytest
from dp_accounting import rdp as peer_rdp
from dp_accounting.pld import common
from dp_accounting.pld import privacy_loss_distribution as loss
from opacus.accountants import PRVAccountant, RDPAccountant

from models.accounting import Event, History, approximate, epsilon, gaussian, pure, sampled_gaussian

GAUSSIAN = [(0.5, 1, 1e-5), (0.5, 1, 1e-9), (1.0, 3, 1e-9), (5.0, 1, 1e-9), (30.0, 1, 1e-5), (30.0, 20, 1e-9)]
SAMPLED = [
    (0.001, 0.6, 1, 1e-9),
    (0.001, 0.6, 5_000, 1e-5),
    (0.001, 0.6, 5_000, 1e-9),
    (0.001, 1.0, 1, 1e-9),
    (0.001, 2.0, 5_000, 1e-9),
    (0.001, 8.0, 5_000, 1e-5),
    (0.01, 1.0, 1_000, 1e-5),
    (0.01, 1.0, 1_000, 1e-9),
    (0.05, 6.6, 200, 1e-9),
    (0.05, 0.6, 500, 1e-9),
    (0.2, 0.6, 1, 1e-5),
    (0.2, 1.0, 50, 1e-5),
    (0.2, 8.0, 5_000, 1e-5),
    (0.2, 8.0, 5_000, 1e-9),
]
HISTORIES: list[tuple[History, float]] = [
    *(((gaussian(sigma, steps=steps),), d) for sigma, steps, d in GAUSSIAN),
    *(((sampled_gaussian(q, sigma, steps),), d) for q, sigma, steps, d in SAMPLED),
    ((gaussian(8.0), sampled_gaussian(0.05, 6.6, 200)), 1e-9),
    ((gaussian(8.0), sampled_gaussian(0.05, 6.6, 200), sampled_gaussian(0.01, 1.0, 100)), 1e-5),
]
RESPONSES: list[tuple[History, float]] = [
    ((pure(0.1),) * 30, 1e-5),
    ((gaussian(8.0), pure(0.1), pure(0.2)), 1e-9),
    ((gaussian(8.0), sampled_gaussian(0.05, 6.6, 200), pure(0.05), approximate(0.1, 1e-10)), 1e-9),
]


def peer_event(event: Event) -> dp_accounting.DpEvent:
    one = dp_accounting.GaussianDpEvent(event.sigma)
    one = one if event.q is None else dp_accounting.PoissonSampledDpEvent(event.q, one)
    return dp_accounting.SelfComposedDpEvent(one, event.steps)


def peer_loss(event: Event, grid: float) -> Any:
    if event.epsilon is not None:
        parameters = common.DifferentialPrivacyParameters(event.epsilon, event.delta or 0.0)
        return loss.from_privacy_parameters(parameters, value_discretization_interval=grid)
    q = event.q or 1.0
    one = loss.from_gaussian_mechanism(event.sigma, value_discretization_interval=grid, sampling_prob=q)
    return one.self_compose(event.steps)


@pytest.mark.parametrize(("history", "d"), HISTORIES + RESPONSES)
def test_losses_as_dp_accounting_has_them(history: History, d: float) -> None:
    ours = epsilon(history, d)
    steps = sum(event.steps or 1 for event in history)
    # Google's grid adds to epsilon as little as ours does only if it is this fine.
    grid = min(1e-3, ours / 1e3 / math.sqrt(1 + steps / 50))
    whole = functools.reduce(lambda a, b: a.compose(b), [peer_loss(event, grid) for event in history])
    assert ours == pytest.approx(whole.get_epsilon_for_delta(d), rel=2e-3)


@pytest.mark.parametrize(("history", "d"), HISTORIES)
def test_renyi_as_dp_accounting_has_it(history: History, d: float) -> None:
    peer = peer_rdp.RdpAccountant()
    for event in history:
        peer.compose(peer_event(event))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peer.get_epsilon(d)
    # Ours tries more orders, so that it may be lower, never higher.
    assert 0.9 * theirs <= epsilon(history, d, "rdp") <= 1.001 * theirs


@pytest.mark.parametrize(("history", "d"), HISTORIES)
def test_as_opacus_has_it(history: History, d: float) -> None:
    tight, renyi = PRVAccountant(), RDPAccountant()
    tight.history = renyi.history = [(event.sigma, event.q or 1.0, event.steps) for event in history]
    ours = epsilon(history, d)
    orders = [1 + k / 10 for k in range(1, 100)] + [*range(11, 64), *range(64, 1_025, 8)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert epsilon(history, d, "rdp") == pytest.approx(renyi.get_epsilon(d, alphas=orders), rel=0.01)
        if ours < 0.2:  # Opacus' grid would need many seconds
            return
        bound = tight.get_epsilon(d, eps_error=2e-3 * ours, delta_error=d / 1e3)
    assert ours == pytest.approx(float(bound), rel=0.01)


def test_failing_with_delta_leaves_that_much_less() -> None:
    with_failure = (gaussian(8.0), approximate(0.1, 4e-10))
    assert epsilon(with_failure, 1e-9) == pytest.approx(epsilon((gaussian(8.0), pure(0.1)), 6e-10), rel=1e-4)
