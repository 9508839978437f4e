"""A method's predictions as data for tables and charts."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.classifiers import scores as score
from models.classifiers.base import Floats, Labels, Task
from models.comparison.crossing import Outcome
from models.comparison.problem import Problem
from models.comparison.thresholds import threshold_table

POINTS = 60
"""Of a curve."""


def curves(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """ROC, precision and recall (two classes), calibration; for several targets the scores of each."""
    got = outcome.pooled
    if got is None:
        return {"roc": None, "pr": None, "calibration": [], "each": {}}
    y, p = problem.y, got.probabilities
    if problem.task.several:
        return {"roc": None, "pr": None, "calibration": [], "each": _each(problem, got.predicted, p)}
    if p is None:
        return {"roc": None, "pr": None, "calibration": _tenths(y, got.predicted), "each": {}}
    if problem.task is Task.BINARY:
        hit = y == 1
        roc, pr = score.roc_curve(hit, p[:, 1], POINTS), score.pr_curve(hit, p[:, 1], POINTS)
        return {"roc": roc, "pr": pr, "calibration": score.calibration(hit, p[:, 1]), "each": {}}
    right = y == p.argmax(axis=1)
    return {"roc": None, "pr": None, "calibration": score.calibration(right, p.max(axis=1)), "each": {}}


def best(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """The best method in detail: confusion, thresholds, one class against the rest, predicted against observed."""
    out: dict[str, Any] = {
        "method": outcome.method,
        "label": outcome.label,
        "confusion": None,
        "thresholds": [],
        "one_against_rest": [],
        "residuals": [],
    }
    got = outcome.pooled
    if got is None:
        return out
    y, p = problem.y, got.probabilities
    if p is None:
        if not problem.task.several:
            out["residuals"] = _tenths(y, got.predicted)
        return out
    if problem.task.several:
        names = [t.column.name for t in problem.targets]
        tables = {n: threshold_table(y[:, j] == 1, p[:, j]) for j, n in enumerate(names)}
        out["thresholds"] = {n: [row.to_json() for row in table] for n, table in tables.items()}
        out["one_against_rest"] = [_against_rest(n, y[:, j] == 1, p[:, j]) for j, n in enumerate(names)]
        return out
    names = list(problem.classes)
    out["confusion"] = {"classes": names, "counts": score.confusion(y, got.predicted, len(names))}
    if problem.task is Task.BINARY:
        out["thresholds"] = [row.to_json() for row in threshold_table(y == 1, p[:, 1])]
    else:
        each = score.per_class(y, got.predicted, len(names))
        for k, name in enumerate(names):
            about = {"precision": each["precision"][k], "recall": each["recall"][k], "f1": each["f1"][k]}
            out["one_against_rest"].append({**_against_rest(name, y == k, p[:, k]), **about})
    return out


def _against_rest(name: str, hit: Labels, p: Floats) -> dict[str, Any]:
    return {
        "class": name,
        "rows": int(hit.sum()),
        "auc": score.auc(hit, p),
        "pr_auc": score.pr_auc(hit, p),
        "roc": score.roc_curve(hit, p, POINTS),
        "pr": score.pr_curve(hit, p, POINTS),
    }


def _each(problem: Problem, predicted: Labels, p: Floats | None) -> dict[str, dict[str, float]]:
    """Scores of each target alone."""
    out = {}
    for j, target in enumerate(problem.targets):
        y, guess = problem.y[:, j], predicted[:, j]
        if p is None:
            out[target.column.name] = score.number_scores(y, guess)
        else:
            out[target.column.name] = score.class_scores(y, guess, np.stack([1 - p[:, j], p[:, j]], axis=1))
    return out


def _tenths(y: Floats, predicted: Floats) -> list[dict[str, float]]:
    """Mean prediction and mean truth of the rows by tenth of the predictions."""
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(10, len(y)))
    return [{"predicted": float(predicted[t].mean()), "observed": float(y[t].mean()), "rows": len(t)} for t in parts]
