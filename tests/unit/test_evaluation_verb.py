"""evaluate(): figures beside their yardsticks, honest about what it cannot compute, unmoved by odd tables."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.classifiers import Task
from models.classifiers.methods import METHODS
from models.errors import Cancelled, InvalidInput, InvalidSchema
from models.evaluation.evaluate import evaluate
from models.evaluation.options import METHODS as UTILITY_METHODS
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.table import Table

FAST = EvaluationOptions(
    mlp=False, sdmetrics=False, methods=("boosting",), detection_rows=400, utility_rows=400, distance_rows=300
)
COLUMNS = (
    Column("id", Kind.IDENTIFIER, storage="int64"),
    Column("age", Kind.INTEGER, minimum=0, maximum=99, missing_codes=("", "-9")),
    Column("job", Kind.CATEGORICAL, categories=("clerk", "cook", "none"), missing_codes=("?",)),
    Column("pay", Kind.DECIMAL, minimum=0, maximum=1e6, decimals=2),
    Column("rich", Kind.BOOLEAN, categories=("no", "yes")),
    Column("born", Kind.DATETIME, datetime_format="%d.%m.%Y", missing_codes=("",)),
)


def people(rows: int, seed: int) -> Table:
    """A table with dependence, a heavy tail, two kinds of missing numbers, a coded missing label and a date."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, rows)
    job = np.where(age < 16, 2, rng.integers(0, 3, rows))
    pay = np.round(np.where(job == 2, 0, np.exp(rng.normal(6, 1, rows) + age / 60)), 2)
    rich = pay > np.exp(7)
    gone = rng.random(rows)
    ages = [("-9" if g < 0.05 else "" if g < 0.1 else str(a)) for a, g in zip(age, gone, strict=True)]
    jobs = [("?" if g > 0.97 else ("clerk", "cook", "none")[j]) for j, g in zip(job, gone, strict=True)]
    born = [f"{1 + a % 28:02d}.{1 + a % 12:02d}.{2020 - a}" for a in age]
    data = {
        "id": [str(i) for i in range(rows)],
        "age": ages,
        "job": jobs,
        "pay": [f"{p:.2f}" for p in pay],
        "rich": ["yes" if r else "no" for r in rich],
        "born": born,
    }
    return Table(Schema(COLUMNS), pa.table({k: pa.array(v, pa.string()) for k, v in data.items()}))


def shuffled(table: Table, seed: int = 5) -> Table:
    rng = np.random.default_rng(seed)
    columns = {n: table.data.column(n).take(pa.array(rng.permutation(len(table)))) for n in table.data.column_names}
    return Table(table.schema, pa.table(columns))


def one_column(column: Column, cells: list[str | None]) -> Table:
    return Table(Schema((column,)), pa.table({column.name: pa.array(cells, pa.string())}))


@pytest.fixture(scope="module")
def whole() -> Evaluation:
    """Everything switched on, for a sample that is fresh real data."""
    options = EvaluationOptions(detection_rows=600, sdmetrics_rows=600, utility_rows=1500)
    return evaluate(people(1500, 1), people(500, 2), people(1500, 3), target="rich", options=options)


def test_fresh_real_rows_read_like_the_holdout(whole: Evaluation) -> None:
    for name in ("shape", "trend", "tvd2", "tvd3"):
        metric = whole.metric(name)
        assert metric.value is not None
        assert metric.holdout is not None
        assert metric.value < 2 * metric.holdout, name
        assert name == "shape" or metric.value < 0.7 * (metric.floor or 0), name
    assert (whole.metric("c2st").value or 0) > 0.9
    assert (whole.metric("utility_auc", "gradient boosting").value or 0) > 0.97
    assert abs((whole.metric("dcr_share").value or 0) - 0.5) < 0.06
    assert whole.sections["verdict"]["problems"] == []


def test_every_metric_is_unique_and_bounded_and_says_how_it_came_about(whole: Evaluation) -> None:
    keys = [(m.name, m.subject) for m in whole.metrics]
    assert len(keys) == len(set(keys))
    for m in whole.metrics:
        assert m.direction in ("higher", "lower", "target")
        assert m.note
        if m.value is not None and m.low is not None and m.high is not None and m.unit != "ratio":
            assert m.low <= m.value + 1e-6, m
            assert m.value <= m.high + 1e-6, m
    assert {m.section for m in whole.metrics} == {
        "validity",
        "columns",
        "pairs",
        "coverage",
        "missingness",
        "subgroups",
        "associations",
        "relations",
        "dates",
        "texts",
        "k_marginal",
        "detection",
        "utility",
        "analyses",
        "propensity",
        "disclosure",
        "sdmetrics",
    }


