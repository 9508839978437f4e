"""What is searched where nobody says: a range around what the plan chooses for the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from models.tuning.space import Choices, Range, Space


def default_space(plan: Mapping[str, Any], rows: int, fixed: Collection[str]) -> Space:
    """plan: of the trial with the defaults (models/gan/plan.py), empty where that failed. fixed: options left out."""
    steps, hidden = int(plan.get("steps", 1_000)), int(plan.get("hidden", 256))
    rate = float(plan.get("learning_rate", 2e-3))
    space: Space = {
        "steps": Range(max(2, steps // 2), 3 * max(2, steps), log=True, whole=True),
        "learning_rate": Range(rate / 4, rate * 3, log=True),
        "hidden": Choices(tuple(sorted({max(8, hidden // 2), hidden, min(8_192, 2 * hidden)}))),
        "depth": Range(1, 4, whole=True),
        "dropout": Range(0.0, 0.4),
        "coarse": Choices((16, 32, 64) if rows >= 4_000 else (6, 12, 20)),
        "fine": Choices((8, 16, 32) if rows >= 4_000 else (4, 8, 16)),
    }
    return {name: part for name, part in space.items() if name not in fixed}
