"""Regressions against statsmodels, and the rules for several samples against figures worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from models.errors import InvalidInput
from models.evaluation.analyses.combining import combine
from models.evaluation.analyses.design import Design
from models.evaluation.analyses.overlap import agree, fresh
from models.evaluation.analyses.regression import fit_glm
from models.evaluation.analyses.requests import Regression, analyses_from_json
from models.evaluation.matrix import Matrix
from models.schema import Column, Kind

FAMILIES = {
    "gaussian": sm.families.Gaussian(),
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
}


def rows(family: str, n: int = 700, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(40, 12, n), rng.random(n) < 0.3, rng.exponential(1e5, n)])
    eta = x @ np.array([-1.0, 0.03, -0.5, 4e-6])
    y = {
        "gaussian": eta + rng.normal(0, 2, n),
        "binomial": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": rng.poisson(np.exp(eta / 2)).astype(float),
    }[family]
    return x, y


@pytest.mark.parametrize("family", FAMILIES)
def test_coefficients_and_errors_are_those_of_statsmodels(family: str) -> None:
    x, y = rows(family)
    ours, theirs = fit_glm(x, y, family), sm.GLM(y, x, family=FAMILIES[family]).fit(tol=1e-12)
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-6)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-5)
    assert ours.converged


@pytest.mark.parametrize("family", FAMILIES)
def test_weighted_fits_have_the_sandwich_of_statsmodels(family: str) -> None:
    x, y = rows(family)
    n = len(x)
    w = np.random.default_rng(1).uniform(0.2, 3, n)
    theirs = sm.GLM(y, x, family=FAMILIES[family], var_weights=w / w.mean()).fit(tol=1e-12)
    ours = fit_glm(x, y, family, w / w.mean())
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-6)
    robust = sm.GLM(y, x, family=FAMILIES[family], var_weights=w / w.mean()).fit(tol=1e-12, cov_type="HC0")
    np.testing.assert_allclose(ours.covariance, robust.cov_params() * n / (n - 1), rtol=1e-4)


def test_columns_that_follow_from_others_have_no_coefficient() -> None:
    x, y = rows("gaussian")
    got = fit_glm(np.column_stack([x, 3 * x[:, 1] - x[:, 2], np.zeros(len(x))]), y)
    assert got.known.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(got.coefficients[:4], fit_glm(x, y).coefficients)


def test_a_separated_response_is_told_as_such() -> None:
    x = np.column_stack([np.ones(100), np.repeat([0.0, 1.0], 50)])
    got = fit_glm(x, x[:, 1], "binomial")
    assert not got.converged
    assert np.isfinite(got.errors).all()


def test_weights_do_not_make_a_separated_level_certain() -> None:
    """All rows of one level have one outcome: the linearised error would be nothing."""
    rng = np.random.default_rng(0)
    level, y = np.repeat([0.0, 1.0], [180, 20]), (rng.random(200) < 0.5).astype(float)
    y[180:] = 1.0
    x = np.column_stack([np.ones(200), level])
    got = fit_glm(x, y, "binomial", np.ones(200))
    assert got.errors[1] > 20
    assert got.errors[0] < 0.3


def test_too_few_rows_and_constants_are_refused() -> None:
    x, y = rows("gaussian", 5)
    with pytest.raises(InvalidInput, match="too few"):
        fit_glm(x, y)
    with pytest.raises(InvalidInput, match="constant"):
        fit_glm(rows("gaussian")[0], np.ones(700))


def people(n: int = 900, seed: int = 0) -> Matrix:
    rng = np.random.default_rng(seed)
    job, sex = rng.choice(3, n, p=[0.2, 0.5, 0.3]).astype(float), rng.integers(0, 2, n).astype(float)
    age = rng.integers(18, 80, n).astype(float)
    pay = np.exp(5 + 0.02 * age + 0.3 * job - 0.2 * sex * (job == 2) + rng.normal(0, 0.4, n))
    job[rng.random(n) < 0.05] = np.nan
    columns = (
        Column("pay", Kind.DECIMAL),
        Column("age", Kind.INTEGER),
        Column("job", Kind.CATEGORICAL, categories=("cook", "clerk", "guard"), missing_codes=("?",)),
        Column("sex", Kind.BOOLEAN, categories=("f", "m")),
    )
    values = np.column_stack([pay, age, job, sex])
    return Matrix(columns, values, np.where(np.isnan(values), 0, -1).astype(np.int16))


def regression(formula: str, **more: object) -> Regression:
    (found,) = analyses_from_json([{"kind": "regression", "formula": formula, **more}])
    assert isinstance(found, Regression)
    return found


def test_a_formula_becomes_the_columns_that_statsmodels_has() -> None:
    import pandas as pd
    import statsmodels.formula.api as smf

    table = people()
    design = Design.fit(regression("log(pay) ~ age + I(age^2) + C(job)*sex"), table)
    got = design.rows(table)
    ours = dict(zip(design.names, fit_glm(got.x, got.y).coefficients, strict=True))
    frame = pd.DataFrame(table.values, columns=["pay", "age", "job", "sex"]).dropna()
    frame["job"], frame["sex"] = frame.job.astype(int), frame.sex.astype(int)
    first = int(np.bincount(frame.sex).argmax())
    words = f"np.log(pay) ~ age + I(age**2) + C(job, Treatment(1))*C(sex, Treatment({first}))"
    theirs = smf.ols(words, frame, eval_env=0).fit()
    assert len(ours) == len(theirs.params)
    np.testing.assert_allclose(sorted(ours.values()), sorted(theirs.params), rtol=1e-6)
    assert ours["I(age^2)"] == pytest.approx(theirs.params["I(age ** 2)"], rel=1e-6)
    assert got.left_out == pytest.approx(np.isnan(table.values[:, 2]).mean())
    assert design.references() == {"C(job)": "clerk", "sex": ("f", "m")[first]}


def test_labels_without_their_own_term_have_all_levels() -> None:
    table = people()
    assert Design.fit(regression("pay ~ job - 1"), table).names == ("job[clerk]", "job[guard]", "job[cook]")
    names = Design.fit(regression("pay ~ job", missing="level", rare=0.25), table).names
    assert names == ("(intercept)", "job[guard]", "job[(other)]")


def test_overlap_is_that_of_karr_and_others() -> None:
    """Intervals [0, 4] and [1, 3] share 2: (2/4 + 2/2) / 2."""
    z = 1.959963984540054
    got = agree(np.array([2.0, 0.0]), np.array([2.0, 1.0]) / z, np.array([2.0, np.nan]), np.array([1.0, 1.0]) / z, 1.0)
    assert got.overlap[0] == pytest.approx(0.75)
    assert got.overlap[1] == 0
    assert np.isnan(got.difference[1])
    apart = agree(np.array([0.0]), np.array([1.0]), np.array([10.0]), np.array([1.0]), 1.0)
    assert apart.overlap[0] < 0
    assert apart.mean_overlap == 0
    assert apart.difference[0] == 10


def test_the_bar_is_what_fresh_rows_rarely_miss() -> None:
    rng = np.random.default_rng(3)
    bars = fresh(np.eye(30), 1.0, rng)
    d = rng.standard_normal((400, 30)) * np.sqrt(2)
    found = [agree(np.zeros(30), np.ones(30), row, np.ones(30), 1.0) for row in d]
    assert np.median([a.mean_overlap for a in found]) == pytest.approx(bars.usual, abs=0.01)
    assert sum(a.mean_overlap < bars.overlap or np.abs(a.z).max() > bars.z for a in found) <= 3
    assert bars.overlap > 0.5


@pytest.mark.parametrize(
    ("kind", "variance", "degrees"),
    [
        # Three estimates 1, 2, 3 (b = 1) with variances .2, .3, .4 (v = .3).
        ("simple", (1 + 1 / 3) * 0.3, np.inf),
        ("posterior", (1 + 2 / 3) * 0.3, np.inf),
        ("partial", 1 / 3 + 0.3, 2 * (1 + 0.3 * 3) ** 2),
        ("full", 4 / 3 - 0.3, 2 * (1 - 0.3 / (4 / 3)) ** 2),
    ],
)
def test_combining_rules_against_hand_worked_figures(kind: str, variance: float, degrees: float) -> None:
    got = combine(np.array([[1.0], [2.0], [3.0]]), np.array([[0.2], [0.3], [0.4]]), 3, kind)
    assert got.estimates.tolist() == [2.0]
    assert got.variances[0] == pytest.approx(variance)
    assert got.degrees[0] == pytest.approx(max(degrees, 1.0))
    reach = 1.959964 if np.isinf(degrees) else {"partial": 2.364, "full": 8.632}[kind]
    assert got.high[0] - 2 == pytest.approx(reach * np.sqrt(variance), rel=0.01)


def test_larger_samples_do_not_make_a_population_better_known() -> None:
    """k = 10 n, m = 2: T = (10 + 1/2) v, where v is a tenth of what n rows give."""
    got = combine(np.ones((2, 1)), np.full((2, 1), 0.01), 2, "simple", ratio=10)
    assert got.variances[0] == pytest.approx(0.105)
    negative = combine(np.ones((3, 1)), np.full((3, 1), 0.3), 3, "full")
    assert negative.variances[0] == pytest.approx(0.3)


def test_rules_that_need_two_tables_say_so() -> None:
    with pytest.raises(InvalidInput, match="2 or more"):
        combine(np.ones((1, 1)), np.ones((1, 1)), 1, "partial")
    with pytest.raises(InvalidInput, match="no rule"):
        combine(np.ones((2, 1)), np.ones((2, 1)), 2, "best")


def test_the_simple_rule_covers_the_truth() -> None:
    """Mean of a normal, model fitted to n = 100 real rows, m = 3 samples of k = 200: 95% of the intervals hold it."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1_000):
        real = rng.normal(5, 2, 100)
        drawn = rng.normal(real.mean(), real.std(ddof=1), (3, 200))
        u = drawn.var(axis=1, ddof=1)[:, None] / 200
        got = combine(drawn.mean(axis=1)[:, None], u, 3, "simple", ratio=2.0)
        held += int(got.low[0] <= 5 <= got.high[0])
    assert 925 <= held <= 970
