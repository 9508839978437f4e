"""Scores of predictions, their intervals, and the curves behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from models.classifiers.base import Floats, Labels

Score = Callable[[Labels, Any], float]


def auc(positive: Labels, score: Floats) -> float:
    """Area under the ROC curve: chance that a positive row scores higher than a negative one, ties half.

    NaN if one class is absent. positive: bool (N,)."""
    positive = np.asarray(positive, dtype=bool)
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def mean_auc(y: Labels, probabilities: Floats) -> float:
    """Two classes: AUC of the second; more: mean one-against-rest AUC over the classes that occur in y. y: codes of the
    columns of probabilities (N, K)."""
    if probabilities.shape[1] == 2:
        return auc(y == 1, probabilities[:, 1])
    each = [auc(y == k, probabilities[:, k]) for k in range(probabilities.shape[1])]
    known = [a for a in each if np.isfinite(a)]
    return float(np.mean(known)) if known else float("nan")


def auc_error(value: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982, Radiology 143, equation 2)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return float(np.sqrt(max(spread, 0.0) / max(positives * negatives, 1)))


def confusion(y: Labels, predicted: Labels, classes: int) -> Labels:
    """Counts (true class, predicted class), (K, K)."""
    return np.asarray(np.bincount(y * classes + predicted, minlength=classes * classes).reshape(classes, classes))


def macro_f1(y: Labels, predicted: Labels, classes: int) -> float:
    """Mean F1 over the classes that occur in y or in the predictions."""
    table = confusion(y, predicted, classes)
    hits, real, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    occurs = (real + guessed) > 0
    return float(np.mean(2 * hits[occurs] / (real + guessed)[occurs]))


def accuracy(y: Labels, predicted: Labels) -> float:
    return float(np.mean(y == predicted))


def r2(y: Floats, predicted: Floats) -> float:
    """Share of variance explained; NaN for a constant y."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def mae(y: Floats, predicted: Floats) -> float:
    return float(np.abs(y - predicted).mean())


def interval(
    score: Score, y: Labels, predicted: Any, rng: np.random.Generator, rounds: int = 100
) -> tuple[float, float]:
    """95% percentile bootstrap over test rows (Efron and Tibshirani 1993, chapter 13)."""
    draws = (rng.integers(0, len(y), len(y)) for _ in range(rounds))
    values = np.array([score(y[rows], predicted[rows]) for rows in draws])
    values = values[np.isfinite(values)]
    return tuple(np.percentile(values, (2.5, 97.5)).tolist()) if len(values) else (float("nan"), float("nan"))


def roc_curve(positive: Labels, score: Floats, points: int = 101) -> dict[str, list[float]]:
    """False and true positive shares over falling thresholds, at most `points` of them, from (0, 0) to (1, 1)."""
    order = np.argsort(-score, kind="stable")
    hit = np.asarray(positive, dtype=bool)[order]
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    tpr = np.concatenate([[0.0], np.cumsum(hit)[ends] / max(hit.sum(), 1)])
    fpr = np.concatenate([[0.0], np.cumsum(~hit)[ends] / max((~hit).sum(), 1)])
    pick = np.unique(np.searchsorted(fpr + tpr, np.linspace(0, 2, points)).clip(0, len(fpr) - 1))
    pick = np.union1d(pick, [0, len(fpr) - 1])
    return {"fpr": fpr[pick].tolist(), "tpr": tpr[pick].tolist()}


def calibration(hit: Labels, confidence: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Per bin of equal width that holds rows: mean predicted probability, observed share, rows. hit: bool (N,)."""
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "predicted": float(confidence[where == b].mean()),
            "observed": float(np.mean(hit[where == b])),
            "rows": int((where == b).sum()),
        }
        for b in range(bins)
        if (where == b).any()
    ]
