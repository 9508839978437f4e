"""Analyses on real and synthetic rows: a vanished effect is found, fresh real rows are not blamed."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.analyses.part import analyses
from models.evaluation.context import Context, Part
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Metric
from models.progress import SILENT
from models.schema import Column, Kind

COLUMNS = (
    Column("income", Kind.DECIMAL),
    Column("age", Kind.INTEGER),
    Column("education", Kind.ORDINAL, categories=("low", "middle", "high"), missing_codes=("?",)),
    Column("works", Kind.BOOLEAN, categories=("no", "yes")),
)
ASKED = (
    {"kind": "regression", "formula": "income ~ age + C(education) + works"},
    {"kind": "regression", "formula": "works ~ age + education", "family": "binomial"},
    {"kind": "table", "columns": ["education", "works"]},
    {"kind": "table", "columns": ["education"], "statistic": "mean", "of": "income"},
    {"kind": "table", "columns": ["education"], "statistic": "median", "of": "income"},
    {"kind": "table", "columns": ["age"], "statistic": "share", "of": "works"},
)


def draw(rows: int, seed: int, *, effect: float = 300.0, levels: int = 3) -> Matrix:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 70, rows).astype(float)
    education = rng.integers(0, levels, rows).astype(float)
    works = (rng.random(rows) < 1 / (1 + np.exp(2 - 0.03 * age - 0.5 * education))).astype(float)
    income = 500 + 10 * age + effect * education + 400 * works + rng.normal(0, 300, rows)
    education[rng.random(rows) < 0.03] = np.nan
    values = np.column_stack([income, age, education, works])
    return Matrix(COLUMNS, values, np.where(np.isnan(values), 0, -1).astype(np.int16))


def told(
    synthetic: Matrix, *, seed: int = 0, target: str | None = "income", asked: bool = True, rows: int = 800
) -> Part:
    options = EvaluationOptions(analyses=ASKED if asked else ())
    real, holdout = draw(rows, 100 + seed), draw(rows // 2, 200 + seed)
    return analyses(Context(real, holdout, synthetic, target, seed, options, SILENT))


def metric(part: Part, name: str, subject: str) -> Metric:
    (found,) = [m for m in part.metrics if m.name == name and m.subject == subject]
    return found


def test_fresh_real_rows_reach_every_bar() -> None:
    failed = []
    for seed in range(12):
        part = told(draw((400, 800, 2_000)[seed % 3], 300 + seed), seed=seed)
        failed += [(seed, m.name, m.subject) for m in part.metrics if m.status == "fail"]
    assert len(failed) <= 1, failed


def test_a_vanished_effect_is_found_and_named() -> None:
    part = told(draw(800, 1, effect=0))
    income = metric(part, "analysis_worst", ASKED[0]["formula"])
    assert income.status == "fail"
    assert "education" in income.note
    assert metric(part, "analysis_overlap", ASKED[0]["formula"]).status == "fail"
    assert metric(part, "analysis_worst", "mean of income by education").status == "fail"
    assert metric(part, "analysis_worst", "median of income by education").status == "fail"
    assert metric(part, "analysis_worst", ASKED[1]["formula"]).status == "pass"
    assert metric(part, "analysis_worst", "count by education × works").status == "pass"
    first = part.sections["analyses"]["regressions"][0]["coefficients"][0]
    assert first["name"].startswith("C(education)") or first["name"] == "(intercept)"
    assert not first["covered"]


def test_yardsticks_stand_in_their_order() -> None:
    part = told(draw(800, 2))
    m = metric(part, "analysis_overlap", ASKED[0]["formula"])
    assert m.ceiling is not None
    assert m.holdout is not None
    assert m.floor is not None
    assert m.floor < 0.4 < m.holdout
    assert m.ceiling > 0.6
    cover = metric(part, "analysis_cover", ASKED[0]["formula"])
    assert (cover.floor or 0) < (cover.value or 0) <= 1


def test_a_level_that_the_sample_lost_is_told() -> None:
    part = told(draw(800, 3, levels=2))
    m = metric(part, "analysis_worst", ASKED[0]["formula"])
    assert "does not give 1 of the estimates" in m.note
    entry = part.sections["analyses"]["regressions"][0]
    lost = [c for c in entry["coefficients"] if c["synthetic"] is None]
    assert [c["name"] for c in lost] == ["C(education)[high]"]
    assert lost[0]["overlap"] == 0
    assert metric(part, "analysis_worst", "count by education × works").status == "fail"


def test_an_analysis_that_the_rows_do_not_bear_is_unavailable_with_its_remedy() -> None:
    constant = draw(800, 4)
    constant.values[:, 3] = 1.0
    part = told(constant)
    m = metric(part, "analysis_overlap", ASKED[1]["formula"])
    assert (m.value, m.status) == (None, "unavailable")
    assert "On the sample: The response is constant" in m.note


@pytest.mark.parametrize(("target", "kinds"), [("income", 1), ("works", 1), ("education", 1), (None, 0)])
def test_defaults_are_chosen_from_the_data_and_said_to_be(target: str | None, kinds: int) -> None:
    part = told(draw(800, 5), target=target, asked=False)
    section = part.sections["analyses"]
    assert section["defaults"] is True
    assert "not registered" in section["note"] or "No analyses were registered" in section["note"]
    assert len(section["regressions"]) == kinds
    assert section["tables"]
    assert not [m for m in part.metrics if m.status == "fail"]
    if target is not None:
        assert section["regressions"][0]["label"].startswith(f"{target} ~ ")


def test_survey_weights_are_used() -> None:
    """A sample with too many of the highly educated, put right by its weights, agrees with the real table."""

    def weighed(matrix: Matrix, weights: np.ndarray) -> Matrix:
        columns = (*matrix.columns, Column("weight", Kind.WEIGHT))
        missing = np.column_stack([matrix.missing, np.full(len(matrix), -1, np.int16)])
        return Matrix(columns, np.column_stack([matrix.values, weights]), missing)

    real, many = draw(2_000, 6), draw(4_000, 7)
    high = many.values[:, 2] == 2
    kept = np.flatnonzero(high | (np.arange(4_000) % 2 == 0))
    other = many.take(kept)
    by_design = np.where(high[kept], 1.0, 2.0)
    table = "count by education × works"
    for weights, status in ((np.ones(len(kept)), "fail"), (by_design, "pass")):
        tables = weighed(real, np.ones(2_000)), weighed(draw(400, 8), np.ones(400)), weighed(other, weights)
        part = analyses(Context(*tables, "income", 0, EvaluationOptions(analyses=ASKED), SILENT))
        assert metric(part, "analysis_worst", table).status == status
        assert metric(part, "analysis_worst", ASKED[0]["formula"]).status == "pass"
    default = analyses(Context(*tables, "income", 0, EvaluationOptions(), SILENT))
    assert not any("weight" in m.subject for m in default.metrics)


@pytest.mark.parametrize("rows", [0, 1, 5, 30])
def test_small_samples_and_holdouts_are_survived(rows: int) -> None:
    options = EvaluationOptions(analyses=ASKED)
    for real, holdout, synthetic in ((800, rows, 300), (800, 0, max(rows, 1)), (max(rows, 1), rows, 100)):
        part = analyses(Context(draw(real, 1), draw(holdout, 2), draw(synthetic, 3), "income", 0, options, SILENT))
        assert all(m.note for m in part.metrics)
        assert all((m.value is None) == (m.status == "unavailable") for m in part.metrics)
