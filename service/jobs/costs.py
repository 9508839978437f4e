"""What a comparison of methods costs, and a search of one: seconds of each method by rows, columns, classes and folds.

Fitted to CPU seconds of one thread on eleven tables of 918 to 30,000 rows (docs/classification.md, "What it costs").
Networks stop early, so that theirs vary most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.schema import Schema

FULL_ROWS = 8_000
"""Beyond so many training rows a network needs fewer rounds of them."""
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Of the training rows, at which a learning curve fits the best method anew (models/comparison/curves.py)."""
BEST = 0.25
"""Which method is the best is not known before: its curve is taken to cost so much of the dearest one."""
EXACT_ROWS = 5_000
"""Training rows beyond which the support vector machine is fitted on features (docs/classification.md)."""


@dataclass(frozen=True)
class Size:
    """One fit. learnt, scored: rows; width: features once labels are one column each; outputs: classes beyond two
    (else 1), or targets together; length: of the sequence that a convolution reads."""

    learnt: float
    scored: float
    width: float
    outputs: float
    length: float = 1.0

    def part(self, share: float) -> Size:
        return replace(self, learnt=share * self.learnt)


def comparison(options: Mapping[str, Any], schema: Schema, rows: int, test: bool = False) -> float:
    """Seconds of all fits of a comparison: methods on folds, the learning curve of the best, validation curves, and
    one more fit each for a test table."""
    total = 0.0
    for target in options["targets"]:
        fold = _fold(options, schema, rows, target)
        folds = options["folds"] * options["repeats"]
        each = [seconds(method, fold) for method in options["methods"]]
        total += folds * sum(each) + (sum(each) if test else 0.0)
        if options["learning_curve"]:
            total += BEST * folds * max(sum(seconds(m, fold.part(s)) for s in SHARES) for m in options["methods"])
        for method, curves in options["vary"].items():
            total += folds * seconds(method, fold) * sum(len(values) for values in curves.values())
    return total


def trial(options: Mapping[str, Any], schema: Schema, rows: int) -> float:
    """Seconds of one trial of a search: its method on all folds, or on the part that trains where another validates."""
    fold, held = _fold(options, schema, rows, options["targets"][0]), options.get("validation")
    if not held:
        return float(options["folds"] * options["repeats"] * seconds(options["method"], fold))
    used = fold.learnt + fold.scored
    return seconds(options["method"], replace(fold, learnt=(1 - held) * used, scored=held * used))


def seconds(method: str, s: Size) -> float:
    """Of one fit, and of predicting the rows that score it."""
    n, m, w, k = s.learnt, s.scored, s.width, s.outputs
    if method == "mlp":
        effective = min(n, FULL_ROWS) + 0.25 * max(n - FULL_ROWS, 0)
        return 0.7 + 0.0004 * effective * (1 + w / 400) + 0.1 * k
    if method == "conv1d":
        return 2.0 + 1.6e-4 * n * s.length
    if method == "knn":
        return 0.01 + 1.2e-10 * n * m * w
    if method == "svm":
        if n <= EXACT_ROWS:
            return 0.01 + 6e-10 * n * (n + m) * w
        return 0.1 + 8e-5 * (n + m) * k
    if method == "forest":
        return 0.12 + 9e-5 * n
    if method == "boosting":
        return k * (0.13 + 3e-5 * n)
    if method == "tree":
        return 0.004 + 5e-6 * n
    return 0.005 + 8e-8 * n * w * k


def _fold(options: Mapping[str, Any], schema: Schema, rows: int, target: str | Sequence[str]) -> Size:
    targets = [target] if isinstance(target, str) else list(target)
    used = min(rows, options["rows"])
    away = {*targets, *options["ignore"], options["groups"]}
    features = [c for c in schema.modelled if c.name not in away]
    if options["features"] is not None:
        features = [c for c in features if c.name in options["features"]]
    width = sum(len(c.categories or (0,)) + len(c.missing_codes) for c in features)
    classes = len(schema[targets[0]].categories or ()) if len(targets) == 1 else 0
    outputs = classes if classes > 2 else len(targets)
    ordered = len(options["ordered"] or [c for c in features if not c.labelled])
    length = ordered / float((options["method_options"].get("conv1d") or {}).get("channels", 1))
    return Size(used * (1 - 1 / options["folds"]), used / options["folds"], max(width, 1), outputs, length)
