"""Survey weights in the utility: what is weighed, and what that leaves of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.classifiers import Task
from models.classifiers.base import Floats
from models.classifiers.methods import METHODS
from models.evaluation.utility.training import name_of
from models.evaluation.weighing import worth


def note(weight: str, method: str) -> str:
    """What a figure's note adds where rows weigh."""
    if not weight:
        return ""
    learning = (
        "Trained and scored" if METHODS[method].weighable else "Trained without weights (the method takes none), scored"
    )
    return f" {learning} with the weights {weight}."


def section(weight: str, methods: Sequence[str], task: Task) -> dict[str, Any]:
    """Of the utility's data: the column that weighs, and the methods that do not learn from it."""
    if not weight:
        return {}
    return {"weight": weight, "unweighted": [name_of(m, task) for m in methods if not METHODS[m].weighable]}


def worth_of(weights: Floats, rows: int) -> int:
    """Rows of equal weight that the first so many are worth."""
    return max(1, int(worth(weights[:rows])))
