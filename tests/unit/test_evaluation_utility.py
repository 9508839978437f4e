"""Utility: scores of the methods on bootstrapped rows, their ranking, the columns they lean on, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from models.evaluation.bars import judge
from models.evaluation.context import Context, Part
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Metric
from models.evaluation.utility import importance, ranking, resampling
from models.evaluation.utility.part import utility
from models.evaluation.verdict import scorecard
from models.progress import SILENT
from models.schema import Column, Kind

COLUMNS = (
    Column("class", Kind.CATEGORICAL, categories=("a", "b", "c")),
    *(Column(f"x{i}", Kind.DECIMAL) for i in range(5)),
    Column("group", Kind.BOOLEAN, categories=("no", "yes"), missing_codes=("?",)),
)


def draw(rows: int, seed: int, *, classes: int = 2, leans: int = 0, noise: float = 1.0) -> Matrix:
    """leans: the column that the class follows most."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    group = rng.integers(0, 2, rows).astype(float)
    score = 1.5 * x[:, leans] + 0.5 * x[:, 1] + group + noise * rng.normal(size=rows)
    y = np.searchsorted([0.5] if classes == 2 else [-0.5, 1.2], score).astype(float)
    group[rng.random(rows) < 0.05] = np.nan
    values = np.column_stack([y, x, group])
    return Matrix(COLUMNS, values, np.where(np.isnan(values), 0, -1).astype(np.int16))


def told(synthetic: Matrix, *, seed: int = 0, target: str = "class", rows: int = 500, **more: object) -> Part:
    classes = int(more.pop("classes", 2))  # type: ignore[call-overload]
    options = EvaluationOptions(mlp=False, **more)  # type: ignore[arg-type]
    real, holdout = draw(rows, 100 + seed, classes=classes), draw(300, 200 + seed, classes=classes)
    return utility(Context(real, holdout, synthetic, target, seed, options, SILENT))


def metric(part: Part, name: str, subject: str = "") -> Metric:
    (found,) = [m for m in judge(part.metrics, {}) if m.name == name and m.subject == subject]
    return found


@pytest.mark.parametrize("k", [2, 4])
def test_scores_in_each_draw_are_those_of_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, 300)
    p = rng.dirichlet(np.ones(k), 300).round(1)  # ties
    times = resampling.draws(300, 5, rng)
    got = resampling.class_scores(y, p, times)
    for r, w in enumerate(times):
        rows = np.repeat(np.arange(300), w.astype(int))
        guess = p[rows].argmax(axis=1)
        each = [roc_auc_score(y[rows] == c, p[rows, c]) for c in (range(k) if k > 2 else [1])]
        assert got["utility_auc"][r] == pytest.approx(np.mean(each))
        assert got["utility_macro_f1"][r] == pytest.approx(f1_score(y[rows], guess, average="macro"))
        assert got["utility_accuracy"][r] == pytest.approx(np.mean(y[rows] == guess))
    assert times[0].tolist() == [1.0] * 300


def test_scores_of_numbers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(1e6, 3, 200)
    guess = y + rng.normal(0, 2, 200)
    times = resampling.draws(200, 3, rng)
    got = resampling.number_scores(y, guess, times)
    for r, w in enumerate(times):
        assert got["utility_r2"][r] == pytest.approx(r2_score(y, guess, sample_weight=w), rel=1e-6)
        assert got["utility_mae"][r] == pytest.approx(np.average(np.abs(y - guess), weights=w))


