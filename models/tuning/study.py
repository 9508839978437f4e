"""Which options to try next: Optuna's tree of Parzen estimators (Bergstra et al. 2011), and its median pruner.

A study is built anew for every trial from those that have ended, with a sampler seeded by the trial's number. So what
is tried depends on the seed and the trials before alone: a search that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from models.rng import key
from models.tuning.space import Choices, Range, Space
from models.tuning.trials import Trial

RANDOM_TRIALS = 10
"""Trials at random before the estimators begin, or a third of all trials if that is fewer."""
PRUNED_AFTER = 5
"""Trials that must have succeeded before any is pruned."""
TRIES = 24
STATES = {"succeeded": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class Suggestion:
    """What to try. `worse` tells, as training goes on, whether it is worth its time."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.parameters: dict[str, Any] = dict(trial.params)

    def worse(self, tenth: int, loss: float) -> bool:
        """Whether the best loss so far is above the median of the other trials' at this tenth of their training."""
        self._trial.report(loss, tenth)
        return self._trial.should_prune()


def suggest(
    space: Space, trials: Sequence[Trial], known: Mapping[str, Any], *, better: str, seed: int, most: int
) -> Suggestion | None:
    """The next trial's parameters, None where nothing new is found any more.

    known: values that the defaults (trial 0) have of the searched options. better: higher or lower. most: trials of
    the whole search.
    """
    distributions = {name: _distribution(part) for name, part in space.items()}
    seen = {_frozen(t.parameters) for t in trials}
    past = [_frozen_trial(t, space, distributions, known) for t in trials]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        for attempt in range(TRIES):
            state = key(seed, "tune", len(trials), attempt) % 2**32
            start = max(2, min(RANDOM_TRIALS, most // 3)) if attempt < TRIES // 2 else 10**9
            study = optuna.create_study(
                direction="maximize" if better == "higher" else "minimize",
                sampler=optuna.samplers.TPESampler(seed=state, n_startup_trials=start, multivariate=False),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNED_AFTER, n_warmup_steps=2),
            )
            study.add_trials(past)
            asked = study.ask(distributions)
            if _frozen(asked.params) not in seen:
                return Suggestion(asked)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return None


def _distribution(part: Range | Choices) -> BaseDistribution:
    if isinstance(part, Choices):
        return CategoricalDistribution(part.values)
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), log=part.log)
    return FloatDistribution(float(part.low), float(part.high), log=part.log)


def _frozen_trial(
    trial: Trial, space: Space, distributions: Mapping[str, BaseDistribution], known: Mapping[str, Any]
) -> optuna.trial.FrozenTrial:
    given = trial.parameters or {n: v for n, v in known.items() if n in space and space[n].holds(v)}
    return optuna.trial.create_trial(
        state=STATES[trial.state],
        value=trial.score,
        params=dict(given),
        distributions={name: distributions[name] for name in given},
        intermediate_values=dict(trial.curve),
    )


def _frozen(parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(parameters.items()))
