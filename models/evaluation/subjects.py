"""Figures of many subjects (columns, pairs, triples) from their errors: the mean, and each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.context import Context
from models.evaluation.marginals import Errors
from models.evaluation.result import Metric, finite

WORST = 20


def metrics_of(
    name: str,
    section: str,
    errors: Errors,
    order: list[str],
    subjects: list[str],
    note: str,
    of: str,
    count: int | None = None,
) -> list[Metric]:
    """The mean over subjects with its interval, then one metric per subject."""
    at = {t: i for i, t in enumerate(order)}
    count = len(subjects) if count is None else count
    if not count:
        return [Metric(name, None, section, goal=0.0, note=f"There is no {of} of modelled columns.")]

    def read(table: str, k: int | None) -> float | None:
        if table not in at:
            return None
        return finite(errors.mean(at[table]) if k is None else float(errors.by_table[at[table], k]))

    def one(subject: str, k: int | None, low: float | None, high: float | None, note: str) -> Metric:
        value, ceiling, holdout, floor = (read(t, k) for t in ("synthetic", "ceiling", "holdout", "floor"))
        usual = errors.chance.mean(axis=1) if k is None else errors.chance[:, k]
        mean, spread = finite(float(usual[0])), finite(float(usual[1]))
        return Metric(
            name, value, section, subject, ceiling, holdout, floor, low, high,
            goal=0.0, note=note, expected=mean, spread=spread,
        )  # fmt: skip

    matched = read("matched", None)
    whole = f"Mean over {count:,} {of}(s); {note}"
    if matched is not None:
        whole += f" The sample at the holdout's size reads {matched:.4f}."
    each = (one(s, k, *errors.interval(k), note) for k, s in enumerate(subjects))
    return [one("", None, *errors.interval(), whole), *each]


def worst_of(
    context: Context, order: list[str], combinations: list[tuple[int, ...]], errors: Errors
) -> list[dict[str, Any]]:
    """Combinations of columns with the largest error, worst first."""
    ranked = np.argsort(-errors.by_table[0], kind="stable")[:WORST]
    return [
        {
            "columns": [context.names[j] for j in combinations[k]],
            **{t: float(errors.by_table[i, k]) for i, t in enumerate(order) if t != "matched"},
        }
        for k in ranked
    ]
