"""The verb `tune`: trials of training options, each judged on rows held out inside the training part.

tuning = tune(frame, tuning=TuneOptions(trials=20), target="income")
synthesizer = fit(frame, options=FitOptions(**tuning.options))

The final holdout (models.synthesize.split of the same seed and share) takes no part in it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import Cancelled, InvalidData, InvalidInput, PopulaceError
from models.options import FitOptions
from models.progress import SILENT, Progress
from models.rng import key
from models.synthesize import MIN_ROWS, fit, split
from models.table import Table
from models.tuning.defaults import default_space
from models.tuning.judges import Judge, make_judge
from models.tuning.options import TuneOptions
from models.tuning.space import RESOLUTION, Space, space_to_json
from models.tuning.study import Suggestion, suggest
from models.tuning.trials import History, Trial, best_of
from models.tuning.watch import OutOfTime, PrunedTrial, TrialProgress

log = logging.getLogger(__name__)

GIVE_UP = 5
"""Trials after which the search ends if all of them failed: then it is not for their options."""
TIED = ("seed", "holdout", "threads", "device", "max_time", "target")
"""Options that belong to a run, not to what was found."""


@dataclass(frozen=True)
class Tuning:
    """What a search found. score: its name; better: higher or lower; real: what real rows read; error: standard error
    of the best score, where known; ended: why it ended (trials, time, or space: nothing new was left to try). options:
    the best trial's, as FitOptions takes them; what is not among them is at its default.
    """

    objective: str
    score: str
    better: str
    real: float | None
    error: float | None
    ended: str
    space: Mapping[str, Any]
    rows: Mapping[str, int]
    best: Trial
    options: Mapping[str, Any]
    trials: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        facts = {k: v for k, v in vars(self).items() if k not in ("best", "trials")}
        return facts | {"best": self.best.number, "trials": [t.to_json() for t in self.trials]}


def tune(
    data: Any,
    *,
    options: FitOptions = FitOptions(),
    tuning: TuneOptions = TuneOptions(),
    target: str | None = None,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> Tuning:
    """Search training options.

    data: Table or pandas DataFrame. options: what all trials share; its holdout is left out of the search altogether.
    target: column, for objective utility. checkpoint: a folder to save trials in, and to go on from if it holds those
    of the same search on the same rows. A trial that fails is recorded and the search goes on. Equal arguments give
    equal trials on the same machine, unless max_time ends them.

    Raises InvalidInput, InvalidData where there are too few rows or no trial succeeded, Cancelled.
    """
    tuning.check(options)
    table = _as_table(data)
    learnt, judged = _rows(table, options, tuning)
    judge = make_judge(learnt, judged, target, tuning, options.seed)
    of = _fingerprint(table, options, tuning, target)
    history = History.load(checkpoint, of) if checkpoint is not None else History()
    search = _Search(learnt, judged, judge, options, tuning, history, progress, checkpoint, of)
    ended = search.run()
    best = best_of(history.trials, judge.better)
    if best is None:
        reasons = "; ".join(dict.fromkeys(t.reason for t in history.trials if t.reason))
        raise InvalidData(f"No trial succeeded: {reasons[:1_000]}", hint="Try the options with fit, or another space.")
    found = replace(options, **best.parameters).to_json()
    default = FitOptions().to_json()
    return Tuning(
        tuning.objective,
        judge.name,
        judge.better,
        history.real,
        None if best.score is None else judge.error(best.score),
        ended,
        space_to_json(search.space()),
        {"learnt": len(learnt), "judged": len(judged), "holdout": len(table) - len(learnt) - len(judged)},
        best,
        {k: v for k, v in found.items() if v != default[k] and k not in TIED},
        tuple(history.trials),
    )


@dataclass
class _Search:
    learnt: Table
    judged: Table
    judge: Judge
    options: FitOptions
    tuning: TuneOptions
    history: History
    progress: Progress
    checkpoint: Path | None
    of: str

    def run(self) -> str:
        """Trials until the budget is spent -> why it ended."""
        trials, most = self.history.trials, self.tuning.trials
        began = time.monotonic() - sum(t.seconds for t in trials)
        deadline = math.inf if self.tuning.max_time is None else began + self.tuning.max_time
        if self.history.real is None:
            self.history.real = self.judge.real(self.progress)
        while len(trials) < most:
            if len(trials) == GIVE_UP and all(t.state == "failed" for t in trials):
                return "failures"
            if trials and time.monotonic() >= deadline:
                return "time"
            suggestion = None
            if trials:
                suggestion = suggest(
                    self.space(), trials, self.history.plan, better=self.judge.better, seed=self.options.seed, most=most
                )
                if suggestion is None:
                    return "space"
            scored = any(t.score is not None for t in trials)
            try:
                trial = self._trial(suggestion, deadline if scored else math.inf)
            except OutOfTime:
                return "time"
            trials.append(trial)
            self._keep(trial)
        return "trials"

    def space(self) -> Space:
        if self.tuning.space is not None:
            return self.tuning.space
        fixed = {k for k, v in self.options.to_json().items() if v != getattr(FitOptions(), k)}
        if self.tuning.objective == "likelihood":
            fixed |= RESOLUTION
        space = default_space(self.history.plan, len(self.learnt), fixed, self.options.model)
        if not space:
            raise InvalidInput("All options that are searched by default are set.", hint="Give a search space.")
        return space

    def _trial(self, suggestion: Suggestion | None, deadline: float) -> Trial:
        number = len(self.history.trials)
        prune = suggestion.worse if suggestion is not None and self.tuning.objective == "likelihood" else None
        watch = TrialProgress(
            self.progress, number, self.tuning.trials, deadline, prune, None if prune else self.checkpoint
        )
        parameters = {} if suggestion is None else suggestion.parameters
        # A pruned trial must see its own curve from the start, so it is not resumed in the middle.
        folder = None if self.checkpoint is None or prune else self.checkpoint / "trial"
        began, state, score, reason = time.monotonic(), "succeeded", None, ""
        try:
            wanted = self.judge.prepare(replace(self.options, **parameters))
            trained = fit(self.learnt, options=wanted, holdout=self.judged, progress=watch, checkpoint=folder)
            if not self.history.trials:
                self.history.plan = dict(trained.manifest["plan"])
            watch.scoring()
            score = self.judge.score(trained, watch)
            if not math.isfinite(score):
                state, score, reason = "failed", None, "The score is no number."
        except (Cancelled, OutOfTime):
            raise
        except PrunedTrial:
            state = "pruned"
        except PopulaceError as error:
            state, reason = "failed", error.message
        except Exception as error:  # such as too little memory for these options; its text may quote data
            log.exception("trial %d failed", number)
            state, reason = "failed", f"It failed unexpectedly ({type(error).__name__})."
        seconds = round(time.monotonic() - began, 2)
        rounded = None if score is None else round(score, 6)
        return Trial(number, parameters, state, rounded, seconds, reason, watch.curve)

    def _keep(self, trial: Trial) -> None:
        if self.checkpoint is not None:
            self.checkpoint.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.checkpoint / "trial", ignore_errors=True)
            self.history.save(self.checkpoint, self.of)
            self.progress.checkpoint(self.checkpoint, trials=len(self.history.trials))
        self.progress.event("trial", trial.to_json())


def _rows(table: Table, options: FitOptions, tuning: TuneOptions) -> tuple[Table, Table]:
    """-> rows that the trials learn from, rows that they are judged by: the training part, cut in two."""
    train, _ = split(len(table), options.holdout, options.seed)
    learnt, judged = split(len(train), tuning.validation, key(options.seed, "tune"))
    if len(learnt) < MIN_ROWS:
        what = f"{len(learnt)} rows to learn from are too few: {MIN_ROWS} are needed."
        raise InvalidData(what, hint="Provide more rows.")
    return table.take(train[learnt]), table.take(train[judged])


def _as_table(data: Any) -> Table:
    if isinstance(data, Table):
        return data
    from models.ingest import table_from_frame

    return table_from_frame(data)


def _fingerprint(table: Table, options: FitOptions, tuning: TuneOptions, target: str | None) -> str:
    """Hash of the search and of the rows (10,000 of them, evenly spaced): other trials are never taken for its own."""
    facts = {**options.to_json(), "threads": None, "tuning": tuning.to_json(), "target": target}
    facts |= {"schema": table.schema.to_json(), "rows": len(table)}
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    at = np.unique(np.linspace(0, max(0, len(table) - 1), min(10_000, len(table))).astype(np.int64))
    for row in zip(*(c.to_pylist() for c in table.take(at).data.columns), strict=True):
        found.update(repr(row).encode())
    return found.hexdigest()
