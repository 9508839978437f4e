"""The page of a comparison of methods: ranking, drawings with tables, nothing but text from outside."""

from typing import Any

from service.reports.html import render, render_side, tables
from tests.fidelity_report import report

ROC = {"fpr": [0.0, 0.2, 1.0], "tpr": [0.0, 0.8, 1.0]}


def method(name: str, value: float | None, rank: int | None, **more: Any) -> dict[str, Any]:
    scores = {} if value is None else {"accuracy": {"value": value, "low": value - 0.02, "high": value + 0.02}}
    base = {"method": name, "label": name, "rank": rank, "note": "", "scores": scores, "difference": None, "test": None}
    return {**base, "roc": ROC, "pr": None, "calibration": [], "seconds": {"fit": 0.5}, **more}


def comparison(target: str = "ill", **more: Any) -> dict[str, Any]:
    """The report of a comparison for one target."""
    points = [{"rows": 100 * k, "training": 0.9, "validation": 0.7 + k / 50, "low": 0.6, "high": 0.8} for k in (1, 2)]
    depth = [
        {"value": v, "training": 0.9, "validation": 0.8, "low": 0.7, "high": 0.9, "reading": "good"} for v in (1, 9)
    ]
    thresholds = [
        {"threshold": t, "tn": 1, "fp": 2, "fn": 3, "tp": 4, "fpr": 0.6, "tpr": 0.5, "precision": 0.6, "f1": t}
        for t in (0.0, 0.5)
    ]
    worse = {"value": 0.1, "low": 0.05, "high": 0.15, "p": 0.001, "p_adjusted": 0.002, "worse": True}
    section = {
        "target": target, "task": "binary", "measure": "accuracy", "direction": "higher", "verdict": "forest is best.",
        "rows": {"used": 918, "without_target": 2, "test": None}, "features": ["a", "b"],
        "left_out": [{"column": target, "why": "text"}], "folds": {"text": "5-fold cross-validation"},
        "baseline": {"label": "majority class", "scores": {"accuracy": 0.55}},
        "methods": [
            method("forest", 0.87, 1), method("knn", 0.77, 2, difference=worse, roc=None),
            method("svm", None, None, note="took too long", roc=None),
        ],
        "best": {"method": "forest", "label": "forest", "thresholds": thresholds, "one_against_rest": [],
                 "confusion": {"classes": [target, "1"], "counts": [[90, 10], [5, 95]]}},
        "learning_curve": {"label": "forest", "measure": "accuracy", "points": points, "reading": "More rows help."},
        "validation_curves": [{"label": "tree", "option": "depth", "measure": "accuracy", "points": depth, "best": 9,
                               "reading": "9 is best."}],
    }  # fmt: skip
    sections = {"verdict": {"summary": "forest is best.", "problems": []}, "comparisons": [section], **more}
    shell = {**report(), "kind": "comparison", "sample": None, "sample_id": None, "synthesizer": None, "metrics": []}
    return {**shell, "sections": sections, "meta": {"options": {"folds": 5}}}


def test_methods_are_ranked_with_their_standing() -> None:
    page = render(comparison())
    found = {t.name: t for t in tables(page)}
    ranking = found["target-1-ranking"]
    assert [row[1][0] for row in ranking.rows] == ["forest", "knn", "svm"]
    assert [row[3][0] for row in ranking.rows] == ["best", "worse", "unavailable"]
    assert "took too long" in page
    assert ranking.csv().splitlines()[1].startswith("1,forest,0.87,0.85,0.89,best,")
    assert found["target-1-confusion"].rows[0][1:] == [["90"], ["10"], ["0.9"]]
    assert "shaded" in page


def test_every_drawing_has_a_sentence_and_a_table() -> None:
    page = render(comparison())
    figures = page.split("<figure")[1:]
    assert len(figures) == 5
    for figure in figures:
        inside = figure.split("</figure>")[0]
        assert "<svg" in inside
        assert 'class="look"' in inside
    names = {t.name for t in tables(page)}
    assert {"target-1-roc-curves", "target-1-thresholds-of-forest", "target-1-learning-curve-of-forest"} <= names
    assert "F1 is highest, 0.500, at 0.5" in page


def test_hostile_targets_stay_text() -> None:
    page = render(comparison("<script>alert(1)</script>|x"))
    assert "<script>alert" not in page
    assert page.count("<script>") == 1


def test_a_search_shows_the_best_so_far() -> None:
    trials = [{"number": k, "value": v, "options": {"rate": 0.1}} for k, v in enumerate((0.5, None, 0.8, 0.7))]
    page = render(
        comparison(searches=[{"label": "mlp", "measure": "accuracy", "direction": "higher", "trials": trials}])
    )
    assert "The best value, 0.8, was found by trial 2 of 4." in page
    (table,) = [t for t in tables(page) if t.name == "search-1"]
    assert [row[1][0] for row in table.rows] == ["0.5", "–", "0.8", "0.7"]


def test_without_any_method() -> None:
    page = render({**comparison(), "sections": {}})
    assert "No method was compared" in page


def test_side_by_side_marks_the_best_and_the_edition() -> None:
    row = {"section": "columns", "name": "shape", "subject": "<b>", "label": "Shape", "direction": "lower",
           "goal": None, "unit": "share", "headline": True, "best": [1]}  # fmt: skip
    values = [{"value": 0.3, "low": 0.2, "high": 0.4, "status": "fail"}, {"value": 0.01, "status": "pass"}, {}]
    counts = {"pass": 1, "fail": 0, "unavailable": 0}
    about = {"title": "<i>", "created_at": "2026-01-02", "rows": 9, "verdict": "", "counts": counts}
    judged = [{"id": f"rep_{k}", **about} for k in range(3)]
    page = render_side({
        "reports": judged, "rows": [{**row, "values": values}], "summary": "rep_1 is best.", "kind": "fidelity",
        "dataset": {"name": "a.csv"}, "dataset_id": "ds_1", "edition": "internal", "marking": "Not for release",
    })  # fmt: skip
    assert 'class="marking internal"' in page
    assert "<i>" not in page
    (table,) = [t for t in tables(page) if t.title == "Headline figures of each report"]
    assert table.rows[0][2:] == [["0.3", "0.2", "0.4"], ["0.01"], ["–"]]
    assert '<span class="best"><data value="0.01">' in page
