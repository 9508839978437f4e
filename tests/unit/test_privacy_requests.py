"""What is refused of a request for differential privacy: each with its place, its reason and a remedy."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from models.accounting import Event, approximate, gaussian, pure, sampled_gaussian
from models.errors import InvalidPrivacy
from models.schema import Column, Kind, Schema
from service.jobs.schemas import SynthesizeRequest
from service.privacy import plans
from service.privacy.errors import BudgetExceeded, budget_exceeded, rounded_down
from service.privacy.ledger import State, accounts_in, price
from service.privacy.requests import Terms, check_delta, check_request
from service.privacy.schemas import PrivacyRequest, Unit
from service.privacy.spent import ACCOUNTS, Spent, epsilon, joined, without

HOUSEHOLD = Unit(column="household", rows=5)
COLUMNS = ("household", "age")
ROWS = Terms(1e-9, 1000, None)
UNITS = Terms(1e-9, 1000, HOUSEHOLD)


def request(**more: Any) -> PrivacyRequest:
    """With all of epsilon for the fit, unless told otherwise."""
    return PrivacyRequest(**{"epsilon": 1.0, "shares": {"domain": 0.0, "fit": 1.0, "evaluation": 0.0}, **more})


def refused(asked: PrivacyRequest, terms: Terms = ROWS, **job: Any) -> tuple[str, str]:
    """(place, hint) of the refusal."""
    with pytest.raises(InvalidPrivacy) as caught:
        check_request(asked, terms, COLUMNS, job.get("options", {}), job.get("options_from"))
    problem = caught.value.to_problem()
    assert (problem["status"], problem["code"]) == (422, "invalid_privacy")
    assert problem["detail"]
    assert problem["hint"]
    (place,) = problem["errors"]
    assert place["loc"][0] == "body"
    return ".".join(place["loc"][1:]), problem["hint"]


def test_what_can_be_kept_is_accepted() -> None:
    assert (
        check_request(request(), ROWS, COLUMNS, {"steps": 100, "adversarial": "never", "derive": False}, None) == 1e-9
    )
    assert check_request(request(delta=9.9e-4), ROWS, COLUMNS, {}, None) == 9.9e-4
    assert check_request(request(unit=HOUSEHOLD), UNITS, COLUMNS, {}, None) == 1e-9


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 1e7])
def test_epsilon(epsilon: float) -> None:
    place, hint = refused(request(epsilon=epsilon))
    assert place == "privacy.epsilon"
    assert "above 0" in hint


@pytest.mark.parametrize("delta", [0.0, -1e-9, 1.0, 2.0, 1e-3, 0.5, 1e-200])
def test_delta_is_below_one_in_n(delta: float) -> None:
    place, hint = refused(request(delta=delta))
    assert place == "privacy.delta"
    assert "1e-05" in hint, "a delta that would do"
    check_delta(1e-05, ROWS.rows_at_most)


def test_n_is_the_bound_that_is_public() -> None:
    assert check_request(request(delta=5e-4), Terms(1e-9, 1999, None), COLUMNS, {}, None)
    place, _ = refused(request(delta=5e-4), Terms(1e-9, 2000, None))
    assert place == "privacy.delta"


def test_unit() -> None:
    place, hint = refused(request(), UNITS)
    assert (place, '"column": "household", "rows": 5' in hint) == ("privacy.unit", True), "missing"
    assert refused(request(unit=Unit(column="household", rows=4)), UNITS)[0] == "privacy.unit"
    assert refused(request(unit=HOUSEHOLD), ROWS)[0] == "privacy.unit"
    gone = Terms(1e-9, 1000, Unit(column="family", rows=5))
    assert refused(request(unit=gone.unit), gone)[0] == "privacy.unit.column"


@pytest.mark.parametrize(
    ("shares", "place"),
    [({"fit": 0.5}, "privacy.shares"), ({"fit": 0, "domain": 1}, "privacy.shares.fit")],
)
def test_shares(shares: dict[str, float], place: str) -> None:
    assert refused(request(shares=shares))[0] == place


@pytest.mark.parametrize(
    "options",
    [{"early_stopping": True}, {"patience": 3}, {"adversarial": "auto"}, {"derive": True}, {"max_time": 60}],
)
def test_options_that_look_at_rows_for_nothing(options: dict[str, Any]) -> None:
    (name,) = options
    place, hint = refused(request(), options=options)
    assert place == f"options.{name}"
    assert name in hint
    assert refused(request(options=options))[0] == f"privacy.options.{name}"


def test_tuned_options() -> None:
    place, hint = refused(request(), options_from="job_x")
    assert place == "options_from"
    assert "public" in hint


@pytest.mark.parametrize(
    "wrong", [{"epsilon": "much"}, {"mechanism": "magic"}, {"budget": 1}, {"epsilon": float("nan")}]
)
def test_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request(**wrong)


def test_over_budget_names_what_fits() -> None:
    spent = Spent().reserve("fit", (gaussian(12.0),))
    state = State("ds_a", "ten_a", 2, spent, 0.5, cap=1.0, delta=1e-9)
    with pytest.raises(BudgetExceeded) as caught:
        price(state, {"fit": (gaussian(4.0),)})
    problem = caught.value.to_problem()
    assert (problem["status"], problem["code"]) == (409, "budget_exceeded")
    assert problem["errors"][0]["loc"] == ["body", "privacy", "epsilon"]
    assert "raise the budget" in problem["hint"]
    assert "At most epsilon 0." in problem["detail"]
    nothing = budget_exceeded("ds_a", 3.0, 1.0, 1e-9, 3e-8)
    assert "Nothing more fits" in nothing.message


@pytest.mark.parametrize("value", [0.123456, 1 / 3, 2.99999, 1e-5, 0.99996])
def test_offers_are_rounded_down(value: float) -> None:
    assert value * 0.999 < rounded_down(value) <= value
    assert rounded_down(1e-7) == 0.0


PUBLIC = Schema((Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True),))


def test_the_planner_spends_all_of_epsilon() -> None:
    found = plans.planner(request(epsilon=0.7), 1e-9, PUBLIC, {})
    assert list(found) == ["fit"]
    assert 0.97 * 0.7 <= epsilon(joined(*found.values()), 1e-9) <= 0.7
    split = plans.planner(request(shares={"domain": 0.0, "fit": 0.8, "evaluation": 0.2}), 1e-9, PUBLIC, {})
    assert 0.97 <= epsilon(joined(*split.values()), 1e-9) <= 1.0


@pytest.mark.parametrize(
    ("asked", "options", "place"),
    [
        ({"options": {"bins": 1}}, {}, ["body", "privacy", "options", "bins"]),
        ({"options": {"patience": 1}}, {}, ["body", "privacy", "options", "patience"]),
        ({"mechanism": "dpsgd", "options": {"triples": True}}, {}, ["body", "privacy", "options", "triples"]),
        ({"mechanism": "hybrid", "options": {"rate": 2.0}}, {}, ["body", "privacy", "options", "rate"]),
        ({"mechanism": "hybrid"}, {"model": "ctgan"}, ["body", "options", "model"]),
        ({}, {"steps": 5}, ["body", "options", "steps"]),
        ({}, {"model": "ctgan"}, ["body", "options", "model"]),
    ],
)
def test_what_the_planner_refuses_names_its_place(
    asked: dict[str, Any], options: dict[str, Any], place: list[str]
) -> None:
    with pytest.raises(InvalidPrivacy) as caught:
        plans.planner(request(**asked), 1e-9, PUBLIC, options)
    assert list(caught.value.errors[0].loc) == place
    assert caught.value.hint


def test_more_public_rows_than_the_bound_are_refused() -> None:
    assert refused(request(rows=ROWS.rows_at_most + 1))[0] == "privacy.rows"


def test_turning_it_on_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a planner, a request is checked and planned; what it releases does not depend on rows."""
    seen: list[Any] = []

    def plan(*args: Any) -> dict[str, tuple[Event, ...]]:
        seen.extend(args)
        return {"fit": (gaussian(20.0),)}

    schema = Schema((Column("household", Kind.IDENTIFIER), Column("age", Kind.INTEGER, minimum=0, maximum=99)))
    monkeypatch.setattr(plans, "planner", plan)
    monkeypatch.setattr(plans, "terms_of", lambda session, dataset_id: UNITS)
    session: Any = None
    with pytest.raises(InvalidPrivacy):
        plans.planned(session, request(), "ds_a", schema, {}, None)
    asked = request(unit=HOUSEHOLD)
    found = plans.planned(session, asked, "ds_a", schema, {"steps": 5}, None)
    assert found.shares == {"fit": (gaussian(20.0),)}
    assert found.spec["history"] == {"fit": [gaussian(20.0).to_json()]}
    assert (found.spec["delta"], found.spec["epsilon"]) == (1e-9, 1.0)
    assert seen == [asked, 1e-9, schema, {"steps": 5}]


