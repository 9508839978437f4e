"""The verb `compare`: several methods predict the same target on the same folds."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from models.classifiers import scores as score
from models.classifiers.base import Estimator, Floats, Labels
from models.classifiers.methods import METHODS, make
from models.comparison import describing
from models.comparison.crossing import Outcome, Predicted, baseline, cross, predict, scores_of
from models.comparison.curves import Point, learning_curve, read_learning, read_validation, validation_curve
from models.comparison.folds import Fold, cross_validation
from models.comparison.options import CompareOptions
from models.comparison.problem import Problem, places, read_problem
from models.comparison.ranking import Measure, differences, measure_of, ranked, spans, test_share, verdict
from models.errors import InvalidInput
from models.evaluation.result import VERSION, Metric, clean, finite
from models.evaluation.threads import one_thread
from models.progress import SILENT, Progress
from models.rng import stream
from models.table import Table

CURVE_FOLDS = 3
"""Folds of a learning or validation curve, at most."""
LIBRARIES = ("numpy", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class Comparison:
    """Metrics (one per target, method and score), sections for tables and charts, and how they came about."""

    metrics: tuple[Metric, ...]
    sections: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: no NaN, no infinity, figures with 6 significant digits."""
        return {
            "version": VERSION,
            "kind": "comparison",
            "metrics": [clean(asdict(m)) for m in self.metrics],
            "sections": clean(self.sections),
            "meta": clean(self.meta),
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Comparison:
        """Inverse of to_json. Raises InvalidInput on another version or shape."""
        if raw.get("version") != VERSION or raw.get("kind") != "comparison":
            raise InvalidInput("This is no comparison of this release.", hint="Compare the methods again.")
        try:
            return Comparison(tuple(Metric(**m) for m in raw["metrics"]), dict(raw["sections"]), dict(raw["meta"]))
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"The comparison is malformed: {error}.", hint="Compare the methods again.") from None


def compare(
    table: Table, options: CompareOptions, *, test: Table | None = None, progress: Progress = SILENT
) -> Comparison:
    """Cross-validated scores of several methods for each target, with intervals, paired tests and a verdict.

    test: rows that take no part in the cross-validation; every method is fitted to all of `table` and scored on them.
    Equal arguments give equal figures (but seconds). Raises InvalidInput for a column that is not there, a target that
    cannot be predicted, too few rows of a class or groups for the folds, and options that a method does not have;
    Cancelled when asked to stop.
    """
    began = time.perf_counter()
    progress.update(0.0, "reading")
    whole = len(table)
    if whole > options.rows:
        kept = stream(options.seed, "compare rows").choice(whole, options.rows, replace=False)
        table = table.part(np.sort(kept))
    # Every target is read before any method learns, so that a wrong one costs no time.
    problems = [read_problem(table, names, options) for names in options.targets]
    measures = [measure_of(p, options.measure) for p in problems]
    metrics: list[Metric] = []
    sections: list[dict[str, Any]] = []
    seconds: dict[str, float] = {"read": time.perf_counter() - began}
    with one_thread():
        for k, (problem, measure) in enumerate(zip(problems, measures, strict=True)):
            at = time.perf_counter()
            one = _One(problem, measure, options, progress, (k / len(problems), 1 / len(problems)))
            figures, section = one.run(test)
            metrics += figures
            sections.append(section)
            seconds[problem.title] = time.perf_counter() - at
    progress.update(1.0, "compared")
    meta = {
        "rows": {"table": whole, "used": len(table), "test": None if test is None else len(test)},
        "seed": options.seed,
        "options": options.to_json(),
        "versions": {"python": platform.python_version(), **{n: importlib.metadata.version(n) for n in LIBRARIES}},
        "seconds": {**seconds, "total": time.perf_counter() - began},
    }
    summary = {"summary": " ".join(s["verdict"] for s in sections), "problems": []}
    raw = Comparison(tuple(metrics), {"verdict": summary, "comparisons": sections}, meta).to_json()
    return Comparison.from_json(raw)


