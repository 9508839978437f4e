"""Several samples analysed together."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from models.errors import InvalidInput
from models.evaluation.analyses.replicates import pooled
from models.schema import Column, Kind, Schema
from models.table import Table

SCHEMA = Schema(
    (
        Column("income", Kind.DECIMAL, decimals=3),
        Column("age", Kind.INTEGER),
        Column("sex", Kind.BOOLEAN, categories=("f", "m")),
    )
)
ASKED = [
    {"kind": "regression", "formula": "income ~ age + sex"},
    {"kind": "table", "columns": ["sex"], "statistic": "share"},
]


def draw(rows: int, seed: int, slope: float = 2.0) -> Table:
    rng = np.random.default_rng(seed)
    age, sex = rng.integers(20, 60, rows), rng.integers(0, 2, rows)
    income = 10 + slope * age + 5 * sex + rng.normal(0, 10, rows)
    data = {
        "income": [f"{v:.3f}" for v in income],
        "age": age.astype(str).tolist(),
        "sex": np.array(["f", "m"])[sex].tolist(),
    }
    return Table(SCHEMA, pa.table(data))


def estimate(found: dict, analysis: int, name: str) -> dict:
    (row,) = [e for e in found["analyses"][analysis]["estimates"] if e["name"] == name]
    return row


def test_estimates_are_means_and_intervals_hold_the_truth() -> None:
    real, tables = draw(400, 0), [draw(800, s) for s in (1, 2, 3)]
    found = pooled(real, tables, ASKED)
    json.dumps(found, allow_nan=False)
    assert found["samples"] == 3
    alone = [estimate(pooled(real, [t], ASKED), 0, "age") for t in tables]
    age = estimate(found, 0, "age")
    assert age["estimate"] == pytest.approx(np.mean([a["estimate"] for a in alone]), rel=1e-4)
    assert age["low"] < 2.0 < age["high"]
    # T = (k/n + 1/m) v: k/n = 2, so that one sample has (2 + 1) v and three have (2 + 1/3) v.
    within = np.mean([a["error"] ** 2 for a in alone]) / 3
    assert age["error"] == pytest.approx(np.sqrt((2 + 1 / 3) * within), rel=1e-4)
    assert estimate(found, 1, "m")["estimate"] == pytest.approx(0.5, abs=0.05)


def test_other_rules_see_the_spread_between_samples() -> None:
    real = draw(400, 0)
    tables = [draw(400, s, slope) for s, slope in ((1, 1.0), (2, 2.0), (3, 3.0))]
    simple, partial = (estimate(pooled(real, tables, ASKED, kind=k), 0, "age")["error"] for k in ("simple", "partial"))
    assert partial > 3 * simple


def test_what_cannot_be_combined_is_refused_or_told() -> None:
    real = draw(200, 0)
    for tables, kind, words in (
        ([], "simple", "1 to"),
        ([draw(100, 1)], "full", "two or more"),
        ([draw(100, 1), draw(50, 2)], "simple", "same number"),
        ([draw(100, 1)], "best", "not known"),
    ):
        with pytest.raises(InvalidInput, match=words):
            pooled(real, tables, ASKED, kind=kind)
    with pytest.raises(InvalidInput, match="at least one"):
        pooled(real, [draw(100, 1)], [])
    with pytest.raises(InvalidInput, match="'wage'"):
        pooled(real, [draw(100, 1)], [{"kind": "regression", "formula": "wage ~ age"}])
    few = pooled(real, [draw(2, 1)], ASKED)
    assert few["analyses"][0]["estimates"] == []
    assert "too few" in few["analyses"][0]["note"]
