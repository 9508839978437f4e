"""The target of an evaluation as a task: features, classes, and the rows that hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.classifiers import Task, task_of
from models.classifiers.base import Floats, Labels
from models.evaluation.features import Features, features
from models.evaluation.matrix import Matrix, weights_of
from models.schema import Column, Kind

CLASSES = 12
"""A label with more categories keeps the frequent ones; the rest are one class. Boosting grows a tree per class."""
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class Problem:
    """What is predicted. classes: names of the codes 0..K-1 of y (none for a regression); unit: of an error."""

    column: int
    task: Task
    classes: tuple[str, ...]
    codes: Labels
    unit: str

    def rows(self, matrix: Matrix) -> tuple[Floats, Labels, Floats]:
        """Features, target and survey weights (1 where there are none) of the rows whose target is present, without
        those that weigh nothing."""
        w = weights_of(matrix) if self.weight(matrix) else None
        w = np.ones(len(matrix)) if w is None else w
        at = np.flatnonzero((matrix.missing[:, self.column] < 0) & (w > 0))
        kept = matrix.take(at)
        y = kept.values[:, self.column]
        if self.task.classes:
            place = np.searchsorted(self.codes, y).clip(0, len(self.codes) - 1)
            y = np.where(self.codes[place] == y, place, len(self.classes) - 1)
        elif self.unit == "days":
            y = y / DAY
        return features(kept, self.others(kept)).x, y, w[at]

    def weight(self, matrix: Matrix) -> str:
        """Name of the column that weighs rows; none without one, and where it is the target."""
        found = [j for j, c in enumerate(matrix.columns) if c.kind is Kind.WEIGHT]
        return matrix.columns[found[0]].name if found and found[0] != self.column else ""

    def described(self, matrix: Matrix) -> Features:
        """Columns and kinds of the features, without rows."""
        return features(matrix.take(np.empty(0, np.int64)), self.others(matrix))

    def others(self, matrix: Matrix) -> list[int]:
        """Columns to predict from: not the target, and no weights as long as there is anything else."""
        found = [j for j in range(len(matrix.columns)) if j != self.column]
        return [j for j in found if matrix.columns[j].kind is not Kind.WEIGHT] or found


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
