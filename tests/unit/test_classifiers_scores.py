"""Every score and curve against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as theirs

from models.classifiers import scores as ours


def guesses(classes: int, rows: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    p = rng.dirichlet(np.ones(classes), rows)
    p[np.arange(rows), y] += 0.3
    p = np.round(p / p.sum(axis=1, keepdims=True), 2) + 1e-3  # ties
    p /= p.sum(axis=1, keepdims=True)
    return y, p.argmax(axis=1), p


def test_scores_of_two_classes() -> None:
    y, guess, p = guesses(2)
    got = ours.class_scores(y, guess, p)
    assert got == pytest.approx(
        {
            "accuracy": theirs.accuracy_score(y, guess),
            "balanced_accuracy": theirs.balanced_accuracy_score(y, guess),
            "macro_precision": theirs.precision_score(y, guess, average="macro"),
            "macro_recall": theirs.recall_score(y, guess, average="macro"),
            "macro_f1": theirs.f1_score(y, guess, average="macro"),
            "weighted_f1": theirs.f1_score(y, guess, average="weighted"),
            "precision": theirs.precision_score(y, guess),
            "recall": theirs.recall_score(y, guess),
            "f1": theirs.f1_score(y, guess),
            "roc_auc": theirs.roc_auc_score(y, p[:, 1]),
            "pr_auc": theirs.average_precision_score(y, p[:, 1]),
            "log_loss": theirs.log_loss(y, p),
            "brier": theirs.brier_score_loss(y, p[:, 1]),
        }
    )


def test_scores_of_more_classes() -> None:
    y, guess, p = guesses(4)
    got = ours.class_scores(y, guess, p)
    expected = {
        "accuracy": theirs.accuracy_score(y, guess),
        "balanced_accuracy": theirs.balanced_accuracy_score(y, guess),
        "macro_precision": theirs.precision_score(y, guess, average="macro"),
        "macro_recall": theirs.recall_score(y, guess, average="macro"),
        "macro_f1": theirs.f1_score(y, guess, average="macro"),
        "weighted_f1": theirs.f1_score(y, guess, average="weighted"),
        "roc_auc": theirs.roc_auc_score(y, p, multi_class="ovr"),
        "pr_auc": theirs.average_precision_score(y, p),
        "log_loss": theirs.log_loss(y, p),
        "brier": np.mean(np.sum((p - np.eye(4)[y]) ** 2, axis=1)),
    }
    assert got == pytest.approx(expected)


def test_a_class_that_nobody_has_or_predicts_does_not_count() -> None:
    y, guess, p = guesses(3)
    wide = np.concatenate([p, np.zeros((len(p), 1))], axis=1)
    got = ours.class_scores(y, guess, wide)
    assert got["macro_f1"] == pytest.approx(theirs.f1_score(y, guess, average="macro"))
    assert got["balanced_accuracy"] == pytest.approx(theirs.balanced_accuracy_score(y, guess))
    never = ours.class_scores(y, np.zeros_like(guess), p)
    assert never["macro_f1"] == pytest.approx(theirs.f1_score(y, np.zeros_like(guess), average="macro"))


def test_scores_of_several_labels() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((300, 4)) < [0.5, 0.2, 0.05, 0.4]).astype(int)
    p = np.clip(0.3 * y + rng.random((300, 4)) * 0.7, 0.01, 0.99)
    guess = (p > 0.5).astype(int)
    expected = {
        "accuracy": 1 - theirs.hamming_loss(y, guess),
        "subset_accuracy": theirs.accuracy_score(y, guess),
        "hamming_loss": theirs.hamming_loss(y, guess),
        "macro_f1": theirs.f1_score(y, guess, average="macro"),
        "micro_f1": theirs.f1_score(y, guess, average="micro"),
        "roc_auc": theirs.roc_auc_score(y, p, average="macro"),
        "pr_auc": theirs.average_precision_score(y, p, average="macro"),
        "log_loss": np.mean([theirs.log_loss(y[:, k], p[:, k]) for k in range(4)]),
        "brier": np.mean([theirs.brier_score_loss(y[:, k], p[:, k]) for k in range(4)]),
    }
    assert ours.label_scores(y, guess, p) == pytest.approx(expected)
    constant = y.copy()
    constant[:, 2] = 0
    assert np.isfinite(ours.label_scores(constant, guess, p)["roc_auc"])


def test_scores_of_numbers() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(100, 30, 300)
    guess = y + rng.normal(5, 10, 300)
    expected = {
        "r2": theirs.r2_score(y, guess),
        "rmse": theirs.root_mean_squared_error(y, guess),
        "mae": theirs.mean_absolute_error(y, guess),
        "mape": theirs.mean_absolute_percentage_error(y, guess),
        "bias": np.mean(guess) - np.mean(y),
    }
    assert ours.number_scores(y, guess) == pytest.approx(expected)
    zeros = np.where(np.arange(300) < 10, 0.0, y)
    assert ours.mape(zeros, guess) == pytest.approx(theirs.mean_absolute_percentage_error(y[10:], guess[10:]))
    assert np.isnan(ours.mape(np.zeros(3), np.ones(3)))
    two, both = np.stack([y, -y], axis=1), np.stack([guess, -y + 1], axis=1)
    assert ours.target_scores(two, both)["r2"] == pytest.approx(theirs.r2_score(two, both))


def test_a_full_precision_recall_curve_is_scikit_learns() -> None:
    y, _, p = guesses(2, 300)
    precision, recall, _ = theirs.precision_recall_curve(y, p[:, 1], drop_intermediate=False)
    got = ours.pr_curve(y == 1, p[:, 1], 5000)
    curve = dict(zip(recall.tolist(), precision.tolist(), strict=True))
    # scikit-learn's last point (recall 0, precision 1) is no threshold; of several with one recall ours keeps one.
    highest = {r: max(q for s, q in zip(recall, precision, strict=True) if s == r) for r in curve}
    assert all(
        highest[r] == pytest.approx(q) for r, q in zip(got["recall"], got["precision"], strict=True) if 0 < r < 1
    )
    assert ours.pr_curve(np.zeros(4, bool), np.ones(4)) == {"recall": [], "precision": []}
    assert np.isnan(ours.pr_auc(np.zeros(4, bool), np.ones(4)))


def test_weighted_curves_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    y, p, w = rng.integers(0, 2, 300), rng.random(300).round(2), rng.exponential(size=300) + 0.01
    got = ours.roc_curve(y == 1, p, 5000, w)
    fpr, tpr, _ = theirs.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    known = set(zip(np.round(fpr, 9), np.round(tpr, 9), strict=True))
    assert set(zip(np.round(got["fpr"], 9), np.round(got["tpr"], 9), strict=True)) <= known
    assert len(got["fpr"]) > 90
    curve = ours.pr_curve(y == 1, p, 5000, w)
    precision, recall, _ = theirs.precision_recall_curve(y, p, sample_weight=w)
    points = set(zip(np.round(recall, 9), np.round(precision, 9), strict=True))
    assert set(zip(np.round(curve["recall"], 9), np.round(curve["precision"], 9), strict=True)) <= points
    guess = (p > 0.5).astype(int)
    assert ours.confusion(y, guess, 2, w) == pytest.approx(theirs.confusion_matrix(y, guess, sample_weight=w))
    bins = ours.calibration(y == 1, p, weights=w)
    assert sum(b["rows"] for b in bins) == 300
    assert bins[0]["observed"] == pytest.approx(np.average(y[p < 0.1], weights=w[p < 0.1]))
