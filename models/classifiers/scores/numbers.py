"""Errors of predicted numbers."""

from __future__ import annotations

import numpy as np

from models.classifiers.base import Floats


def r2(y: Floats, predicted: Floats) -> float:
    """Share of variance explained; NaN for a constant y."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def mae(y: Floats, predicted: Floats) -> float:
    return float(np.abs(y - predicted).mean())


def rmse(y: Floats, predicted: Floats) -> float:
    """Root of the mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def mape(y: Floats, predicted: Floats) -> float:
    """Mean absolute error as a share of the true number, over the rows where that is not 0; NaN without any."""
    known = y != 0
    return float(np.mean(np.abs((y - predicted)[known] / y[known]))) if known.any() else float("nan")


def bias(y: Floats, predicted: Floats) -> float:
    """Mean bias error: mean of prediction less truth. Above 0: predicts too much on average."""
    return float(np.mean(predicted - y))


def number_scores(y: Floats, predicted: Floats) -> dict[str, float]:
    """All scores of a regression, y and predicted (N,)."""
    return {
        "r2": r2(y, predicted),
        "rmse": rmse(y, predicted),
        "mae": mae(y, predicted),
        "mape": mape(y, predicted),
        "bias": bias(y, predicted),
    }


def target_scores(y: Floats, predicted: Floats) -> dict[str, float]:
    """Several targets, (N, T): mean R2. Errors have each target's own unit, and no mean."""
    return {"r2": float(np.mean([r2(a, b) for a, b in zip(y.T, predicted.T, strict=True)]))}