def test_json_is_clean_and_comes_back(whole: Evaluation) -> None:
    text = json.dumps(whole.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == whole
    with pytest.raises(InvalidInput, match="version"):
        Evaluation.from_json({"version": 99})


def test_identifiers_stay_out_of_every_figure_but_those_of_their_surrogates(whole: Evaluation) -> None:
    own = ("text_missing", "text_length", "identifier_repeats")
    assert all("id" not in m.subject.split(" × ") for m in whole.metrics if m.name not in own)
    assert whole.metric("identifier_repeats").value == 0.0
    assert whole.meta["columns"]["replaced"] == ["id"]


def test_sdmetrics_reports_agree_with_the_library_called_directly(whole: Evaluation) -> None:
    quality = whole.metric("sdmetrics_quality").value
    diagnostic = whole.metric("sdmetrics_diagnostic").value
    assert quality is not None
    assert 0.9 < quality <= 1
    assert diagnostic is not None
    assert diagnostic > 0.99
    shapes = whole.metric("sdmetrics_quality", "Column Shapes")
    ours = whole.metric("shape")
    assert shapes.value == pytest.approx(1 - (ours.value or 0), abs=0.02)


def test_independent_columns_read_near_the_floor_and_are_named() -> None:
    real = people(1500, 1)
    got = evaluate(real, people(500, 2), shuffled(people(1500, 4)), target="rich", options=FAST)
    for name in ("trend", "tvd2", "tvd3"):
        m = got.metric(name)
        assert m.value == pytest.approx(m.floor, rel=0.35), name
        assert (m.value or 0) > 2 * (m.ceiling or 1), name
    assert (got.metric("c2st").value or 1) < 0.3
    assert (got.metric("utility_auc", "gradient boosting").value or 1) < 0.75
    problems = {p["metric"] for p in got.sections["verdict"]["problems"]}
    assert problems & {"trend", "vanished"}, "relations explain the detection"
    assert got.sections["scorecard"]["worst_pairs"][0]["value"] > 0.2


def test_a_copy_of_the_training_rows_fails_disclosure() -> None:
    real = people(600, 1)
    got = evaluate(real, people(600, 2), real, options=replace(FAST, distance_rows=600))
    assert got.metric("copies").value == 1.0
    assert (got.metric("dcr_share").value or 0) > 0.75
    assert got.sections["verdict"]["problems"][0]["metric"] == "copies"


def test_moved_missing_values_are_found_by_column() -> None:
    real = people(1500, 1)
    other = people(1500, 3)
    ages = other.data.column("age").to_pylist()
    moved = ["-9" if i % 2 else a for i, a in enumerate(ages)]
    place = other.data.column_names.index("age")
    synthetic = Table(other.schema, other.data.set_column(place, "age", pa.array(moved, pa.string())))
    got = evaluate(real, people(500, 2), synthetic, options=FAST)
    assert (got.metric("missing", "age").value or 0) > 0.3
    assert (got.metric("missing", "job").value or 1) < 0.05
    assert got.sections["detection"]["columns"][0]["column"] == "age"
    assert got.sections["scorecard"]["worst_columns"][0]["subject"] == "age"


def test_charts_hold_shares_that_add_up_to_one(whole: Evaluation) -> None:
    assert [c["column"] for c in whole.sections["columns"]] == ["age", "job", "pay", "rich", "born"]
    for chart in whole.sections["columns"]:
        for role in ("real", "holdout", "synthetic"):
            assert len(chart[role]) == len(chart["labels"])
            assert sum(chart[role]) == pytest.approx(1, abs=1e-4)


def test_utility_section_holds_its_curves(whole: Evaluation) -> None:
    section = whole.sections["utility"]
    assert section["classes"] == ["no", "yes"]
    assert {(m["model"], m["trained_on"]) for m in section["models"]} == {
        (METHODS[m].name(Task.BINARY), s) for m in UTILITY_METHODS for s in ("real", "synthetic")
    }
    for model in section["models"]:
        assert np.sum(model["confusion"]) == 500
        assert (model["roc"]["fpr"][0], model["roc"]["tpr"][-1]) == (0.0, 1.0)
        assert sum(b["rows"] for b in model["calibration"]) == 500


def test_equal_seeds_give_equal_figures() -> None:
    tables = people(400, 1), people(200, 2), people(400, 3)
    chosen = ("forest", "svm", "mlp")  # those that draw
    options = EvaluationOptions(sdmetrics=False, detection_rows=200, utility_rows=200, methods=chosen)
    first, again, other = (evaluate(*tables, target="pay", seed=s, options=options) for s in (7, 7, 8))
    assert first.metrics == again.metrics
    assert first.sections == again.sections
    assert first.metrics != other.metrics


def test_a_numeric_target_is_a_regression_and_a_date_is_told_in_days() -> None:
    tables = people(800, 1), people(300, 2), people(800, 3)
    pay = evaluate(*tables, target="pay", options=FAST)
    assert pay.sections["utility"]["task"] == "regression"
    assert {m.name for m in pay.metrics if m.section == "utility" and m.subject} == {"utility_r2", "utility_mae"}
    born = evaluate(*tables, target="born", options=FAST)
    assert born.metric("utility_mae", "gradient boosting").unit == "days"
    assert (born.metric("utility_r2", "gradient boosting").value or 0) > 0.9


def test_without_a_target_there_is_no_utility_and_a_note_says_so() -> None:
    got = evaluate(people(100, 1), people(50, 2), people(100, 3), options=FAST)
    assert not [m for m in got.metrics if m.section == "utility"]
    assert "target" in got.sections["utility"]["note"]


def test_an_unknown_or_unmodelled_target_is_refused_with_the_columns() -> None:
    tables = people(100, 1), people(50, 2), people(100, 3)
    with pytest.raises(InvalidInput, match="'wage' is no column") as error:
        evaluate(*tables, target="wage", options=FAST)
    assert "rich" in error.value.hint
    with pytest.raises(InvalidInput, match="identifier"):
        evaluate(*tables, target="id", options=FAST)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_small_or_empty_holdout_leaves_control_groups_out(rows: int) -> None:
    got = evaluate(people(300, 1), people(rows, 2), people(300, 3), target="rich", options=FAST)
    for name in ("dcr_share", "dcr_ratio"):
        assert got.metric(name).value is None
        assert "holdout" in got.metric(name).note
    assert got.metric("utility_auc", "gradient boosting").value is None
    assert got.metric("shape").value is not None
    assert got.metric("shape").holdout is None
    assert got.metric("copies").holdout is None


def test_a_target_constant_in_the_holdout_has_no_utility_and_says_why() -> None:
    holdout = people(400, 2)
    keep = np.flatnonzero(np.array(holdout.data.column("rich").to_pylist()) == "no")
    got = evaluate(people(400, 1), holdout.take(keep), people(400, 3), target="rich", options=FAST)
    metric = got.metric("utility_auc", "gradient boosting")
    assert metric.value is None
    assert "constant in the holdout" in metric.note


def test_a_sample_of_one_class_predicts_that_class() -> None:
    sample = people(900, 3)
    keep = np.flatnonzero(np.array(sample.data.column("rich").to_pylist()) == "no")
    got = evaluate(people(400, 1), people(400, 2), sample.take(keep), target="rich", options=FAST)
    assert got.metric("utility_auc", "gradient boosting").value == 0.5


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_a_tiny_sample_is_evaluated_as_far_as_it_goes(rows: int) -> None:
    options = EvaluationOptions(mlp=True, sdmetrics=True)
    got = evaluate(people(200, 1), people(60, 2), people(rows, 3), target="rich", options=options)
    assert got.metric("shape").value is not None
    assert got.metric("copies").value is not None
    if rows < 30:
        assert got.metric("c2st").value is None
        assert "rows" in got.metric("c2st").note
    json.dumps(got.to_json(), allow_nan=False)


def test_odd_columns_are_survived() -> None:
    rows = 120
    words = tuple(f"w{i}" for i in range(700))
    columns = (
        Column("gone", Kind.DECIMAL, missing_codes=("",)),
        Column("gone label", Kind.CATEGORICAL, categories=("a",), missing_codes=("",)),
        Column("same", Kind.INTEGER),
        Column("same label", Kind.CATEGORICAL, categories=("only",)),
        Column("wide", Kind.CATEGORICAL, categories=words),
        Column("x", Kind.DECIMAL, decimals=3),
    )

    def table(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        data = {
            "gone": [""] * rows,
            "gone label": [""] * rows,
            "same": ["4"] * rows,
            "same label": ["only"] * rows,
            "wide": [words[i] for i in rng.integers(0, 700, rows)],
            "x": [f"{v:.3f}" for v in rng.normal(size=rows)],
        }
        return Table(Schema(columns), pa.table({k: pa.array(v, pa.string()) for k, v in data.items()}))

    options = EvaluationOptions(detection_rows=120, utility_rows=120, methods=("linear", "tree", "boosting", "mlp"))
    got = evaluate(table(1), table(2), table(3), target="wide", options=options)
    for name in ("gone", "gone label", "same", "same label"):
        assert got.metric("shape", name).value == 0.0
    assert got.metric("trend", "gone × same").value == 0.0
    assert got.sections["utility"]["classes"][-1] == "(other)"


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (Column("only", Kind.INTEGER), [str(i % 50) for i in range(200)]),
        (Column("only", Kind.CATEGORICAL, categories=("a", "b")), ["a", "b"] * 100),
        (Column("only", Kind.CATEGORICAL, categories=("a",), missing_codes=("",)), [None, "a"] * 100),
    ],
)
def test_a_single_column_has_no_pairs_but_a_shape(column: Column, cells: list[str | None]) -> None:
    table = one_column(column, cells)
    got = evaluate(table, table, table, target="only", options=EvaluationOptions(detection_rows=100))
    assert got.metric("shape").value == 0.0
    assert got.metric("trend").value is None
    assert "pair" in got.metric("trend").note
    utility = [m for m in got.metrics if m.section == "utility"]
    assert utility
    assert all(m.value is None and "only modelled column" in m.note for m in utility)


