"""What a trial is worth, measured on rows held out inside the training part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from models.classifiers import Boosting, probabilities_of
from models.classifiers import scores as score
from models.classifiers.scores import auc_error
from models.errors import Detail, InvalidData, InvalidInput
from models.evaluation.context import FEW_ROWS, Context
from models.evaluation.detection import detect
from models.evaluation.matrix import Matrix, read_matrix, sample
from models.evaluation.options import EvaluationOptions
from models.evaluation.threads import one_thread
from models.evaluation.utility.problem import Problem, problem_of
from models.options import FitOptions
from models.progress import Progress
from models.rng import key, stream
from models.synthesize import Synthesizer
from models.synthesize import sample as draw
from models.table import Table
from models.tuning.options import TuneOptions

JUDGED_ROWS = 8_000
"""Rows that a classifier looks at, of each table."""
REPEATED_ROWS = 4_000
"""Rows drawn for a score of detection where fewer are judged, as several samples."""


class Judge(Protocol):
    """name: of the score. better: higher or lower."""

    @property
    def name(self) -> str: ...

    @property
    def better(self) -> str: ...

    def prepare(self, options: FitOptions) -> FitOptions:
        """The options to train with, so that nothing is done that the score does not see."""

    def real(self, progress: Progress) -> float | None:
        """What real rows in place of drawn ones read, None where that means nothing."""

    def score(self, synthesizer: Synthesizer, progress: Progress) -> float:
        """Raises InvalidInput where it cannot be measured."""

    def error(self, score: float) -> float | None:
        """Standard error of a score for the number of judged rows, None where it is not known."""


@dataclass(frozen=True, eq=False)
class Detection:
    """c2st = 2 - 2 AUC of boosting that tells drawn rows from the judged ones (Lopez-Paz and Oquab 2017), 3 folds."""

    train: Matrix
    judged: Matrix
    seed: int
    name: str = "c2st"
    better: str = "higher"

    def prepare(self, options: FitOptions) -> FitOptions:
        return options

    def real(self, progress: Progress) -> float | None:
        rows = sample(self.train, len(self.judged) * self._times(), stream(self.seed, "tune", "real"))
        return self._mean(rows, progress) if len(rows) >= len(self.judged) else None

    def score(self, synthesizer: Synthesizer, progress: Progress) -> float:
        rows = len(self.judged) * self._times()
        return self._mean(_drawn(synthesizer, rows, self.judged, self.seed, progress), progress)

    def _times(self) -> int:
        """Samples that a score is the mean of: a small one is off by chance."""
        return int(np.clip(REPEATED_ROWS // len(self.judged), 1, 6))

    def _mean(self, rows: Matrix, progress: Progress) -> float:
        size = len(self.judged)
        parts = [rows.take(np.arange(at, at + size)) for at in range(0, len(rows) - size + 1, size)]
        return float(np.mean([self._told(part, progress) for part in parts]))

    def error(self, score: float) -> float | None:
        auc = 1 - score / 2
        return 2 * auc_error(auc, len(self.judged), len(self.judged))

    def _told(self, other: Matrix, progress: Progress) -> float:
        judged, none = self.judged, self.judged.take(np.empty(0, np.int64))
        context = Context(judged, none, other, None, self.seed % 2**32, EvaluationOptions(), progress)
        with one_thread():
            return detect(judged, other, context).c2st


@dataclass(frozen=True, eq=False)
class Utility:
    """AUC (one against rest) or R2 on the judged rows of boosting that was trained on drawn rows. Rows count alike: the
    generator is judged."""

    train: Matrix
    judged: Matrix
    problem: Problem
    seed: int
    better: str = "higher"

    @property
    def name(self) -> str:
        return "utility_auc" if self.problem.task.classes else "utility_r2"

    def prepare(self, options: FitOptions) -> FitOptions:
        return options

    def real(self, progress: Progress) -> float | None:
        return self._learnt(sample(self.train, JUDGED_ROWS, stream(self.seed, "tune", "real")), progress)

    def score(self, synthesizer: Synthesizer, progress: Progress) -> float:
        rows = min(len(self.train), JUDGED_ROWS)
        return self._learnt(_drawn(synthesizer, rows, self.judged, self.seed, progress), progress)

    def _learnt(self, rows: Matrix, progress: Progress) -> float:
        progress.check()
        (x, y, _), (x_test, y_test, _) = self.problem.rows(rows), self.problem.rows(self.judged)
        if len(np.unique(y)) < 2:
            raise InvalidInput("The drawn rows have one value of the target.", hint="Train for more steps.")
        classes = len(self.problem.classes)
        iterations = int(np.clip(300 / max(classes, 2), 40, 150))
        model = Boosting(self.problem.task.value, iterations=iterations, seed=self.seed % 2**32)
        with one_thread():
            fitted = model.fit(x, y)
            if not classes:
                return float(score.r2(y_test, np.asarray(fitted.predict(x_test))))
            return float(score.mean_auc(y_test, probabilities_of(fitted, x_test, np.arange(classes))))

    def error(self, score: float) -> float | None:
        if len(self.problem.classes) != 2:
            return None
        y = self.problem.rows(self.judged)[1]
        return auc_error(score, int(y.sum()), int(len(y) - y.sum()))


@dataclass(frozen=True)
class Likelihood:
    """Nats per row of the weights that were kept, on the rows that training holds out for its own curve."""

    name: str = "nats_per_row"
    better: str = "lower"

    def prepare(self, options: FitOptions) -> FitOptions:
        return replace(options, adversarial="never")  # that phase gives likelihood up for what it gains elsewhere

    def real(self, progress: Progress) -> float | None:
        return None

    def score(self, synthesizer: Synthesizer, progress: Progress) -> float:
        curve = [p["validation"] for p in synthesizer.manifest["curve"] if "validation" in p]
        if not curve:
            raise InvalidInput("Training held out no rows.", hint="Choose another objective, or provide more rows.")
        kept_best = synthesizer.manifest["plan"].get("select") == "validation"
        return float(min(curve) if kept_best else curve[-1])

    def error(self, score: float) -> float | None:
        return None


def make_judge(train: Table, judged: Table, target: str | None, tuning: TuneOptions, seed: int) -> Judge:
    """train: rows that the trials learn from; judged: rows that they never see.

    Raises InvalidInput where the target is absent or of no use, InvalidData where there are too few rows.
    """
    if tuning.objective == "likelihood":
        return Likelihood()
    if len(judged) < FEW_ROWS:
        what = f"{len(judged)} rows to judge by are too few: {FEW_ROWS} are needed."
        raise InvalidData(what, hint="Provide more rows, a larger share for validation, or objective likelihood.")
    modelled = train.schema.modelled
    judged = judged.take(np.sort(stream(seed, "tune", "judged").permutation(len(judged))[:JUDGED_ROWS]))
    a, b = (read_matrix(t, modelled, "real") for t in (train, judged))
    if tuning.objective == "detection":
        return Detection(a, b, seed)
    names = [c.name for c in modelled]
    if target is None or target not in names or len(names) < 2:
        what = "needs a target among the modelled columns, and another column to predict it from"
        raise InvalidInput(
            f"Objective utility {what}.", hint=f"Columns: {', '.join(names[:30])}.", errors=[Detail(("target",), what)]
        )
    problem = problem_of(names.index(target), a)
    for rows in (a, b):
        if len(np.unique(problem.rows(rows)[1])) < 2:
            raise InvalidData("The target has one value in the rows to judge by.", hint="Choose a target that varies.")
    return Utility(a, b, problem, seed)


def _drawn(synthesizer: Synthesizer, rows: int, like: Matrix, seed: int, progress: Progress) -> Matrix:
    """Drawn rows as a matrix of the same columns."""
    table = draw(synthesizer, rows, seed=key(seed, "tune", "draw"), progress=progress)
    return read_matrix(table, like.columns, "synthetic")
