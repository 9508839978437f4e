"""What is searched where nobody says: a range around what the plan chooses for the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from models.tuning.space import Choices, Range, Space


def default_space(plan: Mapping[str, Any], rows: int, fixed: Collection[str], model: str = "masked") -> Space:
    """plan: of the trial with the defaults (models/gan/plan.py), empty where that failed. fixed: options left out."""
    space = _ctgan(plan) if model == "ctgan" else _masked(plan, rows)
    return {name: part for name, part in space.items() if name not in fixed}


def _masked(plan: Mapping[str, Any], rows: int) -> Space:
    steps, hidden = int(plan.get("steps", 1_000)), int(plan.get("hidden", 256))
    rate = float(plan.get("learning_rate", 2e-3))
    return {
        "steps": Range(max(2, steps // 2), 3 * max(2, steps), log=True, whole=True),
        "learning_rate": Range(rate / 4, rate * 3, log=True),
        "hidden": _around(hidden),
        "depth": Range(1, 4, whole=True),
        "dropout": Range(0.0, 0.4),
        "coarse": Choices((16, 32, 64) if rows >= 4_000 else (6, 12, 20)),
        "fine": Choices((8, 16, 32) if rows >= 4_000 else (4, 8, 16)),
    }


def _ctgan(plan: Mapping[str, Any]) -> Space:
    epochs, hidden = int(plan.get("epochs", 300)), int(plan.get("hidden", 256))
    rates = {name: float(plan.get(name, 2e-4)) for name in ("learning_rate", "critic_learning_rate")}
    return {
        "epochs": Range(max(1, epochs // 3), 2 * epochs, log=True, whole=True),
        **{name: Range(rate / 4, rate * 4, log=True) for name, rate in rates.items()},
        "hidden": _around(hidden),
        "depth": Range(1, 3, whole=True),
    }


def _around(hidden: int) -> Choices:
    return Choices(tuple(sorted({max(8, hidden // 2), hidden, min(8_192, 2 * hidden)})))