def test_the_form_of_a_job_has_it() -> None:
    job = SynthesizeRequest(kind="synthesize", dataset_id="d", privacy={"epsilon": 1, "mechanism": "hybrid"})
    assert job.privacy is not None
    assert (job.privacy.delta, job.privacy.shares.fit) == (None, None)


def test_shares_that_are_left_out_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth for the report; a fifth for bins, where labels and bounds are public; nothing for what is not."""
    monkeypatch.setattr(plans, "planner", lambda *_: {})
    monkeypatch.setattr(plans, "terms_of", lambda session, dataset_id: ROWS)
    session: Any = None
    age = Column("age", Kind.INTEGER, minimum=0, maximum=99)
    open_ended, public = Schema((age,)), Schema((replace(age, public=True),))
    cut = Schema((replace(age, public=True, edges=(0, 20, 99)),))
    for schema, shares, expected in (
        (public, {}, (0.2, 0.7, 0.1)),
        (cut, {}, (0.0, 0.9, 0.1)),
        (open_ended, {}, (0.0, 0.9, 0.1)),
        (open_ended, {"domain": 0.3}, (0.3, 0.6, 0.1)),
        (public, {"evaluation": 0.0}, (0.2, 0.8, 0.0)),
        (public, {"domain": 0.0, "evaluation": 0.25}, (0.0, 0.75, 0.25)),
        (public, {"fit": 0.8, "evaluation": 0.2}, (0.0, 0.8, 0.2)),
        (public, {"fit": 0.8, "domain": 0.05}, (0.05, 0.8, 0.15)),
        (public, {"fit": 0.6}, (0.3, 0.6, 0.1)),
        (public, {"fit": 0.95}, (0.0, 0.95, 0.05)),
    ):
        found = plans.planned(session, PrivacyRequest(epsilon=1.0, shares=shares), "ds_a", schema, {}, None)
        assert list(found.spec["shares"].values()) == pytest.approx(list(expected))
    for shares in ({"domain": 0.6, "evaluation": 0.5}, {"fit": 0.9, "evaluation": 0.2}):
        with pytest.raises(InvalidPrivacy):
            plans.planned(session, PrivacyRequest(epsilon=1.0, shares=shares), "ds_a", public, {}, None)


def test_sums_do_not_depend_on_the_order_or_on_words() -> None:
    parts = [gaussian(20.0, label="a"), sampled_gaussian(0.01, 1.5, 10), pure(0.1), gaussian(20.0, steps=2), pure(0.1)]
    parts += [approximate(0.1, 1e-12), gaussian(30.0)]
    whole = joined(tuple(parts))
    assert whole == joined(tuple(reversed(parts[:3])), tuple(parts[3:]))
    assert epsilon(whole, 1e-9) == epsilon(joined(*[(p,) for p in reversed(parts)]), 1e-9)
    assert whole.count(gaussian(20.0, steps=3)) == 1
    assert whole.count(pure(0.1)) == 2
    assert without(whole, tuple(parts[:4])) == joined(tuple(parts[4:]))
    with pytest.raises(ValueError, match="does not hold"):
        without(whole, (gaussian(31.0),))


def test_sums_survive_storage() -> None:
    spent = Spent().reserve("fit", (gaussian(1 / 3), pure(1e-7))).reserve("domain", (sampled_gaussian(0.1, 2.0, 7),))
    spent = spent.settle("domain", (sampled_gaussian(0.1, 2.0, 7),))
    assert Spent.from_json(spent.to_json()).total == spent.total
    assert Spent.from_json(spent.to_json()).to_json() == spent.to_json()
    assert spent.release("fit", (gaussian(1 / 3), pure(1e-7))).total == (sampled_gaussian(0.1, 2.0, 7),)


@pytest.mark.parametrize(("data", "accounts"), [({"accounts": ["fit"]}, ("fit",)), ({"accounts": [3]}, ACCOUNTS)])
def test_accounts_of_an_event(data: dict[str, Any], accounts: tuple[str, ...]) -> None:
    assert accounts_in(data) == accounts


def test_the_api_starts_without_the_accountant() -> None:
    """Few calls account for anything, and scipy takes time and memory."""
    code = "import sys, service.main; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
