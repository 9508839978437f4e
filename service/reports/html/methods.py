"""The drawings of a comparison of methods, each with its sentence and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from service.reports.html.charts import Line, Mark
from service.reports.html.figures import cell, percent, short
from service.reports.html.series import thin

Facts = Mapping[str, Any]
Chart = dict[str, Any]
"""title, look, lines, axes, square, and maybe marks; head: (words, whether numbers), rows: cells (kind, value)."""
SCORES = {
    "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "precision": "Precision", "recall": "Recall",
    "f1": "F1", "macro_f1": "Macro F1", "auc": "AUC", "roc_auc": "ROC AUC",
    "macro_precision": "Macro precision", "macro_recall": "Macro recall",
    "weighted_f1": "Weighted F1", "pr_auc": "PR AUC", "log_loss": "Log loss", "r2": "R2",
    "rmse": "RMSE", "mae": "Mean absolute error", "mape": "MAPE", "bias": "Mean bias error", "brier": "Brier score",
    "subset_accuracy": "All labels right", "hamming": "Labels wrong",
}  # fmt: skip
LINES = 8
"""Colours for lines; further ones are dashed."""
TOP = 6
"""Methods whose curves are drawn, the best."""


def _class(k: int) -> str:
    return f"c{k % LINES}" + (" dashed" if k >= LINES else "")


def _of_methods(section: Facts, name: str, x: str, y: str) -> list[Line]:
    methods = [m for m in section["methods"] if m.get(name)][:TOP]
    return [(m["label"], _class(k), m[name][x], m[name][y]) for k, m in enumerate(methods)]


def _points(lines: Sequence[Line], x: str, y: str) -> dict[str, Any]:
    """The table of lines: each point of each."""
    rows = [
        [("word", name), ("score", a), ("score", b)]
        for name, _, xs, ys in lines
        for a, b in thin(list(zip(xs, ys, strict=True)))
    ]
    return {"head": [("Method", False), (x, True), (y, True)], "rows": rows}


def roc(section: Facts) -> Chart | None:
    lines = _of_methods(section, "roc", "fpr", "tpr")
    if not lines:
        return None
    axes = ("False positive rate", "True positive rate")
    look = "The nearer a line is to the upper left corner, the better. Lines that cross: the better method depends on "
    look += "which errors matter."
    return {"title": "ROC curves", "look": look, "lines": lines, "axes": axes, "square": True, **_points(lines, *axes)}


def precision_recall(section: Facts) -> Chart | None:
    lines = _of_methods(section, "pr", "recall", "precision")
    if not lines:
        return None
    axes = ("Recall", "Precision")
    look = "The nearer a line is to the upper right corner, the better; a steep fall on the right is the price of "
    look += "finding the last positives."
    chart = {"title": "Precision and recall", "look": look, "lines": lines, "axes": axes, "square": True}
    return {**chart, "diagonal": False, **_points(lines, *axes)}


def calibration(section: Facts) -> Chart | None:
    methods = [m for m in section["methods"] if m.get("calibration")][:TOP]
    lines: list[Line] = [
        (m["label"], _class(k), [p["predicted"] for p in m["calibration"]], [p["observed"] for p in m["calibration"]])
        for k, m in enumerate(methods)
    ]
    if not lines:
        return None
    shares = all(0 <= v <= 1 for _, _, xs, ys in lines for v in (*xs, *ys))
    axes = ("Predicted", "Observed")
    _, name, x, y = max((abs(y - x), name, x, y) for name, _, xs, ys in lines for x, y in zip(xs, ys, strict=True))
    write = percent if shares else (lambda v: cell(v, "score"))
    look = f"On the diagonal, what is predicted is what happens. Furthest off: {name} predicts {write(x)} where "
    look += f"{write(y)} is observed."
    return {
        "title": "Calibration", "look": look, "lines": lines, "axes": axes, "square": shares, **_points(lines, *axes)
    }  # fmt: skip


def thresholds(section: Facts) -> Chart | None:
    found = (section.get("best") or {}).get("thresholds") or []
    if not isinstance(found, list):
        return None
    named = (("precision", "Precision"), ("tpr", "Recall"), ("f1", "F1"))
    lines: list[Line] = [
        (title, _class(k), [t["threshold"] for t in found], [t[name] for t in found])
        for k, (name, title) in enumerate(named)
    ]
    if not found:
        return None
    top = max(found, key=lambda t: t["f1"])
    label = (section.get("best") or {}).get("label")
    counts = ("tn", "fp", "fn", "tp")
    rows = [
        [
            ("score", t["threshold"]),
            *(("count", t[c]) for c in counts),
            *(("score", t[s]) for s in ("fpr", "tpr", "precision", "f1")),
        ]
        for t in found
    ]
    heads = ("Threshold", "TN", "FP", "FN", "TP", "FPR", "TPR", "Precision", "F1")
    return {
        "title": f"Thresholds of {label}", "lines": lines, "axes": ("Threshold", "Score"), "square": True,
        "diagonal": False,
        "look": f"F1 is highest, {top['f1']:.3f}, at {top['threshold']:g}. Move left to miss fewer, right for fewer "
        "false alarms.",
        "head": [(h, True) for h in heads], "rows": rows,
    }  # fmt: skip


def learning(section: Facts) -> Chart | None:
    curve = section.get("learning_curve")
    if not curve or not curve.get("points"):
        return None
    return _fitting(curve, "rows", f"Learning curve of {curve['label']}", "Training rows")


def validation(curve: Facts) -> Chart:
    return _fitting(curve, "value", f"Validation curve of {curve['label']}: {curve['option']}", str(curve["option"]))


def _fitting(curve: Facts, at: str, title: str, x_label: str) -> Chart:
    """Training and validation scores along something; texts stand at their places in order."""
    points: Sequence[Facts] = curve["points"]
    numbers = all(isinstance(p[at], int | float) and not isinstance(p[at], bool) for p in points)
    xs = [float(p[at]) if numbers else float(k) for k, p in enumerate(points)]
    lines: list[Line] = [
        ("Training rows", "c1", xs, [p["training"] for p in points]),
        ("Rows not seen", "c0", xs, [p["validation"] for p in points]),
        ("95% interval, lower end", "c0 dashed", xs, [p["low"] for p in points]),
        ("95% interval, upper end", "c0 dashed", xs, [p["high"] for p in points]),
    ]
    marks: list[Mark] = []
    if "best" in curve:
        place = next((x for x, p in zip(xs, points, strict=True) if p[at] == curve["best"]), None)
        marks = [] if place is None else [(place, None, "kept", f"best: {short(curve['best'], 12)}")]
    measure = SCORES.get(curve.get("measure", ""), curve.get("measure", "score"))
    rows = [
        [
            ("plain" if numbers else "word", p[at]),
            *(("score", p[n]) for n in ("training", "validation", "low", "high")),
            ("word", p.get("reading", "")),
        ]
        for p in points
    ]
    heads = ((x_label, numbers), ("Training rows", True), ("Rows not seen", True), ("Low", True), ("High", True))
    return {
        "title": title, "look": str(curve.get("reading") or ""), "lines": lines, "axes": (x_label, measure),
        "square": False, "marks": marks, "head": [*heads, ("Reading", False)], "rows": rows,
    }  # fmt: skip


def search(found: Facts) -> Chart:
    """A search of a method's options: every trial, and the best so far."""
    trials: Sequence[Facts] = found.get("trials") or []
    scored = [(k, t["score"]) for k, t in enumerate(trials) if t.get("score") is not None]
    better = max if found.get("direction", "higher") == "higher" else min
    best = list(accumulate((v for _, v in scored), better))
    xs = [float(trials[k].get("number", k)) for k, _ in scored]
    lines: list[Line] = [("Trial", "c1 dots", xs, [v for _, v in scored]), ("Best so far", "c0", xs, best)]
    measure = str(found.get("measure", "score"))
    options = [
        ("word", ", ".join(f"{n} {cell(v, 'ratio') if isinstance(v, float) else v}" for n, v in named.items()))
        for t in trials
        for named in [t.get("parameters") or {}]
    ]
    rows = [
        [("plain", t.get("number", k)), *(("score", t.get(n)) for n in ("score", "training", "seconds")), told]
        for k, (t, told) in enumerate(zip(trials, options, strict=True))
    ]
    rows.sort(key=lambda row: (row[1][1] is None, -row[1][1] if better is max and row[1][1] else row[1][1] or 0.0))
    heads = (("Trial", True), (SCORES.get(measure, measure), True), ("Training", True), ("Seconds", True))
    look = str(found.get("verdict") or "")
    if not look and best:
        look = f"The best value, {best[-1]:.4g}, was found by trial {xs[best.index(best[-1])]:g} of {len(trials)}."
    return {
        "title": f"Search of {found.get('label', 'options')}: {found.get('target', '')}".rstrip(": "),
        "look": look or "No trial ended.", "lines": lines if scored else [], "square": False,
        "axes": ("Trial", SCORES.get(measure, measure)), "head": [*heads, ("Options", False)], "rows": rows,
    }  # fmt: skip


CHARTS = (roc, precision_recall, calibration, thresholds, learning)
