"""How well a model trained on synthetic rows predicts real ones, from one noisy table of real rows: bins of its score,
or its predicted class, by truth. Post-processing: free.

Every figure is a smooth function of the table's cells, whose noise is independent with known sd: intervals are those of
its linear part (delta method), at 95%, and hold the noise alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from models.dp.public_evaluation import Noisy, Rows
    from models.dp.yardsticks import Prediction

Array = npt.NDArray[Any]
Z = 1.96
LEAST_SIGNAL = 3.0
"""Rows of a class, in units of their noise, without which nothing is said of that class."""


def prediction(made: Prediction, noisy: Noisy, rows: Rows, names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, and for two classes the area under the ROC curve, on real rows; beside it the same on synthetic rows
    that the model has not seen, and what naming the most frequent class reads."""
    table, own = noisy.counts.astype(np.float64), made.own.astype(np.float64)
    correct = correct_cells(made)
    found: dict[str, Any] = {
        "available": True,
        "target": names[made.target],
        "classes": made.classes,
        "accuracy": {**measured(lambda t: accuracy(t, correct), noisy), "synthetic": accuracy(own, correct)},
    }
    found["accuracy"]["majority"] = min(1.0, max(0.0, float(table.sum(0).max() / max(table.sum(), 1.0))))
    if made.classes == 2:
        enough = table.sum(0).min() > LEAST_SIGNAL * noisy.sd * math.sqrt(len(table))
        score = {**measured(auc, noisy), "synthetic": auc(own)} if enough else None
        found["auc"] = score or {"value": None, "note": "Noise hides how many rows the rarer class has."}
    return found


def correct_cells(made: Prediction) -> Array:
    """(bins, classes) bool: cells of rows that are predicted right."""
    if made.edges is None:
        return np.eye(made.classes, dtype=bool)
    # A score of .5 and more means class 1; .5 is an edge.
    positive = np.r_[-np.inf, made.edges] >= 0.5
    return np.column_stack([~positive, positive])


def accuracy(table: Array, correct: Array) -> float:
    """Share of rows in correct cells."""
    return float(table[correct].sum() / max(table.sum(), 1.0))


def auc(table: Array) -> float:
    """Of scores in bins, lowest first (bins, 2): a tie counts half."""
    negative, positive = table[:, 0], table[:, 1]
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / max(negative.sum() * positive.sum(), 1.0))


def measured(figure: Callable[[Array], float], noisy: Noisy) -> dict[str, float]:
    """A share with its interval: sd times the length of the figure's gradient in the cells, by differences."""
    table = noisy.counts.astype(np.float64)
    step = max(1.0, 0.01 * noisy.sd)
    slopes = []
    for i in range(table.size):
        moved = np.zeros(table.size)
        moved[i] = step
        change = moved.reshape(table.shape)
        slopes.append((figure(table + change) - figure(table - change)) / (2 * step))
    value, far = figure(table), Z * noisy.sd * math.sqrt(math.fsum(s * s for s in slopes))
    low, high = (min(1.0, max(0.0, v)) for v in (value - far, value + far))
    return {"value": min(1.0, max(0.0, value)), "low": low, "high": high}
