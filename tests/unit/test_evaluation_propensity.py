"""S_pMSE: its expectation holds, a planted defect is found, fresh real rows are not blamed."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from models.evaluation.context import Context, Part
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.propensity import cell_spmse, propensity, spmse
from models.evaluation.result import Metric
from models.progress import SILENT
from models.schema import Column, Kind

COLUMNS = (
    Column("age", Kind.INTEGER),
    Column("pay", Kind.DECIMAL, missing_codes=("",)),
    Column("job", Kind.CATEGORICAL, categories=("cook", "clerk", "guard")),
    Column("sex", Kind.BOOLEAN, categories=("f", "m")),
)


def draw(rows: int, seed: int, *, older: float = 0.0, tied: bool = True) -> Matrix:
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, rows)
    job = np.where(rng.random(rows) < 0.6, sex if tied else rng.integers(0, 2, rows), 2)
    age = rng.normal(40 + older, 12, rows).round()
    pay = np.where(rng.random(rows) < 0.1, np.nan, np.exp(5 + age / 50 + rng.normal(0, 0.5, rows)))
    values = np.column_stack([age, pay, job, sex]).astype(float)
    return Matrix(COLUMNS, values, np.where(np.isnan(values), 0, -1).astype(np.int16))


def told(synthetic: Matrix, rows: int = 1_000, seed: int = 0) -> Part:
    real, holdout = draw(rows, 1_000 + seed), draw(rows // 2, 2_000 + seed)
    return propensity(Context(real, holdout, synthetic, None, seed, EvaluationOptions(), SILENT))


def metric(part: Part, name: str) -> Metric:
    (found,) = [m for m in part.metrics if m.name == name]
    return found


def test_pmse_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(600), rng.normal(size=(600, 3))])
    y = (rng.random(600) < 0.4).astype(int)
    got, k = spmse(x, y)
    p = sm.GLM(y, x, family=sm.families.Binomial()).fit().predict()
    c = y.mean()
    assert k == 4
    assert got == pytest.approx(((p - c) ** 2).mean() / (3 * (1 - c) ** 2 * c / 600), rel=1e-5)


def test_cells_are_a_saturated_regression() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 4, 500), rng.integers(0, 4, 700)
    codes = np.concatenate([a, b])
    dummies = (codes[:, None] == np.arange(4)).astype(float)
    dummies[:, 0] = 1.0
    assert cell_spmse(a, b, 6) == pytest.approx(spmse(dummies, np.repeat([0, 1], [500, 700])))


@pytest.mark.parametrize("size", [300, 1_000])
def test_a_right_model_reads_one_and_fresh_rows_what_they_should(size: int) -> None:
    """A bootstrap of the real rows shares their luck, fresh rows do not: 1 and 1 + m/n."""
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.ones(12))
    right, fresh = [], []
    for _ in range(150):
        real = rng.choice(12, 500, p=shares)
        right.append(cell_spmse(real, rng.choice(real, size), 12)[0])
        fresh.append(cell_spmse(real, rng.choice(12, size, p=shares), 12)[0])
    assert np.mean(right) == pytest.approx(1, abs=0.1)
    assert np.mean(fresh) == pytest.approx(1 + size / 500, rel=0.1)


def test_fresh_real_rows_pass() -> None:
    failed = []
    for seed in range(12):
        part = told(draw((500, 1_000, 2_000)[seed % 3], seed), seed=seed)
        failed += [(seed, m.name, m.value, m.bar) for m in part.metrics if m.status == "fail"]
    assert len(failed) <= 1, failed


def test_a_shifted_column_and_a_lost_relation_are_found() -> None:
    older = told(draw(1_000, 1, older=6))
    assert metric(older, "spmse").status == "fail"
    apart = told(draw(1_000, 1, tied=False))
    assert metric(apart, "spmse_pairs").status == "fail"
    assert apart.sections["propensity"]["pairs"][0]["columns"] == ["job", "sex"]
    value = metric(apart, "spmse_pairs")
    assert value.ceiling is not None
    assert value.ceiling < 2 < (value.value or 0) < (value.floor or 0)


@pytest.mark.parametrize("rows", [0, 1, 29, 40])
def test_few_rows_are_unavailable_with_their_reason(rows: int) -> None:
    part = propensity(Context(draw(400, 1), draw(rows, 2), draw(rows, 3), None, 0, EvaluationOptions(), SILENT))
    for m in part.metrics:
        assert (m.value is None) == (rows < 30)
        assert m.status == ("unavailable" if rows < 30 else "pass")
        assert m.note


def test_constant_columns_and_a_single_one_are_survived() -> None:
    one = draw(300, 1)
    one.values[:] = 1.0
    one.missing[:] = -1
    part = propensity(Context(one, one, one, None, 0, EvaluationOptions(), SILENT))
    assert all(m.status in ("unavailable", "pass") for m in part.metrics)
    only = Matrix(COLUMNS[:1], draw(300, 1).values[:, :1], draw(300, 1).missing[:, :1])
    part = propensity(Context(only, only, only, None, 0, EvaluationOptions(), SILENT))
    assert metric(part, "spmse_pairs").status == "unavailable"
    assert metric(part, "spmse").status == "pass"
