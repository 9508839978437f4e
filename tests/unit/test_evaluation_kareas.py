"""k-marginal by area: a broken area is found and named first, fresh areas pass, small ones say so."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.context import Context, Part
from models.evaluation.kareas import k_marginal_areas
from models.evaluation.kmarginal import k_marginal
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.progress import SILENT
from models.schema import Column, Kind

NAMES = ("north", "south", "east", "west", "isles")
COLUMNS = (
    Column("region", Kind.CATEGORICAL, categories=NAMES),
    *(Column(n, Kind.CATEGORICAL, categories=tuple("abcde")) for n in "xyz"),
    Column("age", Kind.INTEGER),
)


def table(rows: int, seed: int) -> np.ndarray:
    """(rows, 5): region with shares .4 to .01, x, y that follows x, z, and an age that follows x."""
    rng = np.random.default_rng(seed)
    region = rng.choice(5, rows, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    x, z = rng.integers(0, 5, (2, rows))
    y = (x + (rng.random(rows) < 0.3)) % 5
    return np.stack([region, x, y, z, 20 + 10 * x + rng.integers(0, 10, rows)], axis=1)


def broken(codes: np.ndarray, region: int, seed: int = 9) -> np.ndarray:
    """Columns independent of each other in one region."""
    out, at = codes.copy(), np.flatnonzero(codes[:, 0] == region)
    rng = np.random.default_rng(seed)
    for j in range(1, 5):
        out[at, j] = out[rng.permutation(at), j]
    return out


def looked(real: np.ndarray, synthetic: np.ndarray, holdout: np.ndarray, **options: object) -> Part:
    def matrix(codes: np.ndarray) -> Matrix:
        return Matrix(COLUMNS, codes.astype(float), np.full(codes.shape, -1, np.int16))

    asked = EvaluationOptions(**options)  # type: ignore[arg-type]
    return k_marginal_areas(Context(matrix(real), matrix(holdout), matrix(synthetic), None, 0, asked, SILENT))


def test_an_area_whose_columns_are_independent_comes_first_and_the_others_pass() -> None:
    part = looked(table(3_000, 1), broken(table(3_000, 2), 2), table(1_500, 3))
    whole, worst = part.metrics
    assert (whole.subject, worst.subject, whole.status) == ("", "region = east", "fail")
    assert "east; 1 below the bar" in whole.note
    rows = part.sections["k_marginal_areas"]["rows"]
    assert [r["subject"] for r in rows[:1]] == ["region = east"]
    assert [r["status"] for r in rows] == ["fail", "pass", "pass", "pass", "unavailable"]
    assert rows[-1]["value"] is None
    assert "Needs 50 rows" in rows[-1]["note"]
    for r in rows[:4]:
        assert r["floor"] < r["bar"] < min(r["ceiling"], r["expected"])
        assert r["low"] <= r["value"] <= r["high"]
    assert rows[0]["value"] == pytest.approx(rows[0]["floor"], abs=40)
    # Known tables have the sample's rows: the smaller holdout is brought to them.
    assert all(r["holdout"] == pytest.approx(r["expected"], abs=45) for r in rows[:4])


def test_the_score_of_a_table_of_one_area_is_the_score_of_the_table() -> None:
    real, other = (np.where(np.arange(5) == 0, 0, table(800, s)) for s in (1, 2))
    real[:60, 0] = other[:60, 0] = 1  # dividing needs two groups
    real[:, 4] = other[:, 4] = 30  # the quantiles of a number are those of the whole table
    part = looked(real, other, real[:0])
    inside = [t[t[:, 0] == 0] for t in (real, other)]
    rows = {r["subject"]: r["value"] for r in part.sections["k_marginal_areas"]["rows"]}

    def matrix(codes: np.ndarray) -> Matrix:
        return Matrix(COLUMNS[1:], codes[:, 1:].astype(float), np.full(codes[:, 1:].shape, -1, np.int16))

    empty = matrix(real[:0])
    own = Context(matrix(inside[0]), empty, matrix(inside[1]), None, 0, EvaluationOptions(), SILENT)
    assert rows["region = north"] == pytest.approx(k_marginal(own).metrics[0].value)


def test_groups_that_were_asked_for_are_looked_at_numbers_in_ranges() -> None:
    part = looked(table(1_500, 1), table(1_500, 2), table(500, 3), subgroups=("z", "age"))
    rows = part.sections["k_marginal_areas"]["rows"]
    assert {r["subject"].split(" = ")[0] for r in rows} == {"z", "age"}
    assert any(r["subject"].startswith("age = below") for r in rows)


def test_fresh_rows_fail_no_area() -> None:
    for seed in range(12):
        real, fresh, held = (table(1_200, 100 + 3 * seed + k) for k in range(3))
        assert [m.status for m in looked(real, fresh, held).metrics] == ["pass"]


def test_without_areas_it_is_unavailable_and_says_what_to_do() -> None:
    def flat(seed: int) -> np.ndarray:
        return np.where(np.arange(5) == 0, 0, table(300, seed))

    (metric,) = looked(flat(1), flat(2), flat(3)).metrics
    assert metric.status == "unavailable"
    assert "subgroups" in metric.note
