"""Events: what is stored of a release, and what is refused."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest

from models.accounting import (
    Event,
    approximate,
    compose,
    discrete_gaussian,
    gaussian,
    history_from_json,
    history_to_json,
    pure,
    sampled_gaussian,
)
from models.errors import InvalidInput

HISTORY = (
    discrete_gaussian(20.0, 78, label="all pairs"),
    gaussian(20.0, label="means"),
    sampled_gaussian(0.01, 1.1, 200, label="refinement"),
    pure(0.1, label="bounds of age"),
    approximate(0.05, 1e-10, label="labels of occupation"),
)


def test_history_survives_json() -> None:
    assert history_from_json(json.loads(json.dumps(history_to_json(HISTORY)))) == HISTORY


def test_json_holds_only_what_the_mechanism_has() -> None:
    assert gaussian(20, label="all pairs").to_json() == {
        "mechanism": "gaussian",
        "label": "all pairs",
        "sigma": 20.0,
        "steps": 1,
    }
    assert set(pure(0.1).to_json()) == {"mechanism", "label", "epsilon"}


def test_compose_keeps_every_event() -> None:
    assert compose(HISTORY[:1], HISTORY[1:], ()) == HISTORY


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "gaussian",
        {},
        {"mechanism": "laplace", "sigma": 1.0},
        {"mechanism": ["gaussian"], "sigma": 1.0},
        {"mechanism": "gaussian"},
        {"mechanism": "gaussian", "sigma": "1"},
        {"mechanism": "gaussian", "sigma": True},
        {"mechanism": "gaussian", "sigma": math.nan},
        {"mechanism": "gaussian", "sigma": math.inf},
        {"mechanism": "gaussian", "sigma": 10**400},
        {"mechanism": "gaussian", "sigma": 0},
        {"mechanism": "gaussian", "sigma": -1.0},
        {"mechanism": "gaussian", "sigma": 1.0, "q": 0.1},
        {"mechanism": "gaussian", "sigma": 1.0, "steps": 0},
        {"mechanism": "gaussian", "sigma": 1.0, "steps": 1.5},
        {"mechanism": "gaussian", "sigma": 1.0, "steps": True},
        {"mechanism": "gaussian", "sigma": 1.0, "note": "free"},
        {"mechanism": "gaussian", "sigma": 1.0, 7: 8},
        {"mechanism": "gaussian", "sigma": 1.0, "label": 3},
        {"mechanism": "gaussian", "sigma": 1.0, "label": "x" * 201},
        {"mechanism": "gaussian", "sigma": 1.0, "label": "two\nlines"},
        {"mechanism": "discrete_gaussian", "sigma": 1e6},
        {"mechanism": "sampled_gaussian", "sigma": 1.0, "steps": 10},
        {"mechanism": "sampled_gaussian", "sigma": 1.0, "steps": 10, "q": 0},
        {"mechanism": "sampled_gaussian", "sigma": 1.0, "steps": 10, "q": 1.1},
        {"mechanism": "pure", "epsilon": 0},
        {"mechanism": "pure", "epsilon": 1.0, "delta": 1e-9},
        {"mechanism": "approximate", "epsilon": 1.0},
        {"mechanism": "approximate", "epsilon": 1.0, "delta": 1.0},
        {"mechanism": "approximate", "epsilon": 1.0, "delta": -1e-9},
    ],
)
def test_hostile_events_are_refused(raw: Any) -> None:
    with pytest.raises(InvalidInput):
        Event.from_json(raw)


def test_refusal_names_the_place() -> None:
    with pytest.raises(InvalidInput, match=r"Event 2.*sigma") as caught:
        history_from_json([{"mechanism": "pure", "epsilon": 1}, {"mechanism": "gaussian", "sigma": -1}])
    assert caught.value.errors[0].loc == (1, "privacy", "sigma")


@pytest.mark.parametrize("raw", [{}, "[]", None, [[]], [{}] * 10_001])
def test_hostile_histories_are_refused(raw: Any) -> None:
    with pytest.raises(InvalidInput):
        history_from_json(raw)


def test_import_leaves_torch_and_the_rest_out() -> None:
    heavy = ("torch", "opacus", "pandas", "pyarrow", "sklearn", "sdmetrics", "models.dp")
    code = f"import sys, models.accounting; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
