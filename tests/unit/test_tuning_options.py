"""Search spaces and search options from untrusted JSON."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import InvalidInput
from models.options import FitOptions
from models.tuning.defaults import default_space
from models.tuning.options import TuneOptions
from models.tuning.space import Choices, Range, parse_space, space_to_json

GOOD = {
    "steps": {"low": 20, "high": 200, "log": True},
    "dropout": {"low": 0, "high": 0.4, "log": False},
    "hidden": [16, 32],
    "adversarial": ["auto", "never"],
}


def test_a_space_survives_json() -> None:
    space = parse_space(GOOD)
    assert space["steps"] == Range(20, 200, log=True, whole=True)
    assert space["dropout"] == Range(0, 0.4)
    assert space["hidden"] == Choices((16, 32))
    assert space_to_json(space) == GOOD
    raw = {"objective": "utility", "trials": 7, "max_time": 60.0, "validation": 0.3, "space": GOOD}
    assert TuneOptions.from_json(raw).to_json() == raw
    assert TuneOptions.from_json({}) == TuneOptions()


BAD: list[tuple[Any, str]] = [
    ({}, "at least one option"),
    ([1], "object"),
    ({"seed": [1, 2]}, "'seed' is no option to search"),
    ({"layers": [1, 2]}, "'layers' is no option to search"),
    ({"steps": 5}, "range"),
    ({"steps": [5]}, "2 to 50"),
    ({"steps": [5, 5]}, "twice"),
    ({"steps": [5, 0]}, "between 1"),
    ({"steps": [5, None]}, "numbers or words"),
    ({"steps": [[1], 2]}, "numbers or words"),
    ({"steps": {"low": 1}}, "both low and high"),
    ({"steps": {"low": 9, "high": 3}}, "less than"),
    ({"steps": {"low": 1, "high": 10**9}}, "between 1"),
    ({"steps": {"low": 1.5, "high": 3}}, "whole"),
    ({"steps": {"low": True, "high": 3}}, "numbers"),
    ({"dropout": {"low": 0, "high": float("nan")}}, "numbers"),
    ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "above 0"),
    ({"dropout": {"low": 0, "high": 0.5, "log": 1}}, "true or false"),
    ({"dropout": {"low": 0, "high": 0.5, "step": 1}}, "'step'"),
    ({"adversarial": {"low": 0, "high": 1}}, "must be one of"),
    ({"adversarial": ["auto", "sometimes"]}, "must be one of"),
]


@pytest.mark.parametrize(("raw", "told"), BAD, ids=lambda v: str(v)[:50])
def test_a_bad_space_is_refused_with_its_place(raw: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_space(raw)
    assert told in caught.value.message
    assert caught.value.hint
    assert caught.value.errors[0].loc[0] == "space"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"objective": "beauty"}, "detection"),
        ({"trials": 1}, "2 to"),
        ({"trials": 10**6}, "2 to"),
        ({"trials": 2.5}, "whole"),
        ({"trials": True}, "whole"),
        ({"max_time": 0}, "between"),
        ({"max_time": "10m"}, "number"),
        ({"validation": 0.9}, "between"),
        ({"sampler": "random"}, "no option"),
        ({"objective": "likelihood", "space": {"coarse": [16, 32]}}, "likelihoods of different cells"),
    ],
    ids=str,
)
def test_bad_search_options_are_refused(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        TuneOptions.from_json(raw)


def test_what_is_set_cannot_be_searched() -> None:
    tuning = TuneOptions.from_json({"space": GOOD})
    tuning.check(FitOptions(batch=64, seed=9))
    with pytest.raises(InvalidInput, match="hidden"):
        tuning.check(FitOptions(hidden=64))


def test_each_model_has_options_of_its_own() -> None:
    ctgan = TuneOptions.from_json({"space": {"epochs": [5, 10], "weight_decay": {"low": 0.0, "high": 0.1}}})
    ctgan.check(FitOptions(model="ctgan"))
    with pytest.raises(InvalidInput, match="epochs, which means nothing to model masked"):
        ctgan.check(FitOptions())
    with pytest.raises(InvalidInput, match="steps, which means nothing to model ctgan"):
        TuneOptions.from_json({"space": GOOD}).check(FitOptions(model="ctgan"))
    with pytest.raises(InvalidInput, match="likelihood"):
        TuneOptions(objective="likelihood").check(FitOptions(model="ctgan"))
    space = default_space({"epochs": 3, "hidden": 64}, 500, {"depth"}, "ctgan")
    TuneOptions(space=space).check(FitOptions(model="ctgan", depth=1))
    assert parse_space(space_to_json(space)) == space


@pytest.mark.parametrize(
    "plan", [{}, {"steps": 1, "hidden": 8, "learning_rate": 1e-4}, {"steps": 4_000, "hidden": 512}]
)
@pytest.mark.parametrize("rows", [20, 50_000])
def test_default_spaces_are_valid(plan: dict[str, Any], rows: int) -> None:
    space = default_space(plan, rows, {"depth"})
    assert "depth" not in space
    assert parse_space(space_to_json(space)) == space
