"""The report of a small comparison of methods as the API answers it."""

from typing import Any

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


def search(target: str = "ill") -> dict[str, Any]:
    """The report of a search of a method's options."""
    trials = [{"number": k, "score": v, "training": 0.95, "seconds": 0.1, "state": "succeeded",
               "parameters": {"depth": k + 1}} for k, v in enumerate((0.6, None, 0.8, 0.7))]  # fmt: skip
    found = {"measure": "accuracy", "direction": "higher", "target": target, "method": "tree", "trials": trials}
    return comparison(target, search=found, comparisons=[])


def side_by_side(name: str = "a.csv") -> dict[str, Any]:
    """Three reports beside each other as the API answers them."""

    def row(k: int, headline: bool) -> dict[str, Any]:
        values = [
            {"value": 0.3, "low": 0.2, "high": 0.4, "status": "fail"}, {"value": 0.01, "status": "pass"}, {},
        ]  # fmt: skip
        return {"section": "columns", "name": "shape", "subject": "" if headline else f"x{k}", "label": "Shape",
                "direction": "lower", "goal": None, "unit": "share", "headline": headline, "best": [1],
                "values": values}  # fmt: skip

    counts = {"pass": 1, "fail": 1, "unavailable": 0}
    about = {"title": name, "created_at": "2026-01-02", "rows": 9, "verdict": "One thing.", "counts": counts}
    return {
        "reports": [{"id": f"rep_{k}", **about} for k in range(3)], "rows": [row(0, True), row(1, False)],
        "summary": "rep_1 is best.", "kind": "fidelity", "dataset": {"name": name}, "dataset_id": "ds_1",
        "edition": "internal", "marking": "Not for release",
    }  # fmt: skip
