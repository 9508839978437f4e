"""Weighted figures: what they are, what chance makes of them, and defects that only they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.bars import judge
from models.evaluation.context import Context
from models.evaluation.details import details
from models.evaluation.fidelity import fidelity
from models.evaluation.marginals import compare, trend_errors, tuple_errors
from models.evaluation.matrix import Cells, Floats, Ints, Matrix, weights_of
from models.evaluation.nulls import correlation_moments, variation_moments
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Metric
from models.evaluation.verdict import scorecard, verdict
from models.evaluation.weighing import Weighing, worth
from models.progress import SILENT
from models.schema import Column, Kind

COLUMNS = (
    Column("region", Kind.CATEGORICAL, categories=("n", "e", "s", "w")),
    Column("sex", Kind.CATEGORICAL, categories=("f", "m")),
    Column("age", Kind.INTEGER),
    Column("income", Kind.DECIMAL, missing_codes=("?",)),
    Column("weight", Kind.WEIGHT),
)
SEX, WEIGHT = 1, 4


def survey(rows: int, seed: int) -> Matrix:
    """Regions sampled at different rates; weights are skewed, and larger for the young."""
    rng = np.random.default_rng(seed)
    region, sex = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1]), rng.integers(0, 2, rows)
    age = rng.integers(0, 90, rows)
    income = np.exp(rng.normal(7 + age / 90 + sex / 4, 0.5))
    weight = np.round(np.array([20, 40, 60, 150])[region] * np.exp(rng.normal(0, 0.7, rows) - age / 120)) + 1
    values = np.column_stack([region, sex, age, income, weight]).astype(float)
    missing = np.full(values.shape, -1, np.int16)
    gone = rng.random(rows) < 0.1
    values[gone, 3], missing[gone, 3] = np.nan, 0
    return Matrix(COLUMNS, values, missing)


def looked(synthetic: Matrix, seed: int = 0, rows: int = 1500) -> list[Metric]:
    real, holdout = survey(rows, 100 + seed), survey(rows // 2, 200 + seed)
    context = Context(real, holdout, synthetic, None, seed, EvaluationOptions(), SILENT)
    return judge([*fidelity(context).metrics, *details(context).metrics], {})


def failing(metrics: list[Metric]) -> set[str]:
    return {m.name for m in metrics if m.status == "fail"}


def weigh(matrix: Matrix, weight: Floats) -> Matrix:
    values = matrix.values.copy()
    values[:, WEIGHT] = weight
    return replace(matrix, values=values)


def test_weighted_distances_are_those_of_rows_repeated() -> None:
    a, b = survey(400, 1), survey(300, 2)
    tables = [weigh(m, np.arange(len(m)) % 4) for m in (a, b)]
    repeated = [m.take(np.repeat(np.arange(len(m)), np.arange(len(m)) % 4)) for m in tables]
    cells = Cells.fit(tables[0], 10)
    weighing = Weighing.of(tables, np.random.default_rng(0))
    assert weighing is not None
    pairs = [(0, 1), (0, 3), (2, 3)]
    got = trend_errors(tables, cells, pairs, weighing)
    assert got.by_table == pytest.approx(trend_errors(repeated, cells, pairs).by_table)
    triples = tuple_errors([cells.codes(t) for t in tables], cells.sizes, [(0, 1, 3)], weighing)
    known = tuple_errors([cells.codes(t) for t in repeated], cells.sizes, [(0, 1, 3)])
    assert triples.by_table == pytest.approx(known.by_table)
    low, high = got.interval(0)
    assert low < got.by_table[0, 0] < high
    assert Weighing.of([a, weigh(b, np.zeros(300))], np.random.default_rng(0)) is None


def test_equal_weights_deal_as_counts_do() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.zipf(1.5, 600).clip(0, 300), rng.zipf(1.5, 400).clip(0, 300)
    deals = rng.permuted(np.tile(np.repeat([1.0, 0.0], [600, 400]), (300, 1)), axis=1)
    mean, deviation = Weighing((np.ones(600), np.ones(400)), deals).variation_moments(a, b, 301)
    known = variation_moments(*(np.bincount(x, minlength=301).astype(float) for x in (a, b)))
    assert mean == pytest.approx(known[0], rel=0.03)
    assert deviation == pytest.approx(known[1], rel=0.25)


def test_chance_is_what_fresh_weighted_rows_read() -> None:
    """Sparse cells and a dense pair, over fresh samples."""
    cells = Cells.fit(survey(5000, 0), 20)

    def keys(m: Matrix, columns: tuple[int, ...]) -> Ints:
        codes, out = cells.codes(m), np.zeros(len(m), np.int64)
        for j in columns:
            out = out * cells.sizes[j] + codes[:, j]
        return out

    for columns in ((0, 1), (0, 2, 3)):
        size = int(np.prod([cells.sizes[j] for j in columns]))
        read, told = [], []
        for seed in range(60):
            tables = [survey(600, 1000 + 2 * seed), survey(500, 1001 + 2 * seed)]
            weighing = Weighing.of(tables, np.random.default_rng(seed))
            distance, _, moments = compare([keys(t, columns) for t in tables], size, weighing)
            read.append(distance[0])
            told.append(moments)
        mean, deviation = np.mean(told, axis=0)
        assert np.mean(read) == pytest.approx(mean, rel=0.05)
        assert 0.8 < deviation / np.std(read) < 1.6


def test_chance_of_weighted_correlations() -> None:
    read, told = [], []
    for seed in range(80):
        tables = [survey(6000, 5000 + 2 * seed), survey(5000, 5001 + 2 * seed)]
        w = [weights_of(t) for t in tables]
        own = [x for x in w if x is not None]
        r = []
        for t, weight in zip(tables, own, strict=True):
            here = np.isfinite(t.values[:, 3])
            cov = np.cov(t.values[here, 2], t.values[here, 3], aweights=weight[here])
            r.append(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]))
        read.append(abs(r[0] - r[1]) / 2)
        pooled = np.concatenate([t.values for t in tables])
        here = [x[np.isfinite(t.values[:, 3])].sum() for t, x in zip(tables, own, strict=True)]
        told.append(correlation_moments(pooled[:, 2], pooled[:, 3], here[0], here[1], np.concatenate(own)))
    # Student's t widens it where few rows weigh most of it.
    assert 0.9 < np.mean(told, axis=0)[0] / np.mean(read) < 1.6


def test_fresh_rows_pass_every_weighted_bar() -> None:
    """The short form of bench.calibration on weighted tables."""
    found = [looked(survey(1200, 300 + seed), seed) for seed in range(8)]
    missed = [
        [(m.name, m.subject, m.value, m.bar) for m in f if m.section == "weights" and m.status == "fail"] for f in found
    ]
    assert sum(bool(m) for m in missed) <= 1, missed
    weighted = [m for m in found[0] if m.section == "weights"]
    assert sum(m.status == "pass" for m in weighted) > 12
    whole = {m.name: m for m in weighted if not m.subject}
    names = {"total", "group", "mean", "shape", "trend", "tvd2", "tvd3"}
    assert set(whole) == {f"weighted_{n}" for n in names}
    for name in ("weighted_trend", "weighted_tvd2", "weighted_tvd3"):
        m = whole[name]
        assert m.value is not None and m.floor is not None and m.ceiling is not None and m.holdout is not None  # noqa: PT018
        assert m.value < m.floor
        assert m.low is not None and m.low <= m.value <= (m.high or 0)  # noqa: PT018
    assert not any("weight" in m.subject for m in weighted if m.name != "weighted_mean")
    assert {h["name"] for h in scorecard(found[0])["headline"]} >= {"trend", "weighted_trend", "weighted_total"}
    plain = replace(survey(300, 0), columns=(*COLUMNS[:4], Column("weight", Kind.INTEGER)))
    context = Context(plain, plain, plain, None, 0, EvaluationOptions(), SILENT)
    assert not any(m.section == "weights" for part in (fidelity, details) for m in part(context).metrics)


def permuted(m: Matrix) -> Matrix:
    return weigh(m, np.random.default_rng(0).permutation(m.values[:, WEIGHT]))


def doubled(m: Matrix) -> Matrix:
    return weigh(m, m.values[:, WEIGHT] * np.where(m.values[:, SEX] == 0, 2, 1))


def tail_of_women(m: Matrix) -> Matrix:
    """Of the heaviest twentieth of the rows, women have large weights, men the smallest: tables of rows and of binned
    weights stay as they are."""
    real, w = survey(3000, 100).values[:, WEIGHT], m.values[:, WEIGHT].copy()
    heavy, women = w >= np.quantile(real, 0.95), m.values[:, SEX] == 0
    w[heavy & women] = 0.4 * real.max()
    w[heavy & ~women] = np.quantile(real, 0.95)
    return weigh(m, w)


@pytest.mark.parametrize(
    ("plant", "columns", "names"),
    [
        (permuted, "region", {"weighted_group", "weighted_trend", "weighted_shape"}),
        (doubled, "sex", {"weighted_total", "weighted_group", "weighted_trend", "weighted_shape"}),
        (tail_of_women, "sex", {"weighted_group", "weighted_trend", "weighted_shape"}),
    ],
)
def test_a_defect_of_the_weights_fails_and_is_named(
    plant: Callable[[Matrix], Matrix], columns: str, names: set[str]
) -> None:
    metrics = looked(plant(survey(3000, 300)), rows=3000)
    assert names <= failing(metrics)
    found = verdict(metrics, [c.name for c in COLUMNS])
    assert found["status"] == "fail"
    about = [p for p in found["problems"] if p["metric"].startswith("weighted_") or "weight" in p["columns"]]
    assert any(columns in p["columns"] for p in about), found["problems"]
    assert any(p["metric"].startswith("weighted_") for p in about)
    assert found["weighted"]["fail"] > 0
    assert "weighted figures miss their bar" in found["summary"]
    if plant is tail_of_women:
        assert found["counted"]["fail"] == 0, failing(metrics)
        assert found["problems"][0]["metric"].startswith("weighted_")


def test_the_population_is_told_for_as_many_rows() -> None:
    real, made = survey(2000, 1), survey(500, 2)
    made = weigh(made, made.values[:, WEIGHT] * 1.5)
    context = Context(real, survey(500, 3), made, None, 0, EvaluationOptions(), SILENT)
    part = details(context)
    section = part.sections["weights"]
    assert section["total"]["real"] == pytest.approx(real.values[:, WEIGHT].sum())
    assert section["total"]["synthetic"] == pytest.approx(4 * made.values[:, WEIGHT].sum())
    total = next(m for m in part.metrics if m.name == "weighted_total")
    assert total.value == pytest.approx(abs(section["mean"]["synthetic"] / section["mean"]["real"] - 1))
    assert judge([total], {})[0].status == "fail"
    w = real.values[:, WEIGHT]
    assert section["effect"]["real"] == pytest.approx(2000 * (w**2).sum() / w.sum() ** 2)
    assert worth(np.ones(7)) == 7
    group = next(g for g in section["rows"] if g["subject"] == "sex = f")
    women = real.values[:, SEX] == 0
    assert group["real_total"] == pytest.approx(w[women].sum())
    assert group["real"] == pytest.approx(w[women].sum() / w.sum())


def test_weights_that_say_nothing_are_told() -> None:
    real = survey(500, 1)
    none = weigh(survey(500, 2), np.zeros(500))
    context = Context(real, survey(100, 3), none, None, 0, EvaluationOptions(), SILENT)
    found = [m for part in (fidelity, details) for m in part(context).metrics if m.section == "weights"]
    assert len(found) == 7
    assert all(m.status == "unavailable" and "equal weight" in m.note for m in found)