class _One:
    """The comparison for one target."""

    def __init__(
        self,
        problem: Problem,
        measure: Measure,
        options: CompareOptions,
        progress: Progress,
        span: tuple[float, float],
    ) -> None:
        self.problem, self.measure, self.options = problem, measure, options
        self.progress, self.span = progress, span
        self.folds = cross_validation(
            problem.y,
            problem.task,
            folds=options.folds,
            repeats=options.repeats,
            groups=problem.groups,
            stratify=options.stratify,
            seed=options.seed,
        )
        self.share = test_share(self.folds)
        # A wrong option of any method is found before the first one learns.
        for method in options.methods:
            self.make(method)()
        for method, curves in options.vary.items():
            for option, values in curves.items():
                for value in values:
                    self.make(method, {option: value})()

    def make(self, method: str, changed: Mapping[str, Any] | None = None) -> Callable[[], Estimator]:
        """How the method is made under the options; `changed`: options of its own that take others' place."""
        knows = METHODS[method].options()
        settings = {**self.options.of(method, knows), **(changed or {})}
        if "ordered" in knows and self.options.ordered is not None:
            settings["ordered"] = places(self.problem, self.options.ordered)
        p, o = self.problem, self.options
        return lambda: make(method, p.task, p.categorical, o.seed, balance=o.balance, **settings)

    def run(self, test: Table | None) -> tuple[list[Metric], dict[str, Any]]:
        problem, options, measure = self.problem, self.options, self.measure
        floor = baseline(problem, self.folds)
        outcomes = []
        for m, method in enumerate(options.methods):
            label = METHODS[method].name(problem.task)
            part = (0.8 * m / len(options.methods), 0.8 / len(options.methods))
            outcomes.append(
                cross(method, label, self.make(method), problem, self.folds, partial(self._say, part, label))
            )
        order = ranked(outcomes, measure)
        found = differences(order, measure, self.share, problem)
        tested = self._tested(order, test)
        self._update(0.85, "learning curve")
        section = {
            "target": problem.title,
            "targets": [t.column.name for t in problem.targets],
            "task": problem.task.value,
            "measure": measure.name,
            "direction": measure.direction,
            "classes": list(problem.classes),
            "positive": problem.classes[1] if len(problem.classes) == 2 else None,
            "labels": {t.column.name: t.classes[1] for t in problem.targets if problem.task.several and t.classes},
            "rows": {
                "used": len(problem.y),
                "without_target": problem.without_target,
                "test": tested.rows,
                "test_left_out": tested.left_out,
            },
            "features": list(dict.fromkeys(problem.names)),
            "left_out": [{"column": name, "why": why} for name, why in problem.left_out],
            "folds": {
                "text": self._folds_text(),
                "folds": options.folds,
                "repeats": options.repeats,
                "groups": options.groups,
            },
            "baseline": {"label": floor.label, "scores": {n: finite(v.mean()) for n, v in floor.scores.items()}},
            "verdict": verdict(problem.title, order, found, measure, floor, self.share),
            "methods": [
                {
                    "method": o.method,
                    "label": o.label,
                    "rank": None if o.note else rank + 1,
                    "note": o.note,
                    "scores": spans(o, self.share),
                    "seconds": {"fit": o.fit_seconds, "predict": o.predict_seconds, "cpu": o.cpu_seconds},
                    "difference": d,
                    **describing.curves(problem, o),
                    "test": tested.scores.get(o.method),
                }
                for rank, (o, d) in enumerate(zip(order, found, strict=True))
            ],
            "best": describing.best(problem, order[0]),
            "learning_curve": self._learning(order[0], floor),
            "validation_curves": self._validation(),
        }
        return [m for o in order for m in self._metrics(o, floor)], section

    def _say(self, part: tuple[float, float], label: str, k: int) -> None:
        self._update(part[0] + part[1] * k / len(self.folds), f"{label}, fold {k + 1} of {len(self.folds)}")

    def _update(self, fraction: float, message: str) -> None:
        self.progress.check()
        self.progress.update(self.span[0] + self.span[1] * fraction, f"{self.problem.title}: {message}")

    def _folds_text(self) -> str:
        o = self.options
        kind = "stratified " if o.stratify and self.problem.task.classes else ""
        kind += "grouped " if o.groups else ""
        often = f", {o.repeats} times" if o.repeats > 1 else ""
        return f"{kind}{o.folds}-fold cross-validation{often}" + (f", groups by {o.groups}" if o.groups else "")

    def _metrics(self, outcome: Outcome, floor: Outcome) -> list[Metric]:
        subject = f"{self.problem.title}: {outcome.label}"
        if outcome.note:
            return [Metric(self.measure.name, None, "comparison", subject, note=outcome.note)]
        note = f"Mean over {len(self.folds)} folds of {len(self.problem.y):,} rows; floor: the {floor.label}."
        out = []
        for name, got in spans(outcome, self.share).items():
            way = "target" if name == "bias" else Measure(name).direction
            unit = "auc" if name.endswith("auc") else "target" if name in ("rmse", "mae", "bias") else "score"
            base = finite(float(floor.scores[name].mean()))
            goal = 0.0 if name == "bias" else None
            low, high = finite(got["low"]), finite(got["high"])
            out.append(
                Metric(
                    name,
                    finite(got["value"]),
                    "comparison",
                    subject,
                    floor=base,
                    low=low,
                    high=high,
                    direction=way,
                    goal=goal,
                    unit=unit,
                    note=note,
                )
            )
        return out

    def _scorer(self, model: Estimator, x: Floats, y: Labels) -> float:
        return self.measure.sign * scores_of(self.problem.task, y, predict(model, x, self.problem))[self.measure.name]

    def _curve_folds(self) -> list[Fold]:
        return self.folds[:CURVE_FOLDS]

    def _learning(self, best: Outcome, floor: Outcome) -> dict[str, Any] | None:
        if best.note or not self.options.learning_curve:
            return None
        p = self.problem
        try:
            points = learning_curve(
                self.make(best.method),
                p.x,
                p.y,
                self._curve_folds(),
                self._scorer,
                seed=self.options.seed,
                progress=self.progress,
            )
        except InvalidInput:
            return None  # A tenth of the rows may hold one class only.
        base = self.measure.sign * float(floor.scores[self.measure.name].mean())
        about = {"method": best.method, "label": best.label, "measure": self.measure.name}
        rows = [{"rows": q.at, **self._shown(q)} for q in points]
        return {**about, "points": rows, "reading": read_learning(points, base, self.measure.sign)}

    def _validation(self) -> list[dict[str, Any]]:
        out = []
        p = self.problem
        for method, curves in self.options.vary.items():
            for option, values in curves.items():
                label = METHODS[method].name(p.task)
                self._update(0.93, f"validation curve of {label}, {option}")
                points = validation_curve(
                    lambda v, m=method, o=option: self.make(m, {o: v})(),  # type: ignore[misc]
                    values,
                    p.x,
                    p.y,
                    self._curve_folds(),
                    self._scorer,
                    progress=self.progress,
                )
                best, words, reading = read_validation(points)
                rows = [{"value": q.at, **self._shown(q), "reading": w} for q, w in zip(points, words, strict=True)]
                about = {"method": method, "label": label, "option": option, "measure": self.measure.name}
                out.append({**about, "points": rows, "best": values[best], "reading": reading})
        return out

    def _shown(self, point: Point) -> dict[str, float]:
        sign, spread = self.measure.sign, point.spread
        middle = sign * point.validation
        return {
            "training": sign * point.training,
            "validation": middle,
            "low": middle - spread,
            "high": middle + spread,
        }

    def _tested(self, order: Sequence[Outcome], test: Table | None) -> _Tested:
        if test is None:
            return _Tested(None, None, {})
        p = self.problem
        x, y, left_out = p.rows(test, "test")
        out = {}
        for outcome in order:
            if outcome.note:
                continue
            self._update(0.8, f"{outcome.label}, test rows")
            got = predict(self.make(outcome.method)().fit(p.x, p.y), x, p)
            out[outcome.method] = self._bootstrapped(y, got)
        return _Tested(len(y), left_out, out)

    def _bootstrapped(self, y: Labels, got: Predicted) -> dict[str, dict[str, float | None]]:
        """Scores on the test rows with 95% bootstrap intervals of the measure."""
        task, name = self.problem.task, self.measure.name

        def one(rows_y: Labels, rows: Labels) -> float:
            p = None if got.probabilities is None else got.probabilities[rows]
            return scores_of(task, rows_y, Predicted(got.predicted[rows], p))[name]

        rng = stream(self.options.seed, "compare test", self.problem.title)
        low, high = score.interval(one, y, np.arange(len(y)), rng)
        scores = scores_of(task, y, got)
        return {
            n: {
                "value": finite(v),
                "low": finite(low) if n == name else None,
                "high": finite(high) if n == name else None,
            }
            for n, v in scores.items()
        }


@dataclass(frozen=True)
class _Tested:
    rows: int | None
    left_out: int | None
    scores: dict[str, dict[str, dict[str, float | None]]]
