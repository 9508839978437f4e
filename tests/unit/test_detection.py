"""Detection: fresh rows are a toss of a coin; what betrays a sample is named, without quoting a real row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.evaluation import betrayal
from models.evaluation.context import Part
from models.evaluation.detection import detection
from models.evaluation.matrix import Matrix, independent
from models.evaluation.result import Metric
from tests.people import COLUMNS, context, people, stacked

REAL, HOLDOUT, FRESH = people(1200, 1), people(800, 2), people(1200, 3)
WORKS, HOURS = 3, 4


def shuffled(matrix: Matrix, column: int) -> Matrix:
    order = np.random.default_rng(1).permutation(len(matrix))
    values, missing = matrix.values.copy(), matrix.missing.copy()
    values[:, column], missing[:, column] = values[order, column], missing[order, column]
    return Matrix(matrix.columns, values, missing)


def found(part: Part) -> dict[str, Any]:
    section: dict[str, Any] = part.sections["detection"]
    return section


def named(part: Part, name: str, subject: str = "") -> Metric:
    return next(m for m in part.metrics if (m.name, m.subject) == (name, subject))


@pytest.fixture(scope="module")
def fresh() -> Part:
    return detection(context(REAL, HOLDOUT, FRESH))


@pytest.fixture(scope="module")
def broken() -> Part:
    return detection(context(REAL, HOLDOUT, shuffled(FRESH, HOURS), mlp=False))


def test_fresh_rows_read_one_within_their_interval(fresh: Part) -> None:
    metric = named(fresh, "c2st")
    assert metric.value is not None
    assert metric.high == 1.0
    assert metric.value > 0.9
    for m in fresh.metrics:
        assert m.status == "pass"
        assert m.bar is not None
        assert (m.value or 0) >= m.bar if m.direction == "higher" else (m.value or 1) <= m.bar
    assert named(fresh, "detection_auc", "mlp").holdout == pytest.approx(0.5, abs=0.07)
    assert "easiest" not in found(fresh)


def test_the_null_is_calibrated_over_repeated_draws() -> None:
    held, blamed = [], 0
    for seed in range(8):
        parts = [people(n, 50 + 10 * seed + k) for k, n in enumerate((500, 60, 500))]
        part = detection(context(*parts, seed=seed, mlp=False))
        metric = named(part, "detection_auc", "gradient boosting")
        held.append((metric.low or 0) <= 0.5)
        blamed += metric.status == "fail"
    assert blamed == 0
    assert np.mean(held) >= 0.75


def test_independent_columns_fail(fresh: Part) -> None:
    part = detection(context(REAL, HOLDOUT, independent(FRESH, 1200, np.random.default_rng(2)), mlp=False))
    assert {m.status for m in part.metrics} == {"fail"}
    assert found(part)["pairs"][0]["gain"] > 0.1


def test_a_shuffled_column_is_named_with_its_partner_and_its_rows(broken: Part) -> None:
    assert named(broken, "c2st").status == "fail"
    assert found(broken)["columns"][0]["column"] in ("hours", "works", "job")
    assert "hours" in found(broken)["pairs"][0]["columns"]
    assert found(broken)["pairs"][0]["gain"] > 0.1
    easiest = found(broken)["easiest"]
    assert "hours" in easiest["marks"][0]["column"]
    for mark in easiest["marks"]:
        assert mark["easiest"] > mark["synthetic"]
    assert easiest["propensity"] > 0.9
    shares = found(broken)["propensity"]
    assert sum(shares["real"]) == pytest.approx(1)
    assert sum(shares["synthetic"]) == pytest.approx(1)
    roc = found(broken)["roc"][0]
    assert roc["tpr"][0] == 0
    assert roc["tpr"][-1] == 1
    assert np.all(np.diff(roc["tpr"]) >= -1e-12)
    assert np.interp(0.5, roc["fpr"], roc["tpr"]) > 0.7


def test_no_row_that_equals_a_training_row_is_an_example() -> None:
    odd = shuffled(FRESH, HOURS).take(np.arange(100))
    table = stacked(REAL.take(np.arange(100)), odd)
    propensity = np.concatenate([np.full(100, 0.99), np.linspace(0, 0.9, 100)])
    got = betrayal.rows(REAL, table, propensity, np.unique(REAL.row_keys()))
    assert got["examples"] == []
    got = betrayal.rows(REAL, table, propensity[::-1].copy(), np.unique(REAL.row_keys()))
    assert len(got["examples"]) == 3
    assert set(got["examples"][0]["values"]) == {c.name for c in COLUMNS}


def test_a_pair_is_named_only_for_what_its_columns_do_not_tell_by_themselves() -> None:
    moved = people(3000, 7)
    values = moved.values.copy()
    values[:, 0] += 10
    sample = Matrix(moved.columns, values, moved.missing)
    alone = betrayal.alone(people(3000, 8), sample, 20)
    assert alone.argmax() == 0
    assert alone[0] > 0.55
    pairs = betrayal.pairs(people(3000, 8), people(3000, 9), range(7), 50)
    assert pairs == []


def test_few_rows_are_unavailable_with_the_remedy() -> None:
    part = detection(context(REAL, HOLDOUT, FRESH.take(np.arange(10))))
    assert {m.status or "unavailable" for m in part.metrics} == {"unavailable"}
    assert all("larger sample" in m.note for m in part.metrics)
