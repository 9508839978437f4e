"""Which method is best, by how much, and whether that could be chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.comparison.crossing import LOWER, Outcome
from models.comparison.folds import Fold
from models.comparison.options import MEASURES
from models.comparison.paired import corrected, holm, mcnemar
from models.comparison.problem import Problem
from models.errors import Detail, InvalidInput

LEVEL = 0.05


@dataclass(frozen=True)
class Measure:
    """By what methods are ranked; sign: 1 where more is better, -1 where less is."""

    name: str

    @property
    def sign(self) -> int:
        return -1 if self.name in LOWER else 1

    @property
    def direction(self) -> str:
        return "lower" if self.sign < 0 else "higher"


def measure_of(problem: Problem, asked: str | None) -> Measure:
    """The measure asked for, or the task's first. Raises InvalidInput where it does not fit the task."""
    task = problem.task
    kind = "numbers" if not task.classes else "several labels" if task.several else "classes"
    known = ("r2",) if kind == "numbers" and task.several else MEASURES[kind]
    if asked is not None and asked not in known:
        raise InvalidInput(
            f"Measure {asked} does not fit target {problem.title!r} (task {task.value}).",
            hint=f"One of {', '.join(known)}.",
            errors=[Detail(("options", "measure"), "does not fit the task")],
        )
    return Measure(asked or known[0])


def ranked(outcomes: Sequence[Outcome], measure: Measure) -> list[Outcome]:
    """Best first (equal ones in the order given); those that could not run last."""
    return sorted(outcomes, key=lambda o: math.inf if o.note else -measure.sign * float(o.scores[measure.name].mean()))


def test_share(folds: Sequence[Fold]) -> float:
    """Test rows / training rows, the mean over folds."""
    return float(np.mean([len(f.test) / len(f.train) for f in folds]))


def spans(outcome: Outcome, share: float) -> dict[str, dict[str, Any]]:
    """Per score its mean over folds, the 95% interval of the corrected resampled t-test, and the folds."""
    out: dict[str, dict[str, Any]] = {}
    for name, values in outcome.scores.items():
        known = values[np.isfinite(values)]
        if not len(known):
            out[name] = {"value": None, "low": None, "high": None, "folds": values}
            continue
        got = corrected(known, share)
        out[name] = {"value": got.value, "low": got.low, "high": got.high, "folds": values}
    return out


def differences(
    order: Sequence[Outcome], measure: Measure, share: float, problem: Problem
) -> list[dict[str, Any] | None]:
    """How much worse each method is than the first: mean difference with its interval, p value of the corrected
    resampled t-test, the same adjusted for the number of methods (Holm), and McNemar's test for classes.

    worse: by the t-test, which also counts that other training rows would give other models. probably_worse: only by
    McNemar's test, which is about these models alone, and sees more with few folds.
    """
    best = order[0]
    found: list[dict[str, Any] | None] = []
    for other in order:
        if other is best or other.note or best.note:
            found.append(None)
            continue
        got = corrected(measure.sign * (best.scores[measure.name] - other.scores[measure.name]), share)
        about = {"value": got.value, "low": got.low, "high": got.high, "p": got.p}
        found.append({**about, "mcnemar": _mcnemar(best, other, problem)})
    adjusted = holm([d["p"] if d else math.nan for d in found])
    # McNemar's test is about rows that are right: accuracy, of several labels that of all of them.
    about_rows = measure.name == ("subset_accuracy" if problem.task.several else "accuracy")
    counted = holm([d["mcnemar"]["p"] if d and d["mcnemar"] else math.nan for d in found])
    for d, p, q in zip(found, adjusted, counted, strict=True):
        if d is not None:
            d["p_adjusted"], d["worse"] = p, bool(p < LEVEL)
            d["probably_worse"] = bool(q < LEVEL) and not d["worse"] and about_rows
            if d["mcnemar"]:
                d["mcnemar"]["p_adjusted"] = q
    return found


def _mcnemar(best: Outcome, other: Outcome, problem: Problem) -> dict[str, Any] | None:
    """On rows whose class (for several labels: all of them) is right."""
    if not problem.task.classes or best.pooled is None or other.pooled is None:
        return None
    right = [
        (o.pooled.predicted == problem.y).reshape(len(problem.y), -1).all(axis=1)
        for o in (best, other)
        if o.pooled is not None
    ]
    only_best, only_this, p = mcnemar(*right)
    return {"only_best": only_best, "only_this": only_this, "p": p}


def verdict(
    title: str,
    order: Sequence[Outcome],
    found: Sequence[dict[str, Any] | None],
    measure: Measure,
    floor: Outcome,
    share: float,
) -> str:
    """One or two sentences: the best method, which others it cannot be told from, and what the baseline reads."""
    best = order[0]
    if best.note:
        return f"No method could learn {title}: {best.note}"
    got, base = spans(best, share)[measure.name], float(floor.scores[measure.name].mean())
    name = measure.name.replace("_", " ").replace("r2", "R2")
    said = f"{best.label[0].upper() + best.label[1:]} predicts {title} best: {name} {_shown(got['value'])}"
    if got["low"] is not None and math.isfinite(got["low"]):
        said += f" (95% interval {_shown(got['low'])} to {_shown(got['high'])})"
    said += f"; the baseline, the {floor.label}, reads {_shown(base)}."
    if measure.sign * (got["value"] - base) <= 0:
        said += " That is no better than the baseline: these features do not predict the target."
    pairs = [(o, d) for o, d in zip(order, found, strict=True) if d is not None]
    equal = [o.label for o, d in pairs if not d["worse"] and not d["probably_worse"]]
    doubted = [o.label for o, d in pairs if d["probably_worse"]]
    worse = [o.label for o, d in pairs if d["worse"]]
    if pairs and len(worse) == len(pairs):
        return f"{said} Every other method is clearly worse."
    parts = [f"it cannot be told apart from {_and(equal)} at the 5% level"] if equal else []
    parts += [f"probably worse: {_and(doubted)}"] if doubted else []
    parts += [f"clearly worse: {_and(worse)}"] if worse else []
    text = "; ".join(parts)
    return f"{said} {text[0].upper()}{text[1:]}." if text else said


def _shown(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
