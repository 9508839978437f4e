"""Utility: a model trained on the sample, beside one trained on real rows, both tested on the holdout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifiers import MLP, Boosting, Estimator, Task, probabilities_of, task_of
from models.classifiers import scores as score
from models.classifiers.base import Floats, Labels
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.features import features
from models.evaluation.matrix import Matrix
from models.evaluation.result import Metric, finite
from models.schema import Column, Kind

CLASSES = 12
"""A label with more categories keeps the frequent ones; the rest are one class. Boosting grows a tree per class."""
MODELS = {"boosting": "gradient boosting", "mlp": "mlp"}
NAMES = {True: ("utility_auc", "utility_macro_f1", "utility_accuracy"), False: ("utility_r2", "utility_mae")}
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class Problem:
    """What is predicted. classes: names of the codes 0..K-1 of y (none for a regression); unit: of an error."""

    column: int
    task: Task
    classes: tuple[str, ...]
    codes: Labels
    unit: str

    def rows(self, matrix: Matrix) -> tuple[Floats, Labels]:
        """Features and target of the rows whose target is present."""
        kept = matrix.take(np.flatnonzero(matrix.missing[:, self.column] < 0))
        y = kept.values[:, self.column]
        if self.task.classes:
            place = np.searchsorted(self.codes, y).clip(0, len(self.codes) - 1)
            y = np.where(self.codes[place] == y, place, len(self.classes) - 1)
        elif self.unit == "days":
            y = y / DAY
        return self.features(kept), y

    def features(self, matrix: Matrix) -> Floats:
        return features(matrix, self._others(matrix)).x

    def categorical(self, matrix: Matrix) -> tuple[bool, ...]:
        return features(matrix.take(np.empty(0, np.int64)), self._others(matrix)).categorical

    def _others(self, matrix: Matrix) -> list[int]:
        return [j for j in range(len(matrix.columns)) if j != self.column]


def problem_of(column: int, real: Matrix) -> Problem:
    """Task and classes from the training part's target. Labels beyond the CLASSES most frequent are merged."""
    about: Column = real.columns[column]
    y = real.values[real.missing[:, column] < 0, column]
    task = task_of(y, labelled=about.labelled)
    if not task.classes:
        return Problem(column, task, (), np.empty(0), "days" if about.kind is Kind.DATETIME else "target")
    codes, counts = np.unique(y, return_counts=True)
    merged = len(codes) > CLASSES
    if merged:
        codes = np.sort(codes[np.argsort(-counts, kind="stable")[: CLASSES - 1]])
    labels = about.categories or ()
    names = [labels[int(c)] if about.labelled else f"{c:g}" for c in codes]
    return Problem(column, task, (*names, "(other)") if merged else tuple(names), codes, "")


def utility(context: Context) -> Part:
    """Scores of gradient boosting and the perceptron for the target, with ROC, confusion and calibration."""
    if context.target is None:
        return Part([], {"utility": {"target": None, "note": "No target was named: name one to measure utility."}})
    column = context.names.index(context.target)
    problem = problem_of(column, context.real)
    rng = context.rng("utility")
    x_test, y_test = problem.rows(context.holdout)
    sources = {"real": problem.rows(context.real), "synthetic": problem.rows(context.synthetic)}
    reason = _reason(problem, {**sources, "holdout": (x_test, y_test)}, len(context.names))
    if reason:
        names = NAMES[problem.task.classes]
        gone = [_metric(n, MODELS["boosting"], None, None, None, None, reason, problem) for n in names]
        return Part(gone, {"utility": {"target": context.target, "task": problem.task.value, "note": reason}})
    rows = min(len(y) for _, y in sources.values())
    rows = min(rows, context.options.utility_rows)
    categorical = problem.categorical(context.real)
    section: dict[str, Any] = {
        "target": context.target,
        "task": problem.task.value,
        "classes": list(problem.classes),
        "rows": {"training": rows, "holdout": len(y_test)},
        "models": [],
    }
    note = f"Trained on {rows:,} rows each, tested on {len(y_test):,} holdout rows. Ceiling: trained on real rows; "
    note += "floor: the majority class." if problem.task.classes else "floor: the mean of the target."
    drawn = {s: _draw(*sources[s], rows, rng) for s in ("synthetic", "real")}
    floor = _baseline(problem, drawn["real"][1], y_test)
    section["baseline"] = floor
    metrics: list[Metric] = []
    for model in ("boosting", "mlp") if context.options.mlp else ("boosting",):
        read: dict[str, dict[str, float | None]] = {}
        for source, (x, y) in drawn.items():
            context.progress.check()
            context.progress.update(0.6, f"predicting {context.target} by {MODELS[model]} trained on {source} rows")
            result = _try(problem, _estimator(model, problem, categorical, context.seed), x, y, x_test, y_test)
            read[source] = _scores(problem, y_test, result)
            entry = {"model": MODELS[model], "trained_on": source, "scores": read[source]}
            section["models"].append({**entry, **_curves(problem, y_test, result)})
            if source == "synthetic":
                spans = _intervals(problem, y_test, result, rng)
        for n in NAMES[problem.task.classes]:
            got = (read["synthetic"][n], read["real"][n], floor[n])
            metrics.append(_metric(n, MODELS[model], *got, spans[n], note, problem))
    return Part(metrics, {"utility": section}, {"utility_rows": rows, "utility_holdout_rows": len(y_test)})