def test_three_hundred_columns_are_bounded() -> None:
    rng = np.random.default_rng(0)
    columns = tuple(Column(f"c{i}", Kind.INTEGER) for i in range(300))

    def table() -> Table:
        cells = rng.integers(0, 9, (80, 300)).astype(str)
        return Table(Schema(columns), pa.table({c.name: cells[:, i].tolist() for i, c in enumerate(columns)}))

    options = EvaluationOptions(mlp=False, sdmetrics=False, pairs=150, triples=40)
    got = evaluate(table(), table(), table(), options=options)
    assert got.meta["sample_sizes"]["pairs"] == 150
    assert got.meta["sample_sizes"]["triples"] == 40
    assert not got.sections["pairs"]["complete"]


def test_a_table_that_does_not_fit_is_refused_by_role_and_column() -> None:
    real = people(100, 1)
    with pytest.raises(InvalidInput, match=r"synthetic table lacks column\(s\) 'pay'"):
        evaluate(real, real, Table(real.schema, real.data.drop_columns(["pay"])), options=FAST)
    place = real.data.column_names.index("job")
    foreign = real.data.set_column(place, "job", pa.array(["spy"] * 100, pa.string()))
    with pytest.raises(InvalidSchema, match="synthetic table does not fit") as error:
        evaluate(real, real, Table(real.schema, foreign), options=FAST)
    assert "spy" not in str(error.value.to_problem())
    with pytest.raises(InvalidInput, match="no rows"):
        evaluate(real, real, real.take(slice(0, 0)), options=FAST)


def test_evaluation_stops_when_asked_and_reports_how_far_it_is() -> None:
    class Watch(Silent):
        def __init__(self) -> None:
            self.fractions: list[float] = []

        def update(self, fraction: float, message: str = "", **values: float) -> None:
            self.fractions.append(fraction)

        def check(self) -> None:
            if len(self.fractions) > 4:
                raise Cancelled("Stopped.")

    watch = Watch()
    with pytest.raises(Cancelled):
        evaluate(people(200, 1), people(60, 2), people(200, 3), options=FAST, progress=watch)
    assert watch.fractions == sorted(watch.fractions)
    assert 0 < watch.fractions[-1] < 1


def test_options_are_validated() -> None:
    assert EvaluationOptions.from_json({"rows": 10}).rows == 10
    assert EvaluationOptions.from_json(EvaluationOptions().to_json()) == EvaluationOptions()
    for bad in ({"rows": 0}, {"rows": "many"}, {"mlp": 1}, {"speed": 3}, {"methods": ["oracle"]}, {"folds": math.inf}):
        with pytest.raises(InvalidInput):
            EvaluationOptions.from_json(bad)
