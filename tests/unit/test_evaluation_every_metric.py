"""Every metric of a full evaluation: a value with its interval and the rows it rests on, or why there is none."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.evaluation.evaluate import evaluate
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation
from models.table import Table
from tests.unit.test_evaluation_details import SCHEMA, people

SIZE = re.compile(r"\d(,\d{3})* (\w+ ){0,4}rows|rows(: | of each table: )?\D{0,40}\d")
"""So many rows: "1,500 real and 900 synthetic rows", "rows: real 1,500, ..."."""
EXACT = {"Data Structure"}
"""Subjects without a sampling error: names and types of columns, whose interval is the figure itself."""
UNMOVED = {"utility_ranking", "utility_top"}
"""Orders of methods and columns, which it may be that no draw of the test rows changes."""
KINDS = {
    "columns", "pairs", "validity", "k_marginal", "coverage", "missingness", "subgroups", "associations", "relations",
    "rules", "dates", "texts", "weights", "detection", "utility", "analyses", "propensity", "disclosure", "sdmetrics",
}  # fmt: skip


def table(frame: pd.DataFrame) -> Table:
    return Table(SCHEMA, pa.table({c: pa.array(frame[c].tolist(), pa.string()) for c in frame}))


def spoilt(rows: int, seed: int) -> pd.DataFrame:
    """A sample with something off for every part to find."""
    frame = people(rows, seed)
    rng = np.random.default_rng(seed)
    frame["zone"] = rng.permutation(frame["zone"])
    frame["district"] = frame["district"].replace("a", "b")
    frame["key"] = [f"K{i // 3:06d}" for i in range(rows)]
    frame.loc[rng.random(rows) < 0.1, "status"] = "child"
    frame["note"] = frame["note"] + "!"
    return frame


@pytest.fixture(scope="module")
def full() -> Evaluation:
    fast = EvaluationOptions(
        mlp=False,
        methods=("linear", "tree", "boosting"),
        detection_rows=500,
        utility_rows=500,
        distance_rows=400,
        targets=("income",),
    )
    tables = table(people(1200, 1)), table(people(1100, 2)), table(spoilt(1000, 3))
    return evaluate(*tables, target="status", options=fast)


def test_every_part_has_its_say(full: Evaluation) -> None:
    assert {m.section for m in full.metrics} == KINDS


def test_a_metric_without_a_value_is_unavailable_and_says_why(full: Evaluation) -> None:
    for m in full.metrics:
        if m.value is None:
            assert (m.status, bool(m.note)) == ("unavailable", True), m


def test_a_value_lies_within_its_interval(full: Evaluation) -> None:
    for m in full.metrics:
        if m.value is not None:
            assert m.low is not None, m
            assert m.high is not None, m
            assert m.low <= m.value <= m.high, m
            assert m.low < m.high or m.subject in EXACT or m.name in UNMOVED, m


def test_every_note_says_how_many_rows(full: Evaluation) -> None:
    for m in full.metrics:
        assert SIZE.search(m.note), m
