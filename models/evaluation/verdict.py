"""What a reader should know first: the headline figures, the worst columns and pairs, and three problems in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from models.evaluation.result import Metric

HEADLINE = {
    "shape": "How far the columns' distributions are off, on average",
    "missing": "Largest difference of a column's missing share",
    "trend": "How far the pairs of columns are off, on average",
    "tvd2": "Total variation of pairs, numbers in 20 quantile bins",
    "tvd3": "Total variation of triples, numbers in 20 quantile bins",
    "sdmetrics_quality": "SDMetrics quality report",
    "sdmetrics_diagnostic": "SDMetrics diagnostic report",
    "c2st": "Real against synthetic: 1 cannot be told apart, 0 told apart always",
    "utility_auc": "Prediction of the target, trained on synthetic, tested on real",
    "utility_macro_f1": "Prediction of the target (macro F1)",
    "utility_r2": "Prediction of the target (R2)",
    "copies": "Share of rows that equal a training row",
    "dcr_share": "Share of rows nearer to a training row than to a holdout row",
}
SEVERE = 0.1
"""Problems below this share of the way from the yardstick to the floor (or to a stated bound) are not named."""

NOISE = 1.5
"""A yardstick is one draw: up to so many times what it reads counts as what real rows read."""


@dataclass(frozen=True)
class Problem:
    severity: float
    metric: Metric
    title: str
    text: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": round(self.severity, 3),
            "metric": self.metric.name,
            "subject": self.metric.subject,
            "title": self.title,
            "text": self.text,
            "try": self.advice,
        }


def verdict(metrics: Iterable[Metric], rows: int) -> dict[str, Any]:
    """The three worst problems, at most one per kind of metric, and a sentence for all of it. rows: of each table."""
    problems: dict[str, Problem] = {}
    for metric in metrics:
        problem = _problem(metric, 1.4 / math.sqrt(max(rows, 1)))
        if problem and (metric.name not in problems or problem.severity > problems[metric.name].severity):
            problems[metric.name] = problem
    ranked = sorted(problems.values(), key=lambda p: -p.severity)
    worst = [p.to_json() for p in ranked if p.severity >= SEVERE][:3]
    if not worst:
        summary = "Nothing stands out: every figure is close to what real data reads."
    else:
        summary = f"{len(worst)} problem(s) stand out; the worst: {worst[0]['title'].lower()}."
    return {"summary": summary, "problems": worst}


def scorecard(metrics: list[Metric]) -> dict[str, Any]:
    """Headline figures in order, and the columns and pairs with the largest errors first."""
    order = list(HEADLINE)
    headline = sorted(
        (m for m in metrics if m.name in HEADLINE and (not m.subject or m.section == "utility")),
        key=lambda m: (order.index(m.name), m.subject),
    )
    return {
        "headline": [{"name": m.name, "subject": m.subject, "label": HEADLINE[m.name]} for m in headline],
        "worst_columns": _ranked(metrics, "shape"),
        "worst_missing": _ranked(metrics, "missing"),
        "worst_pairs": _ranked(metrics, "trend"),
    }


def _ranked(metrics: list[Metric], name: str) -> list[dict[str, Any]]:
    found = sorted((m for m in metrics if m.name == name and m.subject), key=lambda m: -(m.value or 0.0))
    keys = ("subject", "value", "ceiling", "holdout", "floor")
    return [{k: getattr(m, k) for k in keys} for m in found[:10] if m.value]


def _problem(m: Metric, spread: float) -> Problem | None:
    """The metric as a problem, with its severity: 0 at the yardstick, 1 where a sample is of little use or unsafe.

    spread: two standard errors of a difference of shares; a yardstick may be smaller by luck.
    """
    if m.value is None:
        return None
    real = max(m.ceiling or 0.0, m.holdout or 0.0)
    usual = max(NOISE * real, spread)
    v, shown = m.value, f"{100 * m.value:.1f}%"
    where = f"of {m.subject}" if m.subject else ""
    if m.name == "shape" and m.subject:
        text = f"The distribution {where} is off by {shown} (real rows read {100 * real:.1f}%)."
        advice = "Check the column's kind, bounds and missing codes in the schema; train longer; sample more rows."
        return Problem((v - usual) / 0.15, m, f"The distribution {where} is off", text, advice)
    if m.name == "missing" and m.subject:
        text = f"The missing share {where} differs by {100 * v:.1f} points."
        return Problem(
            (v - usual) / 0.1,
            m,
            f"Missing values {where} are off",
            text,
            "Declare its missing codes in the schema; train longer.",
        )
    if m.name == "trend" and m.subject:
        text = f"The relation {where} is off by {shown} (real rows read {100 * real:.1f}%)."
        advice = "Train longer or with a larger network; merge rare categories; declare a derived column as such."
        return Problem((v - usual) / 0.3, m, f"The relation {where} is off", text, advice)
    if m.name == "c2st":
        yard = min(x for x in (m.ceiling, m.holdout, 1.0) if x is not None)
        text = f"A classifier tells the sample from real rows: c2st {v:.2f}, real rows read {yard:.2f}."
        advice = "See which columns betray it in the detection section; train longer, or search options."
        return Problem(max(yard - v, 0.0), m, "The sample can be told from real rows", text, advice)
    if m.name in ("utility_auc", "utility_r2") and m.ceiling is not None and m.floor is not None:
        span = max(m.ceiling - m.floor, 0.05)
        text = (
            f"Trained on the sample, {m.subject} reads {v:.3f} on real rows, and {m.ceiling:.3f} trained on real rows."
        )
        advice = "Train longer, draw a larger sample, and check the pairs that hold the target."
        return Problem((m.ceiling - v) / span, m, "Predicting the target suffers", text, advice)
    if m.name == "copies":
        text = f"{100 * v:.2f}% of the rows equal a training row; {100 * (m.holdout or 0):.2f}% of the holdout do."
        advice = "Stop training earlier, add dropout, or train with differential privacy."
        return Problem(
            ((m.low or 0.0) - NOISE * (m.holdout or 0.0)) / 0.02,
            m,
            "Rows of the training data are repeated",
            text,
            advice,
        )
    if m.name == "dcr_share":
        text = f"{shown} of the rows are nearer to a training row than to a holdout row (50% if nothing is memorised)."
        advice = "Stop training earlier, add dropout, or train with differential privacy."
        noise = (v - m.low) if m.low is not None else 0.0
        return Problem((v - 0.5 - noise) / 0.1, m, "The sample huddles around training rows", text, advice)
    if m.name == "sdmetrics_diagnostic" and not m.subject:
        text = f"The diagnostic report reads {v:.3f}: some values are outside the real table's ranges or categories."
        return Problem(
            (1 - v) / 0.1, m, "Values outside the real domain", text, "Set bounds and categories in the schema."
        )
    return None
