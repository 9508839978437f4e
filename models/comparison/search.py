"""The verb `search`: trials of one method's options for one target, each judged on rows that it has not seen.

Random search: Bergstra and Bengio 2012. Bayesian search: tree of Parzen estimators (Bergstra et al. 2011) of Optuna.
The best trial's score is the best of several and so a little too good: score it on other rows before publishing it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from models.classifiers.methods import METHODS, make
from models.comparison.compare import Comparison
from models.comparison.crossing import baseline, predict, scores_of
from models.comparison.curves import Point, read_validation
from models.comparison.folds import Fold, cross_validation, split
from models.comparison.problem import Problem, places, read_problem
from models.comparison.ranking import Measure, measure_of
from models.comparison.search_options import SearchOptions, plain
from models.errors import InvalidData, InvalidInput
from models.evaluation.result import Metric, clean, finite
from models.evaluation.threads import one_thread
from models.progress import SILENT, Progress
from models.rng import stream
from models.table import Table
from models.tuning.space import Choices, Range
from models.tuning.study import suggest
from models.tuning.trials import Trial

GIVE_UP = 5
"""Trials after which the search ends if all of them failed: then it is not for their options."""
CURVE = ("training", "validation", "score")


@dataclass(frozen=True)
class Found:
    """One trial. training, validation: scores on rows learnt from and on others, means over folds; spread: standard
    error of the latter. curve: per epoch, of a network on the first fold: losses, and the score on rows that it held
    back itself."""

    trial: Trial
    training: float | None = None
    validation: float | None = None
    spread: float = 0.0
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        facts = {**self.trial.to_json(), "score": self.validation, "training": self.training, "spread": self.spread}
        named = {k: plain(v) for k, v in self.trial.parameters.items()}
        return {**facts, "parameters": named, "curve": dict(self.curve)}


@dataclass(frozen=True)
class Search:
    """Metrics (the best trial's score and the defaults'), section `search`, and how they came about."""

    metrics: tuple[Metric, ...]
    sections: dict[str, Any]
    meta: dict[str, Any]
    options: dict[str, Any]
    """Of the best trial: constructor options of the method."""

    def to_json(self) -> dict[str, Any]:
        """In the shape of a comparison: plain JSON, no NaN, 6 significant digits."""
        return Comparison(self.metrics, self.sections, self.meta).to_json()


def search(table: Table, options: SearchOptions, *, progress: Progress = SILENT) -> Search:
    """Search the options of a method.

    A trial whose options the method refuses is recorded as failed. Equal arguments give equal trials (but seconds),
    unless max_time ends them. Raises InvalidInput for a target or option that cannot be, InvalidData where no trial
    succeeded, Cancelled.
    """
    began = time.perf_counter()
    common = options.compare
    whole = len(table)
    if whole > common.rows:
        kept = stream(common.seed, "compare rows").choice(whole, common.rows, replace=False)
        table = table.part(np.sort(kept))
    problem = read_problem(table, common.targets[0], common)
    run = _Run(problem, options, progress, began)
    with one_thread():
        ended = run.run()
        floor = baseline(problem, run.folds).scores[run.measure.name].mean()
    found = [f for f in run.found if f.validation is not None]
    if not found:
        reasons = "; ".join(dict.fromkeys(f.trial.reason for f in run.found if f.trial.reason))
        raise InvalidData(f"No trial succeeded: {reasons[:1_000]}", hint="Try other options, or another space.")
    progress.update(1.0, "searched")
    best = max(found, key=lambda f: run.measure.sign * float(f.validation or 0.0))
    section = _section(run, best, ended)
    meta = {
        "rows": {"table": whole, "used": len(problem.y), "without_target": problem.without_target},
        "seed": common.seed,
        "options": options.to_json(),
        "seconds": {"total": time.perf_counter() - began},
    }
    sections = {"verdict": {"summary": section["verdict"], "problems": []}, "comparisons": [], "search": section}
    chosen = {k: plain(v) for k, v in best.trial.parameters.items()}
    return Search(_metrics(run, best, float(floor)), sections, meta, {**run.fixed, **chosen})


class _Run:
    """The trials so far, and how the next one is chosen and made."""

    def __init__(self, problem: Problem, options: SearchOptions, progress: Progress, began: float) -> None:
        common = options.compare
        self.problem, self.options, self.progress, self.began = problem, options, progress, began
        self.measure: Measure = measure_of(problem, common.measure)
        self.label = METHODS[options.method].name(problem.task)
        self.folds = _folds(problem, options)
        knows = METHODS[options.method].options()
        self.fixed = common.of(options.method, knows)
        if "ordered" in knows and common.ordered is not None:
            self.fixed["ordered"] = places(problem, common.ordered)
        self.space = options.searched()
        self.grid = options.grid() if options.search == "grid" else []
        for name in self.space:
            if name not in knows:
                raise InvalidInput(f"Method {options.method} has no option {name[:60]!r}.", hint=f"{', '.join(knows)}.")
        self._make({})
        self.found: list[Found] = []

    def run(self) -> str:
        """Trials until the budget is spent -> why it ended."""
        most = len(self.grid) if self.grid else self.options.trials
        while len(self.found) < most:
            late = self.options.max_time is not None and time.perf_counter() - self.began > self.options.max_time
            if self.found and late:
                return "time"
            if len(self.found) == GIVE_UP and all(f.validation is None for f in self.found):
                return "failures"
            parameters = self._next(most)
            if parameters is None:
                return "space"
            self.found.append(self._trial(parameters, most))
            self.progress.event("trial", clean(self.found[-1].to_json()))
        return "trials"

    def _next(self, most: int) -> Mapping[str, Any] | None:
        number = len(self.found)
        if self.grid:
            return self.grid[number]
        if number == 0:
            return {}
        seed = self.options.compare.seed
        if self.options.search == "bayes":
            past = [f.trial for f in self.found]
            known = self._defaults()
            asked = suggest(self.space, past, known, better=self.measure.direction, seed=seed, most=most)
            return None if asked is None else asked.parameters
        seen = [dict(f.trial.parameters) for f in self.found]
        for attempt in range(24):
            rng = stream(seed, "search", number, attempt)
            drawn = {name: _drawn(part, rng) for name, part in self.space.items()}
            if drawn not in seen:
                return drawn
        return None

    def _defaults(self) -> dict[str, Any]:
        """What the first trial had of the searched options, where the space holds that."""
        model = self._make({})
        given = model.get_params() if hasattr(model, "get_params") else {}
        plan = getattr(getattr(self, "first", None), "plan_", None)
        out = {n: given.get(n) if given.get(n) is not None else getattr(plan, n, None) for n in self.space}
        texts = {n: str(list(v)) if isinstance(v, tuple) else v for n, v in out.items()}
        return {n: v for n, v in texts.items() if v is not None}

    def _make(self, parameters: Mapping[str, Any]) -> Any:
        p, common = self.problem, self.options.compare
        chosen = {k: plain(v) for k, v in parameters.items()}
        settings = {**self.fixed, **chosen}
        return make(self.options.method, p.task, p.categorical, common.seed, balance=common.balance, **settings)

    def _trial(self, parameters: Mapping[str, Any], most: int) -> Found:
        number, began = len(self.found), time.perf_counter()
        p = self.problem
        seen, unseen, curve = [], [], {}
        try:
            for k, fold in enumerate(self.folds):
                self.progress.check()
                share = (number + k / len(self.folds)) / most
                self.progress.update(share, f"trial {number + 1} of {most}", trial=number)
                model = self._make(parameters).fit(p.x[fold.train], p.y[fold.train])
                seen.append(self._score(model, fold.train))
                unseen.append(self._score(model, fold.test))
                if k == 0 and hasattr(model, "history_"):
                    curve = {name: list(getattr(model.history_, name)) for name in CURVE}
                if number == 0 and k == 0:
                    self.first = model
        except (InvalidInput, TypeError, ValueError) as error:
            reason = error.message if isinstance(error, InvalidInput) else "The method refuses these options."
            return Found(Trial(number, parameters, "failed", None, time.perf_counter() - began, reason))
        mean = float(np.mean(unseen))
        spread = float(np.std(unseen, ddof=1) / np.sqrt(len(unseen))) if len(unseen) > 1 else 0.0
        trial = Trial(number, parameters, "succeeded", mean, time.perf_counter() - began)
        return Found(trial, float(np.mean(seen)), mean, spread, curve)

    def _score(self, model: Any, rows: Any) -> float:
        p = self.problem
        return scores_of(p.task, p.y[rows], predict(model, p.x[rows], p))[self.measure.name]


def _folds(problem: Problem, options: SearchOptions) -> list[Fold]:
    common = options.compare
    if options.validation is not None:
        shares = (1 - options.validation, options.validation)
        stratify, seed = common.stratify, common.seed
        train, test = split(problem.y, problem.task, shares=shares, groups=problem.groups, stratify=stratify, seed=seed)
        return [Fold(train, test, 0)]
    return cross_validation(
        problem.y,
        problem.task,
        folds=common.folds,
        repeats=common.repeats,
        groups=problem.groups,
        stratify=common.stratify,
        seed=common.seed,
    )


def _drawn(part: Range | Choices, rng: np.random.Generator) -> Any:
    if isinstance(part, Choices):
        return part.values[int(rng.integers(len(part.values)))]
    low, high = (np.log(part.low), np.log(part.high)) if part.log else (part.low, part.high)
    value = float(rng.uniform(low, high))
    value = float(np.exp(value)) if part.log else value
    return int(np.clip(round(value), part.low, part.high)) if part.whole else value


def _section(run: _Run, best: Found, ended: str) -> dict[str, Any]:
    sign, rows = run.measure.sign, run.found
    so_far, top = [], None
    for f in rows:
        if f.validation is not None and (top is None or sign * f.validation > sign * top):
            top = f.validation
        so_far.append({"trial": f.trial.number, "value": top})
    o, space = run.options, run.space.items()
    judged = f"{o.validation:.0%} of the rows" if o.validation is not None else f"{len(run.folds)} folds"
    said = ", ".join(f"{k} {plain(v)}" for k, v in best.trial.parameters.items()) or "the defaults"
    verdict = (
        f"{run.label[0].upper() + run.label[1:]} for {run.problem.title}: "
        f"{run.measure.name} {best.validation:.4g} with {said}, "
        f"the best of {len(rows)} trials ({o.search} search, judged by {judged})."
    )
    reading = _reading(run)
    return {
        "target": run.problem.title,
        "task": run.problem.task.value,
        "method": o.method,
        "label": run.label,
        "measure": run.measure.name,
        "direction": run.measure.direction,
        "search": o.search,
        "judged_by": judged,
        "ended": ended,
        "space": {n: list(map(plain, p.values)) if isinstance(p, Choices) else p.to_json() for n, p in space},
        "trials": [f.to_json() for f in rows],
        "best": best.trial.number,
        "best_so_far": so_far,
        "reading": reading,
        "verdict": f"{verdict} {reading}".strip(),
    }


def _reading(run: _Run) -> str:
    """What a grid over one option shows, in words."""
    if len(run.space) != 1 or not run.grid:
        return ""
    (name,) = run.space
    sign = run.measure.sign
    points = [
        Point(plain(f.trial.parameters[name]), sign * (f.training or 0.0), sign * f.validation, f.spread)
        for f in run.found
        if f.validation is not None
    ]
    return f"{name}: {read_validation(points)[2]}" if len(points) > 1 else ""


def _metrics(run: _Run, best: Found, floor: float) -> tuple[Metric, ...]:
    subject = f"{run.problem.title}: {run.label}"
    first = run.found[0]
    note = f"The best of {len(run.found)} trials, and so a little too good; floor: without features."
    tuned = Metric(
        run.measure.name,
        finite(best.validation),
        "comparison",
        f"{subject}, tuned",
        floor=finite(floor),
        direction=run.measure.direction,
        unit="score",
        note=note,
    )
    if run.grid or first.validation is None:
        return (tuned,)
    return tuned, replace(tuned, value=finite(first.validation), subject=f"{subject}, defaults", note="Trial 0.")
