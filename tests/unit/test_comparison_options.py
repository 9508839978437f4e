"""Options of a comparison: read from untrusted JSON, written back, and refused by name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from models.classifiers import METHODS
from models.classifiers import preparation as prepared
from models.classifiers.imbalance import BALANCES
from models.comparison import options as listed
from models.comparison.options import CompareOptions
from models.errors import InvalidInput


def test_options_survive_json() -> None:
    raw = {
        "targets": ["income", ["DREM", "DEYE"]],
        "methods": ["mlp", "tree"],
        "folds": 3,
        "groups": "user",
        "method_options": {"mlp": {"hidden": [32, 16], "dropout": 0.2}},
        "vary": {"tree": {"leaf": [1, 10, 100]}},
    }
    options = CompareOptions.from_json(raw)
    assert options.targets == (("income",), ("DREM", "DEYE"))
    assert options.method_options["mlp"]["hidden"] == (32, 16)
    assert CompareOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
    assert options.to_json()["targets"] == raw["targets"]
    assert CompareOptions.from_json({"targets": "income"}).targets == (("income",),)


def test_default_methods_are_all_that_need_no_order() -> None:
    assert set(METHODS) - set(CompareOptions((("a",),)).methods) == {"conv1d"}


def test_names_are_those_of_the_core() -> None:
    assert tuple(METHODS) == listed.METHODS
    assert (prepared.SCALINGS, prepared.MISSING, prepared.ENCODINGS) == (
        listed.SCALINGS,
        listed.MISSING,
        listed.ENCODINGS,
    )
    assert listed.BALANCES == BALANCES


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "targets"),
        ([], "object"),
        ({"targets": []}, "targets"),
        ({"targets": [["a", "a"]]}, "targets"),
        ({"targets": ["a", "a"]}, "targets"),
        ({"targets": [3]}, "targets"),
        ({"targets": "a", "colour": 1}, "colour"),
        ({"targets": "a", "methods": ["magic"]}, "methods"),
        ({"targets": "a", "methods": []}, "methods"),
        ({"targets": "a", "folds": 1}, "folds"),
        ({"targets": "a", "folds": True}, "folds"),
        ({"targets": "a", "repeats": 2.0}, "repeats"),
        ({"targets": "a", "scaling": "log"}, "scaling"),
        ({"targets": "a", "scaling": ["log"]}, "scaling"),
        ({"targets": "a", "balance": None}, "balance"),
        ({"targets": "a", "stratify": 1}, "stratify"),
        ({"targets": "a", "groups": 1}, "groups"),
        ({"targets": "a", "features": "b"}, "features"),
        ({"targets": "a", "measure": "beauty"}, "measure"),
        ({"targets": "a", "method_options": {"magic": {}}}, "method_options"),
        ({"targets": "a", "method_options": {"tree": {"leaf": {}}}}, "method_options"),
        ({"targets": "a", "method_options": {"tree": {"seed": 1}}}, "method_options"),
        ({"targets": "a", "method_options": {"tree": {"leaf": float("nan")}}}, "method_options"),
        ({"targets": "a", "vary": {"tree": {"leaf": [1]}}}, "vary"),
        ({"targets": "a", "vary": {"tree": {"leaf": 1}}}, "vary"),
    ],
)
def test_wrong_options_are_refused_by_name(raw: object, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        CompareOptions.from_json(raw)
    assert caught.value.hint


def test_options_need_no_torch() -> None:
    code = (
        "import sys, models.comparison.options; print([m for m in ('torch', 'sklearn', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
