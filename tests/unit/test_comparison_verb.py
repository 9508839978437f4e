"""The verb `compare`: ranks, tests, curves, several targets, groups, a test table; repeats, stops and refuses."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from models.comparison.compare import Comparison, compare
from models.comparison.options import CompareOptions
from models.comparison.problem import read_problem
from models.errors import Cancelled, InvalidInput
from models.ingest import table_from_frame
from models.progress import Silent
from models.table import Table

QUICK = ["linear", "tree", "knn"]


def frame(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "farmer", "miner"], rows)
    income = 20_000 + 300 * age + np.where(job == "clerk", 8_000, 0) + rng.normal(0, 2_000, rows)
    ill = rng.random(rows) < 1 / (1 + np.exp(-(age - 50) / 6))
    deaf = rng.random(rows) < 1 / (1 + np.exp(-(age - 70) / 3))
    kind = np.digitize(age + rng.normal(0, 4, rows), [35, 60])
    return pd.DataFrame(
        {
            "person": [f"P{i:05d}" for i in range(rows)],
            "household": rng.integers(100, 160, rows),
            "age": np.where(rng.random(rows) < 0.05, None, age),
            "job": job,
            "income": income.round(2),
            "ill": np.where(ill, "yes", "no"),
            "deaf": np.where(deaf, "1", "2"),
            "stage": np.array(["young", "middle", "old"])[kind],
            "noise": rng.normal(size=rows).round(3),
        }
    )


@pytest.fixture(scope="module")
def table() -> Table:
    return table_from_frame(frame())


def options(**raw: object) -> CompareOptions:
    return CompareOptions.from_json({"methods": QUICK, "folds": 3, "ignore": ["household"], **raw})


@pytest.fixture(scope="module")
def found(table: Table) -> Comparison:
    return compare(
        table,
        options(
            targets=["ill", "stage", "income", ["ill", "deaf"], ["income", "noise"]], vary={"tree": {"leaf": [1, 40]}}
        ),
    )


def test_every_target_is_a_comparison_of_its_own(found: Comparison) -> None:
    sections = found.sections["comparisons"]
    assert [s["task"] for s in sections] == ["binary", "multiclass", "regression", "multilabel", "multitarget"]
    assert [s["measure"] for s in sections] == ["accuracy", "accuracy", "r2", "accuracy", "r2"]
    for s in sections:
        assert [m["rank"] for m in s["methods"]] == [1, 2, 3]
        values = [m["scores"][s["measure"]]["value"] for m in s["methods"]]
        assert values == sorted(values, reverse=True)
        assert s["best"]["method"] == s["methods"][0]["method"]
        assert s["methods"][0]["label"].capitalize() in s["verdict"]
        for m in s["methods"]:
            for score in m["scores"].values():
                assert len(score["folds"]) == 3
            got = m["scores"][s["measure"]]
            assert got["low"] < got["value"] < got["high"]
            assert got["value"] == pytest.approx(np.mean(got["folds"]), rel=1e-4)
            assert m["seconds"]["fit"] > 0
        assert s["methods"][0]["difference"] is None
        assert all(m["difference"]["value"] >= 0 for m in s["methods"][1:])
        assert [p["rows"] for p in s["learning_curve"]["points"]] == [20, 50, 100, 150, 200]
        assert s["validation_curves"][0]["points"][1]["value"] == 40
    assert sections[2]["methods"][0]["method"] == "linear"
    assert sections[2]["methods"][0]["scores"]["r2"]["value"] > 0.8
    assert {"column": "person", "why": "kind identifier"} in sections[0]["left_out"]


def test_two_classes_come_with_thresholds_and_curves(found: Comparison) -> None:
    s = found.sections["comparisons"][0]
    assert (s["classes"], s["positive"]) == (["no", "yes"], "yes")
    counts = np.array(s["best"]["confusion"]["counts"])
    assert counts.sum() == 300
    best = s["methods"][0]
    half = next(t for t in s["best"]["thresholds"] if t["threshold"] == 0.5)
    assert [half["tn"], half["fp"], half["fn"], half["tp"]] == counts.ravel().tolist()
    assert np.trace(counts) / 300 == pytest.approx(best["scores"]["accuracy"]["value"], abs=1e-4)
    assert best["roc"]["tpr"][-1] == 1
    assert best["pr"]["recall"][-1] == 1
    assert best["calibration"]
    test = s["methods"][1]["difference"]["mcnemar"]
    assert test["only_best"] >= test["only_this"]


def test_more_classes_and_labels_come_one_against_the_rest(found: Comparison) -> None:
    classes, labels = found.sections["comparisons"][1], found.sections["comparisons"][3]
    assert {c["class"] for c in classes["best"]["one_against_rest"]} == {"young", "middle", "old"}
    assert labels["labels"] == {"ill": "yes", "deaf": "1"}  # of 1 and 2 the rarer one
    assert set(labels["best"]["thresholds"]) == {"ill", "deaf"}
    assert labels["methods"][0]["each"]["deaf"]["roc_auc"] > 0.8
    assert found.sections["comparisons"][4]["methods"][0]["each"]["income"]["r2"] > 0.8


def test_metrics_stand_beside_the_baseline_and_survive_json(found: Comparison) -> None:
    raw = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert raw["kind"] == "comparison"
    assert Comparison.from_json(raw).to_json() == raw
    keys = {(m.name, m.subject) for m in found.metrics}
    assert len(keys) == len(found.metrics)
    metric = next(m for m in found.metrics if (m.name, m.subject) == ("accuracy", "ill: logistic regression"))
    assert metric.floor is not None
    assert metric.value is not None
    assert metric.floor < 0.6 < metric.value
    with pytest.raises(InvalidInput, match="no comparison"):
        Comparison.from_json({**raw, "kind": "fidelity"})


def test_equal_seeds_give_equal_figures_and_others_do_not(table: Table) -> None:
    def figures(seed: int) -> list[object]:
        got = compare(table, options(targets=["ill"], methods=["tree"], seed=seed, learning_curve=False))
        return [(m.name, m.value, m.low) for m in got.metrics]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_nothing_predicts_noise_and_the_verdict_says_so(table: Table) -> None:
    got = compare(table, options(targets=["noise"], methods=["linear", "tree"], ignore=["household", "income"]))
    assert "no better than the baseline" in got.sections["verdict"]["summary"]
    assert "on others -0.0" in got.sections["comparisons"][0]["learning_curve"]["reading"]


def test_groups_are_kept_together_and_are_no_feature(table: Table) -> None:
    raw = {"targets": ["ill"], "groups": "household", "ignore": [], "methods": ["tree"], "learning_curve": False}
    section = compare(table, options(**raw)).sections["comparisons"][0]
    assert {"column": "household", "why": "groups"} in section["left_out"]
    assert "grouped 3-fold" in section["folds"]["text"]
    problem = read_problem(table, ["ill"], options(**raw))
    assert problem.groups is not None
    assert len(np.unique(problem.groups)) == len(set(frame()["household"]))


def test_a_test_table_takes_no_part_in_the_folds(table: Table) -> None:
    more = frame(200, seed=1)
    more["person"] = [f"Q{i:05d}" for i in range(200)]
    other = Table(table.schema, table_from_frame(more).data)
    asked = options(targets=["ill"], learning_curve=False)
    alone, tested = compare(table, asked), compare(table, asked, test=other)
    a, b = (c.sections["comparisons"][0] for c in (alone, tested))
    assert a["methods"][0]["scores"] == b["methods"][0]["scores"]
    assert b["rows"]["test"] == 200
    for m in b["methods"]:
        got = m["test"]["accuracy"]
        assert got["low"] <= got["value"] <= got["high"]
        assert got["value"] > 0.6


def test_test_rows_of_a_class_that_nobody_learnt_are_left_out_and_counted(table: Table) -> None:
    old = table.data.column("stage").to_pylist()
    young = table.take(np.flatnonzero([s != "old" for s in old]))
    section = compare(young, options(targets=["stage"], learning_curve=False), test=table).sections["comparisons"][0]
    assert section["classes"] == ["middle", "young"]
    assert section["rows"]["test"] == len(young)
    assert section["rows"]["test_left_out"] == sum(s == "old" for s in old)


def test_only_the_training_fold_is_balanced(table: Table) -> None:
    for balance in ("weights", "oversample", "undersample"):
        got = compare(table, options(targets=["deaf"], methods=["linear"], balance=balance, learning_curve=False))
        plain = compare(table, options(targets=["deaf"], methods=["linear"], learning_curve=False))
        recall = [c.sections["comparisons"][0]["methods"][0]["scores"]["recall"]["value"] for c in (got, plain)]
        assert recall[0] > recall[1]
        assert np.sum(got.sections["comparisons"][0]["best"]["confusion"]["counts"]) == 300


class Stopped(Silent):
    """Asks to stop at the n-th check."""

    def __init__(self, checks: int) -> None:
        self.left = checks
        self.said: list[tuple[float, str]] = []

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.said.append((fraction, message))

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("Stopped.")


def test_work_tells_how_far_it_is_and_can_be_stopped(table: Table) -> None:
    calm = Stopped(10_000)
    compare(table, options(targets=["ill", "stage"]), progress=calm)
    fractions = [f for f, _ in calm.said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert (pytest.approx(1 / 3 * 0.8 / 3 / 2), "ill: logistic regression, fold 2 of 3") in calm.said
    for checks in (0, 4, 12):
        with pytest.raises(Cancelled):
            compare(table, options(targets=["ill"]), progress=Stopped(checks))


def test_networks_take_their_part_and_a_convolution_reads_ordered_columns() -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(0, 8, 240)
    waves = rng.normal(0, 0.3, (240, 12))
    rising = rng.random(240) < 0.5
    for k in range(4):  # a slope somewhere in the window, up or down
        waves[np.arange(240), place + k] += np.where(rising, k, 3 - k)
    data = pd.DataFrame({f"t{k}": waves[:, k].round(3) for k in range(12)}).assign(kind=np.where(rising, "up", "down"))
    quick = {"epochs": 15, "members": 1}
    asked = options(
        targets=["kind"],
        methods=["mlp", "conv1d"],
        ordered=[f"t{k}" for k in range(12)],
        method_options={"mlp": quick, "conv1d": quick},
        ignore=[],
        learning_curve=False,
    )
    section = compare(table_from_frame(data), asked).sections["comparisons"][0]
    assert {m["method"]: m["note"] for m in section["methods"]} == {"mlp": "", "conv1d": ""}
    got = {m["method"]: m["scores"]["accuracy"]["value"] for m in section["methods"]}
    assert got["conv1d"] > 0.85
    with pytest.raises(InvalidInput, match="no feature"):
        compare(table_from_frame(data), options(targets=["kind"], methods=["conv1d"], ordered=["kind"], ignore=[]))


def test_a_method_that_cannot_learn_is_named_and_the_others_go_on(table: Table) -> None:
    few = table.take(np.flatnonzero(np.arange(300) < 60))
    asked = options(targets=["ill"], method_options={"tree": {"leaf": 1}, "linear": {"scaling": "standard"}})
    assert compare(few, asked).sections["comparisons"][0]["methods"][0]["note"] == ""


def test_what_cannot_be_compared_is_refused_with_the_remedy(table: Table) -> None:
    constant = frame(60).assign(same="x", blank=None, rare=["a"] * 58 + ["b"] * 2)
    odd = table_from_frame(constant)
    for asked, match in [
        ({"targets": ["wage"]}, "no column 'wage'"),
        ({"targets": ["person"]}, "not modelled"),
        ({"targets": ["ill"], "groups": "town"}, "'town' \\(groups\\)"),
        ({"targets": ["ill"], "groups": "ill"}, "groups column too"),
        ({"targets": ["ill"], "features": ["wage"]}, "'wage' \\(features\\)"),
        ({"targets": ["ill"], "features": []}, "no column to predict from"),
        ({"targets": [["ill", "income"]]}, "predicted together"),
        ({"targets": [["ill", "stage"]]}, "predicted together"),
        ({"targets": ["ill"], "task": "number"}, "labels, not numbers"),
        ({"targets": ["income"], "task": "classes"}, "has 300 classes"),
        ({"targets": ["income"], "measure": "accuracy"}, "does not fit"),
        ({"targets": ["ill"], "method_options": {"tree": {"trees": 3}}}, "no option of method tree"),
        ({"targets": ["ill"], "vary": {"tree": {"trees": [3, 4]}}}, "no option of method tree"),
        ({"targets": ["income"], "balance": "weights"}, "no classes"),
    ]:
        with pytest.raises(InvalidInput, match=match) as caught:
            compare(table, options(**asked))
        assert caught.value.hint
    for asked, match in [
        ({"targets": ["same"]}, "constant"),
        ({"targets": ["rare"]}, "1 of the target's 2 classes have fewer rows"),
        ({"targets": ["ill"], "features": ["blank"]}, "Every feature is missing|no column to predict"),
        ({"targets": ["blank"]}, "missing in every row|not modelled|constant"),
    ]:
        with pytest.raises(InvalidInput, match=match) as caught:
            compare(odd, options(**asked))
        assert caught.value.hint


def test_rare_classes_are_merged_when_asked_for() -> None:
    rare = frame(100)
    rare["stage"] = np.where(np.arange(100) == 0, "newborn", np.where(np.arange(100) == 1, "ancient", rare["stage"]))
    asked = options(targets=["stage"], merge_rare=True, methods=["tree"], learning_curve=False)
    section = compare(table_from_frame(rare), asked).sections["comparisons"][0]
    # Two rows are too few for three folds: the next class joins them.
    assert section["classes"] == ["middle", "old", "(other)"]
    assert np.sum(section["best"]["confusion"]["counts"]) == 100
