"""How often predicted classes and labels are right, and how good their probabilities are."""

from __future__ import annotations

import numpy as np

from models.classifiers.base import Floats, Labels
from models.classifiers.scores.ranking import auc, mean_auc, mean_pr_auc, pr_auc

LEAST = 1e-15
"""Probabilities are kept so far from 0 and 1 in a log loss."""


def confusion(y: Labels, predicted: Labels, classes: int, weights: Floats | None = None) -> Labels:
    """Counts (true class, predicted class), (K, K); with weights (N,) of the rows their sums."""
    cells = y * classes + predicted
    return np.asarray(np.bincount(cells, weights, minlength=classes * classes).reshape(classes, classes))


def macro_f1(y: Labels, predicted: Labels, classes: int) -> float:
    """Mean F1 over the classes that occur in y or in the predictions."""
    table = confusion(y, predicted, classes)
    hits, real, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    occurs = (real + guessed) > 0
    return float(np.mean(2 * hits[occurs] / (real + guessed)[occurs]))


def accuracy(y: Labels, predicted: Labels) -> float:
    return float(np.mean(y == predicted))


def per_class(y: Labels, predicted: Labels, classes: int) -> dict[str, Floats]:
    """precision, recall, f1 and support (true rows) of each class, (K,); 0 where a class is never predicted."""
    table = confusion(y, predicted, classes)
    hits, real, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    return {
        "precision": hits / np.maximum(guessed, 1),
        "recall": hits / np.maximum(real, 1),
        "f1": 2 * hits / np.maximum(real + guessed, 1),
        "support": real.astype(np.float64),
    }


def log_loss(y: Labels, probabilities: Floats) -> float:
    """Mean -log of the probability given to the true class. y: codes of the columns of probabilities (N, K)."""
    share = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(-np.log(np.clip(share[np.arange(len(y)), y], LEAST, 1.0)).mean())


def brier(y: Labels, probabilities: Floats) -> float:
    """Mean squared error of the probabilities (Brier 1950): of the second class where there are two, else summed over
    the classes."""
    if probabilities.shape[1] == 2:
        return float(np.mean((probabilities[:, 1] - (y == 1)) ** 2))
    return float(np.mean(np.sum((probabilities - np.eye(probabilities.shape[1])[y]) ** 2, axis=1)))


def class_scores(y: Labels, predicted: Labels, probabilities: Floats) -> dict[str, float]:
    """All scores of a target with classes. y, predicted (N,): codes of the columns of probabilities (N, K). Precision,
    recall and F1 are of the second class where there are two (the macro ones are means over classes that occur)."""
    classes = probabilities.shape[1]
    each = per_class(y, predicted, classes)
    occurs = (each["support"] > 0) | (np.bincount(predicted, minlength=classes) > 0)
    out = {
        "accuracy": accuracy(y, predicted),
        "balanced_accuracy": float(each["recall"][each["support"] > 0].mean()),
        "macro_precision": float(each["precision"][occurs].mean()),
        "macro_recall": float(each["recall"][occurs].mean()),
        "macro_f1": float(each["f1"][occurs].mean()),
        "weighted_f1": float(np.average(each["f1"], weights=each["support"])),
    }
    if classes == 2:
        out |= {name: float(each[name][1]) for name in ("precision", "recall", "f1")}
    return out | {
        "roc_auc": mean_auc(y, probabilities),
        "pr_auc": mean_pr_auc(y, probabilities),
        "log_loss": log_loss(y, probabilities),
        "brier": brier(y, probabilities),
    }


def label_scores(y: Labels, predicted: Labels, probabilities: Floats) -> dict[str, float]:
    """All scores of several labels, each (N, L): y and predicted 0 or 1, probabilities of 1.

    accuracy: share of the labels that are right (1 - Hamming loss); subset_accuracy: share of the rows whose labels are
    all right; macro: means over the labels; micro: over all labels as if they were one. Areas are means over the labels
    that vary in y."""
    hits = ((y == 1) & (predicted == 1)).sum(axis=0).astype(np.float64)
    marked = (y == 1).sum(axis=0) + (predicted == 1).sum(axis=0)
    wrong = float(np.mean(y != predicted))
    columns = list(zip(y.T, probabilities.T, strict=True))
    return {
        "accuracy": 1 - wrong,
        "subset_accuracy": float(np.mean((y == predicted).all(axis=1))),
        "hamming_loss": wrong,
        "macro_f1": float(np.mean(2 * hits / np.maximum(marked, 1))),
        "micro_f1": float(2 * hits.sum() / max(marked.sum(), 1)),
        "roc_auc": _known_mean([auc(a == 1, p) for a, p in columns]),
        "pr_auc": _known_mean([pr_auc(a == 1, p) for a, p in columns]),
        "log_loss": float(np.mean([log_loss(a, np.stack([1 - p, p], axis=1)) for a, p in columns])),
        "brier": float(np.mean((probabilities - y) ** 2)),
    }


def _known_mean(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")
