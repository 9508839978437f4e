"""Searches of a method's options: they find what is better, repeat, and refuse what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from models.comparison.search import search
from models.comparison.search_options import SearchOptions
from models.errors import InvalidData, InvalidInput
from models.ingest import table_from_frame
from models.table import Table


@pytest.fixture(scope="module")
def table() -> Table:
    """Numbers of which the nearest few rows say the class, with noise: one neighbour overfits, hundreds underfit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).round(3)
    y = (np.sin(2 * x[:, 0]) + x[:, 1] > 0) ^ (rng.random(400) < 0.15)
    return table_from_frame(pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(y, "yes", "no")}))


KNN = {"targets": ["y"], "method": "knn", "seed": 1}


def test_a_grid_reads_under_and_overfitting(table: Table) -> None:
    raw = {**KNN, "search": "grid", "space": {"neighbours": [1, 15, 300]}, "folds": 5, "method_options": UNIFORM}
    found = search(table, SearchOptions.from_json(raw))
    section = found.to_json()["sections"]["search"]
    assert [t["parameters"] for t in section["trials"]] == [{"neighbours": n} for n in (1, 15, 300)]
    assert section["best"] == 1
    assert section["trials"][0]["training"] == 1.0
    assert "1 overfits" in section["reading"]
    assert "300 underfits" in section["reading"]
    assert found.options["neighbours"] == 15
    assert section["judged_by"] == "5 folds"
    values = [p["value"] for p in section["best_so_far"]]
    assert values == sorted(values)


UNIFORM = {"knn": {"weights": "uniform"}}


@pytest.mark.parametrize("kind", ["bayes", "random"])
def test_searches_begin_with_the_defaults_and_repeat(table: Table, kind: str) -> None:
    raw = {**KNN, "search": kind, "trials": 6, "space": {"neighbours": {"low": 1, "high": 60, "log": True}}}
    one, two = (search(table, SearchOptions.from_json(raw)).to_json() for _ in range(2))
    trials = one["sections"]["search"]["trials"]
    assert [t["parameters"] for t in trials] == [t["parameters"] for t in two["sections"]["search"]["trials"]]
    assert trials[0]["parameters"] == {}
    tried = [t["parameters"]["neighbours"] for t in trials[1:]]
    assert len(set(tried)) == 5
    assert all(isinstance(n, int) and 1 <= n <= 60 for n in tried)
    tuned, default = one["metrics"]
    assert tuned["value"] >= default["value"] == trials[0]["score"]
    assert tuned["floor"] < 0.7 < tuned["value"]
    json.dumps(one, allow_nan=False)


def test_networks_keep_their_curves_and_layers_are_lists(table: Table) -> None:
    fixed = {"mlp": {"epochs": 4, "members": 1}}
    raw = {"targets": ["y"], "search": "grid", "space": {"hidden": [[4], [8, 4]]}, "method_options": fixed}
    found = search(table, SearchOptions.from_json(raw))
    trials = found.to_json()["sections"]["search"]["trials"]
    assert [t["parameters"]["hidden"] for t in trials] == [[4], [8, 4]]
    assert all(len(t["curve"][name]) == 4 for t in trials for name in ("training", "validation", "score"))
    assert found.options["hidden"] in ((4,), (8, 4))


def test_a_trial_that_fails_is_recorded_and_a_search_of_failures_says_why(table: Table) -> None:
    raw = {**KNN, "method": "mlp", "search": "grid", "method_options": {"mlp": {"epochs": 2, "members": 1}}}
    found = search(table, SearchOptions.from_json({**raw, "space": {"activation": ["relu", "magic"]}})).to_json()
    states = [t["state"] for t in found["sections"]["search"]["trials"]]
    assert states == ["succeeded", "failed"]
    assert "magic" in found["sections"]["search"]["trials"][1]["reason"]
    with pytest.raises(InvalidData, match=r"No trial succeeded.*magic"):
        search(table, SearchOptions.from_json({**raw, "space": {"activation": ["magic", "other"]}}))


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ({"targets": ["a", "y"]}, "one target"),
        ({"targets": ["y"], "method": "magic"}, "methods"),
        ({"targets": ["y"], "search": "magic"}, "bayes, random, grid"),
        ({"targets": ["y"], "trials": 0}, "whole number"),
        ({"targets": ["y"], "space": {}}, "at least one option"),
        ({"targets": ["y"], "space": {"dropout": {"low": 1, "high": 0}}}, "low < high"),
        ({"targets": ["y"], "space": {"dropout": {"low": 0, "high": 1, "log": True}}}, "above 0"),
        ({"targets": ["y"], "space": {"dropout": [0.1, 0.1]}}, "twice"),
        ({"targets": ["y"], "space": {"seed": [1, 2]}}, "follows"),
        ({"targets": ["y"], "search": "grid", "space": {"dropout": [0.1, 0.2, 0.3]}, "trials": 2}, "at least 3"),
        ({"targets": ["y"], "methods": ["mlp"]}, "no option of a search"),
        ({"targets": ["y"], "validation": 0.9}, "from 0.05 to 0.5"),
        ({"targets": ["y"], "method_options": {"mlp": {"dropout": 0.1}}, "space": {"dropout": [0.1, 0.2]}}, "set in"),
        ({"targets": ["y"], "magic": 1}, "no option"),
        ([], "an object"),
    ],
)
def test_options_that_cannot_be_are_refused(raw: object, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        SearchOptions.from_json(raw)


def test_options_survive_json(table: Table) -> None:
    space = {"hidden": [[4], [8]], "dropout": {"low": 0.0, "high": 0.5, "log": False}, "activation": ["relu", None]}
    raw = {"targets": ["y"], "method": "mlp", "search": "random", "space": space, "trials": 7, "max_time": 60}
    options = SearchOptions.from_json(raw)
    assert SearchOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
    with pytest.raises(InvalidInput, match="no option 'dropout'"):
        search(table, SearchOptions.from_json({**KNN, "space": {"dropout": [0.1, 0.2]}}))


def test_options_are_read_without_torch() -> None:
    code = "import sys, models.comparison.search_options; assert not {'torch', 'sklearn', 'optuna'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