def _draw(x: Floats, y: Labels, rows: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
    pick = rng.permutation(len(y))[:rows]
    return x[pick], y[pick]


def _reason(problem: Problem, sources: dict[str, tuple[Floats, Labels]], columns: int) -> str:
    """Why the utility cannot be measured, or nothing."""
    if columns < 2:
        return "The target is the only modelled column: there is nothing to predict it from."
    for role, (_, y) in sources.items():
        if len(y) < FEW_ROWS:
            return f"Needs {FEW_ROWS} {role} rows with a target; there are {len(y)}."
        if role != "synthetic" and len(np.unique(y)) < 2:
            return f"The target is constant in the {role} rows: choose one that varies, or a larger holdout."
    return ""


def _estimator(name: str, problem: Problem, categorical: tuple[bool, ...], seed: int) -> Estimator:
    task = problem.task.value
    if name == "mlp":
        return MLP(task, categorical, epochs=25, patience=3, seed=seed)
    iterations = int(np.clip(300 / max(len(problem.classes), 2), 40, 150))
    return Boosting(task, iterations=iterations, seed=seed)


def _try(problem: Problem, model: Estimator, x: Floats, y: Labels, x_test: Floats, y_test: Labels) -> Floats:
    """Probabilities (N, K) or predictions (N,) for the test rows. A sample of one class predicts that class."""
    if problem.task.classes:
        seen = np.unique(y)
        if len(seen) < 2:
            return np.tile(np.eye(len(problem.classes))[int(seen[0])], (len(y_test), 1))
        return probabilities_of(model.fit(x, y), x_test, np.arange(len(problem.classes)))
    if len(np.unique(y)) < 2:
        return np.full(len(y_test), float(y[0]))
    return np.asarray(model.fit(x, y).predict(x_test))


def _functions(problem: Problem) -> dict[str, score.Score]:
    k = len(problem.classes)
    if problem.task.classes:
        return {
            "utility_auc": lambda y, p: score.mean_auc(y, p),
            "utility_macro_f1": lambda y, p: score.macro_f1(y, p.argmax(axis=1), k),
            "utility_accuracy": lambda y, p: score.accuracy(y, p.argmax(axis=1)),
        }
    return {"utility_r2": score.r2, "utility_mae": score.mae}


def _scores(problem: Problem, y: Labels, result: Floats) -> dict[str, float | None]:
    return {name: finite(f(y, result)) for name, f in _functions(problem).items()}


def _intervals(problem: Problem, y: Labels, result: Floats, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    return {name: score.interval(f, y, result, rng) for name, f in _functions(problem).items()}


def _baseline(problem: Problem, y: Labels, y_test: Labels) -> dict[str, float | None]:
    """What predicting the majority class, or the mean, reads."""
    if problem.task.classes:
        share = np.bincount(y, minlength=len(problem.classes)) / len(y)
        return _scores(problem, y_test, np.tile(share, (len(y_test), 1)))
    return _scores(problem, y_test, np.full(len(y_test), float(y.mean())))


def _curves(problem: Problem, y: Labels, result: Floats) -> dict[str, Any]:
    """ROC points (two classes), confusion matrix and calibration; for a regression, means by predicted tenth."""
    k = len(problem.classes)
    if not problem.task.classes:
        tenths = np.array_split(np.argsort(result, kind="stable"), min(10, len(y)))
        rows = [{"predicted": float(result[t].mean()), "observed": float(y[t].mean()), "rows": len(t)} for t in tenths]
        return {"calibration": rows}
    guess = result.argmax(axis=1)
    out: dict[str, Any] = {"confusion": score.confusion(y, guess, k)}
    if k == 2:
        out["roc"] = score.roc_curve(y == 1, result[:, 1])
        out["calibration"] = score.calibration(y == 1, result[:, 1])
    else:
        out["calibration"] = score.calibration(y == guess, result.max(axis=1))
    return out


def _metric(
    name: str,
    subject: str,
    value: float | None,
    ceiling: float | None,
    floor: float | None,
    span: tuple[float, float] | None,
    note: str,
    problem: Problem,
) -> Metric:
    error = name == "utility_mae"
    unit = {"utility_auc": "auc", "utility_mae": problem.unit or "target"}.get(name, "score")
    low, high = (finite(s) for s in span) if span else (None, None)
    way = "lower" if error else "higher"
    return Metric(name, value, "utility", subject, ceiling, None, floor, low, high, way, None, unit, note)
