"""One method over all folds: its predictions of rows it had not seen, its scores and its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.classifiers import scores as score
from models.classifiers.base import Estimator, Floats, Labels, Task, probabilities_of
from models.comparison.folds import Fold
from models.comparison.problem import Problem
from models.errors import InvalidInput

Scores = dict[str, float]
LOWER = ("rmse", "mae", "mape", "log_loss", "brier", "hamming_loss")
"""Scores of which less is better."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """predicted (N,) or (N, L); probabilities (N, K) or, for several labels, (N, L) of 1; none for numbers."""

    predicted: Labels
    probabilities: Floats | None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method did. scores: per score, one value per fold (J,); pooled: predictions of every row by the fold that
    had not seen it (first repeat); note: why it could not run ("" if it ran)."""

    method: str
    label: str
    scores: dict[str, Floats] = field(default_factory=dict)
    pooled: Predicted | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    cpu_seconds: float = 0.0
    note: str = ""


def scores_of(task: Task, y: Labels, got: Predicted) -> Scores:
    """All scores of predictions."""
    if not task.classes:
        return score.target_scores(y, got.predicted) if task.several else score.number_scores(y, got.predicted)
    p = np.asarray(got.probabilities)
    return (score.label_scores if task.several else score.class_scores)(y, got.predicted, p)


def predict(model: Estimator, x: Floats, problem: Problem) -> Predicted:
    """Predictions of a fitted model, with probabilities in the order of the problem's classes."""
    task = problem.task
    predicted = np.asarray(model.predict(x))
    if not task.classes:
        return Predicted(predicted, None)
    if task.several:
        return Predicted(predicted, np.asarray(model.predict_proba(x), np.float64))
    p = probabilities_of(model, x, np.arange(len(problem.classes)))
    return Predicted(predicted.astype(np.int64), p)


def cross(
    method: str,
    label: str,
    make: Callable[[], Estimator],
    problem: Problem,
    folds: Sequence[Fold],
    step: Callable[[int], None],
) -> Outcome:
    """Fit and score the method on every fold; `step(k)` is called before fold k and may raise Cancelled. A method that
    cannot learn this problem gets a note instead of scores."""
    each: list[Scores] = []
    parts: list[tuple[Fold, Predicted]] = []
    fitting = predicting = cpu = 0.0
    for k, fold in enumerate(folds):
        step(k)
        began, worked = time.perf_counter(), time.process_time()
        try:
            model = make().fit(problem.x[fold.train], problem.y[fold.train])
        except InvalidInput as error:
            return Outcome(method, label, note=f"{error.message} {error.hint}".strip())
        fitted = time.perf_counter()
        got = predict(model, problem.x[fold.test], problem)
        fitting, predicting = fitting + fitted - began, predicting + time.perf_counter() - fitted
        cpu += time.process_time() - worked
        each.append(scores_of(problem.task, problem.y[fold.test], got))
        if fold.repeat == 0:
            parts.append((fold, got))
    scores = {name: np.array([s[name] for s in each]) for name in each[0]}
    return Outcome(method, label, scores, _pooled(problem, parts), fitting, predicting, cpu)


def baseline(problem: Problem, folds: Sequence[Fold]) -> Outcome:
    """The most frequent class with the classes' shares as probabilities, or the mean, of each fold's training rows."""
    label = "majority class" if problem.task.classes else "mean"

    class Share:
        def fit(self, x: Floats, y: Labels) -> Share:
            if problem.task.classes and not problem.task.several:
                self.classes_ = np.arange(len(problem.classes))
                self.share = np.bincount(y, minlength=len(self.classes_)) / len(y)
            else:
                self.share = y.mean(axis=0)
            return self

        def predict(self, x: Floats) -> Labels:
            if problem.task.several:
                out = np.tile(self.share, (len(x), 1))
                return (out > 0.5).astype(np.int64) if problem.task.classes else out
            return np.full(len(x), self.share.argmax() if problem.task.classes else self.share)

        def predict_proba(self, x: Floats) -> Floats:
            return np.tile(self.share, (len(x), 1))

    return cross("baseline", label, Share, problem, folds, lambda k: None)


def _pooled(problem: Problem, parts: Sequence[tuple[Fold, Predicted]]) -> Predicted:
    first = parts[0][1]
    predicted = np.zeros(problem.y.shape, first.predicted.dtype)
    rows = np.concatenate([fold.test for fold, _ in parts])
    predicted[rows] = np.concatenate([got.predicted for _, got in parts])
    if first.probabilities is None:
        return Predicted(predicted, None)
    probabilities = np.zeros((len(problem.y), first.probabilities.shape[1]))
    probabilities[rows] = np.concatenate([got.probabilities for _, got in parts if got.probabilities is not None])
    return Predicted(predicted, probabilities)
