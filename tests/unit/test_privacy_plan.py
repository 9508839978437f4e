"""From a budget to releases: composed to epsilon and hardly less, whatever the shares; refusals say what to do."""

from typing import Any

import pytest

from models.accounting import compose, epsilon, gaussian, pure
from models.dp.pairs import choose
from models.dp.release import deviations, events, noise_for, release_for
from models.errors import InvalidInput, InvalidPrivacy
from models.options import FitOptions
from models.privacy.options import PrivacyOptions, Shares
from models.privacy.plan import TABLES, plan
from models.schema import Column, Kind, Schema

SCHEMA = Schema((Column("sex", Kind.CATEGORICAL, categories=("f", "m")),))


@pytest.fixture(autouse=True)
def domain(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A domain that costs all that it is given; or nothing, where it is given nothing."""
    from models.privacy import domain as module

    asked: list[float] = []

    def discovery(schema: Schema, epsilon: float, delta: float, **_: Any) -> tuple[Any, ...]:
        asked.append(epsilon)
        return (pure(epsilon),)

    monkeypatch.setattr(module, "check_domain", lambda schema, discover: None)
    monkeypatch.setattr(module, "discovery", discovery)
    return asked


@pytest.mark.parametrize(("budget", "delta"), [(0.2, 1e-9), (1.0, 1e-9), (10.0, 1e-6)])
@pytest.mark.parametrize("shares", [(0, 1, 0), (0.1, 0.9, 0), (0, 0.9, 0.1), (0.15, 0.75, 0.1)])
def test_accounts_compose_to_epsilon_and_hardly_less(budget: float, delta: float, shares: tuple[float, ...]) -> None:
    found = plan(PrivacyOptions(budget, delta, shares=Shares(*shares)), SCHEMA)
    assert [name for name, share in zip(("domain", "fit", "evaluation"), shares, strict=True) if share] == list(found)
    assert 0.97 * budget <= epsilon(compose(*found.values()), delta) <= budget
    so_far = compose(found.get("domain", ()), found["fit"])
    assert 0.97 * (shares[0] + shares[1]) * budget <= epsilon(so_far, delta) <= (shares[0] + shares[1]) * budget
    assert epsilon(found.get("domain", ()), delta) <= shares[0] * budget * (1 + 1e-9)


def test_what_the_domain_does_not_need_is_the_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.privacy.domain.discovery", lambda *_, **__: ())
    found = plan(PrivacyOptions(1.0, 1e-9, shares=Shares(0.2, 0.8, 0)), SCHEMA)
    assert found == plan(PrivacyOptions(1.0, 1e-9), SCHEMA)


def test_a_plan_is_the_same_each_time_and_knows_no_sizes() -> None:
    options = PrivacyOptions(1.0, 1e-9, shares=Shares(0, 0.9, 0.1))
    assert plan(options, SCHEMA) == plan(PrivacyOptions.from_json(options.to_json()), SCHEMA)
    assert [event.label for event in plan(options, SCHEMA)["fit"]] == [TABLES]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("sigma", [0.01, 0.7, 5.0, 200.0])
def test_tables_cost_their_event_and_never_more(sigma: float, k: int) -> None:
    for workload in (choose((4, 3)), choose((30, 4, 7, 2), target=3, triples=True, rows=0.002), choose((2,))):
        sd = noise_for(workload, gaussian(sigma), k)
        (cost,) = events(sd, k)
        assert cost.sigma is not None
        assert cost.sigma >= sigma
        least = deviations(workload, 0.0)
        assert sd == least or cost.sigma <= sigma * (1 + 1e-9)


def test_only_one_gaussian_pays_for_tables() -> None:
    import numpy as np

    for event in (pure(1.0), gaussian(3.0, steps=2)):
        with pytest.raises(InvalidInput, match="one Gaussian"):
            release_for(np.zeros((5, 2), int), choose((2, 2)), event)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": True}, "epsilon"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"mechanism": "magic"}, "mechanism"),
        ({"shares": {"fit": 0.5}}, "shares"),
        ({"shares": {"domain": 1.0, "fit": 0.0}}, "shares"),
        ({"shares": {"domain": -0.5, "fit": 1.5}}, "shares"),
        ({"shares": {"other": 1.0}}, "shares"),
        ({"unit": {"column": "a"}}, "unit"),
        ({"unit": {"column": "a", "rows": 0}}, "unit"),
        ({"rows": 0}, "rows"),
        ({"rows": 1.5}, "rows"),
        ({"options": {"bins": 1}}, "bins"),
        ({"options": {"triples": 1}}, "triples"),
        ({"options": {"patience": 3}}, "patience"),
        ({"patience": 3}, "patience"),
    ],
)
def test_what_promises_nothing_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidPrivacy) as caught:
        PrivacyOptions.from_json({"epsilon": 1.0, "delta": 1e-9, **change})
    assert place in caught.value.errors[0].loc


def test_training_options_that_look_at_rows_are_refused() -> None:
    options = PrivacyOptions(1.0, 1e-9)
    options.check_training(FitOptions(seed=3, target="x", fast=True, threads=2))
    bad: list[dict[str, Any]] = [{"adversarial": "always"}, {"max_time": 3.0}, {"steps": 10}, {"model": "ctgan"}]
    for given in bad:
        with pytest.raises(InvalidPrivacy) as caught:
            options.check_training(FitOptions(**given))
        assert caught.value.errors[0].loc == ("options", next(iter(given)))
