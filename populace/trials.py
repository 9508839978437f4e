"""Trials of a search as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from populace.console import table


def trials_table(trials: Sequence[Mapping[str, Any]], best: int | None, score: str) -> str:
    """One line per trial: its number (* marks the best), score, options, seconds and state."""
    names = list(dict.fromkeys(name for trial in trials for name in trial["parameters"]))
    rows = [
        [
            f"{trial['number']}{'*' if trial['number'] == best else ''}",
            short(trial["score"]),
            *(short(trial["parameters"].get(name)) if trial["parameters"] else "default" for name in names),
            f"{trial['seconds']:.1f}",
            trial["state"] + (f": {trial['reason']}" if trial.get("reason") else ""),
        ]
        for trial in trials
    ]
    return table(rows, ["trial", score, *names, "seconds", "state"])


def short(value: Any) -> str:
    """Four significant digits at most; nothing for what is absent."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
