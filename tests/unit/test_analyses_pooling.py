"""Combined analyses of several samples: fresh real rows reach the bars, a vanished effect is found."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from models.errors import InvalidInput
from models.evaluation.analyses.pooling import pooling
from models.evaluation.analyses.replicates import overlaps
from models.evaluation.context import Context, Part
from models.evaluation.evaluate import evaluate
from models.evaluation.matrix import read_matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.problems import text_of, title_of
from models.evaluation.result import Metric
from models.progress import SILENT
from models.schema import Column, Kind, Schema
from models.table import Table

SCHEMA = Schema(
    (
        Column("income", Kind.DECIMAL, decimals=3),
        Column("age", Kind.INTEGER),
        Column("education", Kind.ORDINAL, categories=("low", "middle", "high")),
        Column("works", Kind.BOOLEAN, categories=("no", "yes")),
    )
)
ASKED = (
    {"kind": "regression", "formula": "income ~ age + C(education) + works"},
    {"kind": "regression", "formula": "works ~ age + education", "family": "binomial"},
    {"kind": "table", "columns": ["education", "works"]},
    {"kind": "table", "columns": ["works"], "statistic": "share"},
    {"kind": "table", "columns": ["education"], "statistic": "mean", "of": "income"},
    {"kind": "table", "columns": ["age"], "statistic": "share", "of": "works"},
)


def draw(rows: int, seed: int, *, effect: float = 300.0) -> Table:
    rng = np.random.default_rng(seed)
    age, education = rng.integers(18, 70, rows), rng.integers(0, 3, rows)
    works = (rng.random(rows) < 1 / (1 + np.exp(2 - 0.03 * age - 0.5 * education))).astype(int)
    income = 500 + 10 * age + effect * education + 400 * works + rng.normal(0, 300, rows)
    data = {
        "income": [f"{v:.3f}" for v in income],
        "age": age.astype(str).tolist(),
        "education": np.array(["low", "middle", "high"])[education].tolist(),
        "works": np.array(["no", "yes"])[works].tolist(),
    }
    return Table(SCHEMA, pa.table(data))


def told(real: Table, samples: list[Table], kind: str = "simple", *, asked: bool = True) -> Part:
    read = [read_matrix(t, SCHEMA.modelled, "real") for t in (real, samples[0])]
    options = EvaluationOptions(analyses=ASKED if asked else ())
    context = Context(read[0], read[0].take(np.arange(0)), read[1], "income", 0, options, SILENT,
                      replicates=tuple(samples[1:]), combining=kind)  # fmt: skip
    return pooling(context)


def metric(part: Part, name: str, subject: str) -> Metric:
    (found,) = [m for m in part.metrics if m.name == name and m.subject == subject]
    return found


@pytest.mark.parametrize("kind", ["simple", "posterior", "partial", "full"])
def test_fresh_real_rows_reach_every_bar(kind: str) -> None:
    failed = []
    for seed in range(4):
        rows = (250, 500, 1_000)[seed % 3]
        part = told(draw(500, seed), [draw(rows, 100 * seed + 10 + i) for i in range(2 + seed)], kind)
        failed += [(seed, m.name, m.subject) for m in part.metrics if m.status == "fail"]
    assert not failed


def test_a_vanished_effect_is_found_and_named() -> None:
    part = told(draw(800, 0), [draw(800, s, effect=0) for s in (1, 2, 3)])
    formula = str(ASKED[0]["formula"])
    cover = metric(part, "pooled_cover", formula)
    assert float(cover.value or 0) <= 0.4
    assert cover.bar is not None
    assert metric(part, "pooled_overlap", formula).status == "fail"
    worst = metric(part, "pooled_worst", formula)
    assert worst.status == "fail"
    assert "education" in worst.note
    assert metric(part, "pooled_cover", str(ASKED[1]["formula"])).status == "pass"
    least = part.sections["pooled"]["analyses"][0]["estimates"][0]
    assert not least["covered"]
    assert least["overlap"] == 0
    assert "combined estimate is off: income" in title_of(worst)
    assert "passes" in text_of(worst)


def test_the_section_is_json_and_tells_the_rule_and_the_spread() -> None:
    part = told(draw(400, 0), [draw(400, s) for s in (1, 2, 3, 4)], asked=False)
    section = part.sections["pooled"]
    json.dumps(section, allow_nan=False)
    assert (section["samples"], section["kind"], section["defaults"]) == (4, "simple", True)
    row = section["analyses"][0]["estimates"][0]
    assert row["low"] < row["estimate"] < row["high"]
    assert row["between"] > 0
    spread = metric(part, "pooled_spread", section["analyses"][0]["label"])
    assert spread.status == ""
    assert 0.2 < float(spread.value or 0) < 3


def test_samples_of_other_fits_spread_more() -> None:
    samples = [draw(600, s, effect=effect) for s, effect in ((1, 200.0), (2, 300.0), (3, 400.0))]
    part = told(draw(600, 0), samples)
    assert float(metric(part, "pooled_spread", "mean of income by education").value or 0) > 3


def test_overlap_of_intervals() -> None:
    one = np.ones(4)
    found = overlaps(np.array([0.0, 1.0, 2.0, 5.0]), one, one)
    assert found == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert overlaps(np.array([0.0]), np.array([1.0]), np.array([2.0])) == pytest.approx([0.75])


def test_an_evaluation_takes_further_samples() -> None:
    options = EvaluationOptions(
        rows=200, detection_rows=60, sdmetrics=False, mlp=False, methods=("linear",), analyses=ASKED
    )
    tables = draw(200, 0), draw(100, 1), draw(200, 2)
    more = [draw(200, 3), draw(200, 4)]
    found = evaluate(*tables, options=options, replicates=more)
    assert found.sections["pooled"]["samples"] == 3
    assert {m.status for m in found.metrics if m.name == "pooled_cover"} == {"pass"}
    assert "pooled" not in evaluate(*tables, options=options).sections
    with pytest.raises(InvalidInput, match="same number"):
        evaluate(*tables, options=options, replicates=[draw(150, 3)])
    with pytest.raises(InvalidInput, match="not known"):
        evaluate(*tables, options=options, replicates=more, combining="best")
