"""What a classifier of two classes does at each threshold of its probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifiers.base import Floats, Labels


@dataclass(frozen=True)
class AtThreshold:
    """Counts where a probability of at least `threshold` is called positive."""

    threshold: float
    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def fpr(self) -> float:
        return self.fp / max(self.fp + self.tn, 1)

    @property
    def tpr(self) -> float:
        return self.tp / max(self.tp + self.fn, 1)

    @property
    def precision(self) -> float:
        """1 where nothing is called positive."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 1.0

    @property
    def f1(self) -> float:
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    def to_json(self) -> dict[str, Any]:
        counts = {"threshold": self.threshold, "tn": self.tn, "fp": self.fp, "fn": self.fn, "tp": self.tp}
        return {**counts, "fpr": self.fpr, "tpr": self.tpr, "precision": self.precision, "f1": self.f1}


def confusion_at(positive: Labels, score: Floats, threshold: float) -> AtThreshold:
    """Confusion matrix at any threshold. positive: bool (N,); score: probability of the positive class (N,)."""
    return threshold_table(positive, score, (threshold,))[0]


def threshold_table(positive: Labels, score: Floats, thresholds: tuple[float, ...] | None = None) -> list[AtThreshold]:
    """One row per threshold, ascending; by default 0, .05 .. 1 and the threshold of the highest F1."""
    positive = np.asarray(positive, bool)
    order = np.argsort(score, kind="stable")
    ranked, hits = np.asarray(score, np.float64)[order], np.concatenate([[0], np.cumsum(positive[order])])
    if thresholds is None:
        steps = np.round(np.linspace(0, 1, 21), 2)
        thresholds = tuple(np.union1d(steps, _best(ranked, hits)).tolist())
    out = []
    for threshold in sorted(thresholds):
        below = int(np.searchsorted(ranked, threshold, side="left"))
        fn = int(hits[below])
        tp = int(hits[-1]) - fn
        out.append(AtThreshold(float(threshold), below - fn, len(ranked) - below - tp, fn, tp))
    return out


def _best(ranked: Floats, hits: Labels) -> Floats:
    """The score from which on calling a row positive gives the highest F1, rounded down to 4 digits."""
    if not len(ranked):
        return np.empty(0)
    below = np.searchsorted(ranked, ranked, side="left")
    tp = hits[-1] - hits[below]
    f1 = 2 * tp / (len(ranked) - below + hits[-1])
    return np.array([np.floor(ranked[int(f1.argmax())] * 1e4) / 1e4])
