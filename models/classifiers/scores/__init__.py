"""Scores of predictions, their intervals, and the curves behind them."""

from models.classifiers.scores.certainty import Score, calibration, interval
from models.classifiers.scores.classes import (
    accuracy,
    brier,
    class_scores,
    confusion,
    label_scores,
    log_loss,
    macro_f1,
    per_class,
)
from models.classifiers.scores.numbers import bias, mae, mape, number_scores, r2, rmse, target_scores
from models.classifiers.scores.ranking import (
    auc,
    auc_error,
    mean_auc,
    mean_pr_auc,
    pr_auc,
    pr_curve,
    roc_curve,
)

__all__ = [
    "Score",
    "accuracy",
    "auc",
    "auc_error",
    "bias",
    "brier",
    "calibration",
    "class_scores",
    "confusion",
    "interval",
    "label_scores",
    "log_loss",
    "macro_f1",
    "mae",
    "mape",
    "mean_auc",
    "mean_pr_auc",
    "number_scores",
    "per_class",
    "pr_auc",
    "pr_curve",
    "r2",
    "rmse",
    "roc_curve",
    "target_scores",
]