def test_pairs_of_draws_tell_small_differences() -> None:
    """Two models that nearly agree: the paired interval is much narrower than that of either score."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 500)
    a = (y + rng.normal(size=500)).clip(0, 1)
    b = np.where(rng.random(500) < 0.02, 0.5, a)
    times = resampling.draws(500, 100, rng)
    first, second = (resampling.class_scores(y, np.column_stack([1 - p, p]), times) for p in (a, b))
    apart = resampling.differences(first, second)["utility_auc"]
    alone = resampling.told(first["utility_auc"])
    assert apart.deviation < alone.deviation / 2
    assert apart.low <= apart.value <= apart.high


def test_ranking_is_kendalls_tau_and_names_the_cost() -> None:
    real = {"a": np.array([0.9, 0.9]), "b": np.array([0.8, 0.8]), "c": np.array([0.7, 0.7])}
    same = ranking.agreement(real, real)
    assert same is not None
    assert (same["tau"], same["cost"]) == (1.0, 0.0)
    turned = ranking.agreement({"a": real["c"], "b": real["b"], "c": real["a"]}, real)
    assert turned is not None
    assert turned["tau"] == -1.0
    assert turned["cost"] == pytest.approx(0.2)
    assert (turned["best_on_real"], turned["best_on_synthetic"]) == ("a", "c")
    assert ranking.agreement({"a": real["a"]}, {"a": real["a"]}) is None


def test_overlap_and_rank_correlation_of_importances() -> None:
    a = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    assert importance.top_overlap(a, a) == 1.0
    assert importance.top_overlap(a, a[::-1]) == 0.0
    assert importance.spearman(a, -a) == -1.0
    assert np.isnan(importance.spearman(a, np.zeros(6)))


@pytest.fixture(scope="module")
def whole() -> Part:
    return told(draw(500, 1), rows=500)


def test_every_method_of_the_core_has_its_figures(whole: Part) -> None:
    subjects = {m.subject for m in whole.metrics if m.name == "utility_auc"}
    assert subjects == {
        "logistic regression", "nearest neighbours", "decision tree", "random forest", "gradient boosting",
        "support vector machine",
    }  # fmt: skip
    section = whole.sections["utility"]
    assert len(section["models"]) == 12
    assert [m["trained_on"] for m in section["models"][:2]] == ["real", "synthetic"]
    first = section["models"][0]
    assert set(first["on_synthetic"]) == {"utility_auc", "utility_macro_f1", "utility_accuracy"}
    assert first["roc"]["tpr"][-1] == 1.0
    assert first["pr"]["recall"][-1] == 1.0
    assert section["models"][1]["differences"]["utility_auc"][0] == pytest.approx(
        section["models"][1]["scores"]["utility_auc"] - first["scores"]["utility_auc"]
    )
    scores = [m["scores"]["utility_auc"] for m in section["models"][::2]]
    assert scores == sorted(scores, reverse=True)
    assert section["baseline"]["utility_auc"] == 0.5
    assert section["importance"]["columns"][0]["column"] == "x0"


def test_fresh_real_rows_are_not_blamed() -> None:
    failed = []
    for seed in range(6):
        part = told(draw((500, 800)[seed % 2], 300 + seed), seed=seed, methods=("linear", "tree"))
        failed += [(seed, m.name, m.subject, m.value, m.bar) for m in judge(part.metrics, {}) if m.status == "fail"]
    assert len(failed) <= 1, failed


def test_a_vanished_effect_is_found() -> None:
    part = told(draw(500, 1, leans=3), methods=("linear",))
    m = metric(part, "utility_auc", "logistic regression")
    assert m.status == "fail"
    assert (m.ceiling or 0) - (m.value or 0) > 0.1
    assert (metric(part, "utility_importance").value or 1) < (metric(part, "utility_importance").ceiling or 0)
    assert metric(part, "utility_importance").status == ""
    places = {c["column"]: c["places"] for c in part.sections["utility"]["importance"]["columns"]}
    assert places["x0"]["real"] == 1
    assert places["x0"]["synthetic"] > 1


def test_more_classes_and_numbers_go_through() -> None:
    three = told(draw(500, 1, classes=3), classes=3, methods=("linear", "tree", "svm"))
    assert three.sections["utility"]["task"] == "multiclass"
    assert metric(three, "utility_auc", "decision tree").status == "pass"
    assert three.sections["utility"]["ranking"]["methods"] == 3
    two = told(draw(500, 1), classes=3, methods=("linear", "svm"))  # a class that the sample lost
    assert metric(two, "utility_macro_f1", "logistic regression").status == "fail"
    number = told(draw(500, 1), target="x0", methods=("linear",))
    assert metric(number, "utility_r2", "ridge regression").status == "pass"
    assert metric(number, "utility_mae", "ridge regression").status == "pass"
    assert number.sections["utility"]["models"][0]["calibration"]


def test_without_a_target_there_is_no_figure_but_the_remedy() -> None:
    part = utility(Context(draw(50, 1), draw(50, 2), draw(50, 3), None, 0, EvaluationOptions(), SILENT))
    assert part.metrics == []
    assert "`target`" in part.sections["utility"]["note"]


def test_a_sample_of_one_class_is_predicted_as_such() -> None:
    one = draw(200, 1)
    one.values[:, 0] = 0.0
    part = told(one, methods=("linear", "knn"))
    assert metric(part, "utility_auc", "nearest neighbours").value == 0.5
    assert metric(part, "utility_auc", "nearest neighbours").status == "fail"


def test_each_target_is_judged_by_itself_and_the_first_is_the_headline() -> None:
    synthetic = draw(500, 300)
    alone = told(synthetic, methods=("linear", "tree", "boosting"))
    part = told(synthetic, methods=("linear", "tree", "boosting"), targets=("x2", "group", "class"))
    section = part.sections["utility"]
    assert (section["target"], [o["target"] for o in section["others"]]) == ("class", ["x2", "group"])
    assert [o["task"] for o in section["others"]] == ["regression", "binary"]
    assert part.metrics[: len(alone.metrics)] == alone.metrics
    subjects = {m.subject for m in part.metrics if m.name == "utility_r2"}
    assert len(subjects) == 3
    assert all(s.endswith(" × x2") for s in subjects)
    assert {m.subject for m in part.metrics if m.name == "utility_ranking"} == {"", "x2", "group"}
    assert len({(m.name, m.subject) for m in part.metrics}) == len(part.metrics)
    shown = {h["subject"] for h in scorecard(judge(part.metrics, {}))["headline"]}
    assert not any("×" in s for s in shown)


def test_a_further_target_that_cannot_be_predicted_says_why() -> None:
    real = draw(300, 1)
    flat = Matrix(COLUMNS, np.where(np.arange(7) == 3, 1.0, real.values), real.missing)
    options = EvaluationOptions(mlp=False, methods=("tree",), targets=("x2",))
    part = utility(Context(flat, flat, flat, None, 0, options, SILENT))
    assert part.sections["utility"]["target"] == "x2"
    gone = [m for m in judge(part.metrics, {}) if m.status == "unavailable"]
    assert len(gone) == len(part.metrics) > 0
    assert all("constant" in m.note for m in gone)


WEIGHTED = (*COLUMNS, Column("weight", Kind.WEIGHT))


def weighed(matrix: Matrix, *, wrong: bool = False) -> Matrix:
    """The class follows x0 in light rows, and is the other way round in heavy ones; `wrong`: the weights are changed
    about. x0 is above 0 for heavy rows, so that both can be learnt only by weight."""
    rng = np.random.default_rng(len(matrix))
    heavy = rng.random(len(matrix)) < 0.5
    y = np.where(heavy, matrix.values[:, 1] < 0, matrix.values[:, 1] > 0)
    w = np.where(heavy != wrong, 9.0, 1.0)
    values = np.column_stack([y, matrix.values[:, 1:], w])
    return Matrix(WEIGHTED, values, np.column_stack([matrix.missing, np.full(len(matrix), -1, np.int16)]))


def told_weighed(synthetic: Matrix) -> Part:
    options = EvaluationOptions(methods=("linear", "knn", "boosting"))
    real, holdout = weighed(draw(600, 100)), weighed(draw(400, 200))
    return utility(Context(real, holdout, synthetic, "class", 0, options, SILENT))


def test_models_learn_and_are_scored_with_the_weights() -> None:
    fresh = told_weighed(weighed(draw(550, 1)))
    good = metric(fresh, "utility_auc", "logistic regression")
    assert good.status == "pass"
    assert good.ceiling is not None and good.ceiling > 0.8, "unweighted rows would say .5"  # noqa: PT018
    assert "Trained and scored with the weights weight." in good.note
    assert "Trained without weights" in metric(fresh, "utility_auc", "nearest neighbours").note
    section = fresh.sections["utility"]
    assert section["weight"] == "weight"
    assert section["unweighted"] == ["nearest neighbours"]
    assert "weight" not in {c["column"] for c in section["importance"]["columns"]}
    bad = metric(told_weighed(weighed(draw(550, 1), wrong=True)), "utility_auc", "logistic regression")
    assert bad.status == "fail"
    assert bad.value is not None and bad.value < 0.3  # noqa: PT018


def test_weighted_scores_in_each_draw_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    y, w = rng.integers(0, 2, 300), rng.exponential(size=300)
    p = rng.random(300).round(1)
    times = resampling.draws(300, 4, rng, w)
    got = resampling.class_scores(y, np.column_stack([1 - p, p]), times)
    assert times[0] == pytest.approx(w)
    for r, t in enumerate(times):
        assert got["utility_auc"][r] == pytest.approx(roc_auc_score(y, p, sample_weight=t))
        assert got["utility_macro_f1"][r] == pytest.approx(f1_score(y, p > 0.5, average="macro", sample_weight=t))


def test_without_weights_nothing_is_said_of_them(whole: Part) -> None:
    assert "weight" not in whole.sections["utility"]
    assert not any("weights" in m.note for m in whole.metrics)
