"""How well scores rank rows: areas under curves, and the curves."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from models.classifiers.base import Floats, Labels


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


def roc_curve(
    positive: Labels, score: Floats, points: int = 101, weights: Floats | None = None
) -> dict[str, list[float]]:
    """False and true positive shares over falling thresholds, at most `points` of them, from (0, 0) to (1, 1). weights:
    (N,) of the rows."""
    hits, rows = _falling(positive, score, weights)
    misses = rows - hits
    tpr = np.concatenate([[0.0], hits / (hits[-1] or 1.0)]) if len(hits) else np.zeros(1)
    fpr = np.concatenate([[0.0], misses / (misses[-1] or 1.0)]) if len(hits) else np.zeros(1)
    pick = np.unique(np.searchsorted(fpr + tpr, np.linspace(0, 2, points)).clip(0, len(fpr) - 1))
    pick = np.union1d(pick, [0, len(fpr) - 1])
    return {"fpr": fpr[pick].tolist(), "tpr": tpr[pick].tolist()}


def pr_auc(positive: Labels, score: Floats) -> float:
    """Average precision: precision at each threshold, weighted by the recall gained there; ties count together.

    NaN if there is no positive row. positive: bool (N,)."""
    hits, rows = _falling(positive, score)
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    return float(np.sum(np.diff(hits, prepend=0) * hits / rows) / hits[-1])


def mean_pr_auc(y: Labels, probabilities: Floats) -> float:
    """Two classes: average precision of the second; more: the mean over the classes that occur in y."""
    if probabilities.shape[1] == 2:
        return pr_auc(y == 1, probabilities[:, 1])
    each = [pr_auc(y == k, probabilities[:, k]) for k in range(probabilities.shape[1])]
    known = [a for a in each if np.isfinite(a)]
    return float(np.mean(known)) if known else float("nan")


def pr_curve(
    positive: Labels, score: Floats, points: int = 101, weights: Floats | None = None
) -> dict[str, list[float]]:
    """Recall and precision over falling thresholds, at most about `points` of them; empty without positive rows.
    weights: (N,) of the rows, above 0."""
    hits, rows = _falling(positive, score, weights)
    if not len(hits) or hits[-1] == 0:
        return {"recall": [], "precision": []}
    recall, precision = hits / hits[-1], hits / rows
    pick = np.searchsorted(recall, np.linspace(0, 1, points)).clip(0, len(recall) - 1)
    pick = np.union1d(pick, [0, len(recall) - 1])
    return {"recall": recall[pick].tolist(), "precision": precision[pick].tolist()}


def _falling(positive: Labels, score: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Positive rows and rows, or sums of weights, at or above each distinct score, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if len(order) else order
    w = np.ones(len(order)) if weights is None else weights[order]
    return np.cumsum(np.asarray(positive, dtype=bool)[order] * w)[ends], np.cumsum(w)[ends]
