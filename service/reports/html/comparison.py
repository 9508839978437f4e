"""A comparison of methods -> what comparison.html lays out: one section for each target, its drawings and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.reports.html.methods import CHARTS, SCORES, Facts, search, validation

GLOSSARY = (
    ("Fold", "A part of the rows on which a method is tested that was fitted to the others. Every row is tested once "
    "in each repetition."),
    ("Interval", "Of a mean over folds, 95%, by the corrected resampled t-test (Nadeau and Bengio 2003): folds share "
    "training rows, and a plain interval would be too narrow."),
    ("Worse", "The paired difference to the best method is larger than chance explains, after Holm's correction for "
    "the number of methods. “probably worse”: only by McNemar's test, which is about these fitted models alone."),
    ("Baseline", "What always predicting the most frequent class, or the mean, reads. A method near it has learnt "
    "nothing."),
    ("ROC, PR", "True against false positive rate, and precision against recall, as the threshold moves. PR tells more "
    "where the positive class is rare."),
    ("Learning curve", "The score as training rows are added. If it still rises at the right end, more rows help."),
    ("Validation curve", "The score as one option moves. Training far above validation: overfitting; both low: "
    "underfitting."),
    ("Threshold", "The probability from which on a row is called positive. Choose it by what a false alarm and a miss "
    "cost, not by habit at .5."),
)  # fmt: skip
HOW = (
    "Read the verdict: which method is best, and which are as good within chance.",
    "Compare intervals with the baseline first and with each other second.",
    "Take the simplest method among those that are not worse than the best.",
    "The curves and thresholds below are of predictions of rows that the method had not seen.",
)


def comparison(report: Facts) -> dict[str, Any]:
    """Variables of comparison.html."""
    sections: Facts = report["sections"]
    found = [_target(section, k) for k, section in enumerate(sections.get("comparisons") or [])]
    return {
        "targets": found,
        "verdict": sections.get("verdict") or {"summary": "No verdict was drawn up.", "problems": []},
        "search": [search(sections["search"])] if sections.get("search") else [],
        "glossary": GLOSSARY,
        "how": HOW,
    }


def _target(section: Facts, k: int) -> dict[str, Any]:
    methods: Sequence[Facts] = section["methods"]
    measure = str(section["measure"])
    return {
        **section,
        "id": f"target-{k + 1}",
        "measured": SCORES.get(measure, measure),
        "best_label": next((m["label"] for m in methods if not m.get("note")), None),
        "ranked": [_ranked(m, measure) for m in methods],
        "forest": [
            {"subject": m["label"], **{n: (m["scores"].get(measure) or {}).get(n) for n in ("value", "low", "high")}}
            for m in methods
            if not m.get("note")
        ],
        "reference": (section.get("baseline") or {}).get("scores", {}).get(measure),
        "scores": _scores(section),
        "charts": [chart for make in CHARTS if (chart := make(section)) is not None],
        "validation": [validation(c) for c in section.get("validation_curves") or []],
        "confusion": (section.get("best") or {}).get("confusion"),
    }


def _ranked(method: Facts, measure: str) -> dict[str, Any]:
    """A row of the ranking: the method, its score, and where it stands against the best."""
    difference = method.get("difference") or {}
    standing = "best" if method.get("rank") == 1 else "unavailable" if method.get("note") else "as good"
    if difference.get("worse"):
        standing = "worse"
    elif difference.get("probably_worse"):
        standing = "probably worse"
    seconds = method.get("seconds") or {}
    return {
        "rank": method.get("rank"), "label": method["label"], "note": method.get("note") or "", "standing": standing,
        "score": (method.get("scores") or {}).get(measure) or {}, "difference": difference,
        "test": ((method.get("test") or {}).get(measure) or {}), "seconds": seconds.get("fit"),
    }  # fmt: skip


def _scores(section: Facts) -> dict[str, Any]:
    """Every score of every method."""
    methods = [m for m in section["methods"] if not m.get("note")]
    names = list(dict.fromkeys(n for m in methods for n in m["scores"]))
    base = (section.get("baseline") or {}).get("scores") or {}
    rows = [(m["label"], [(m["scores"].get(n) or {}).get("value") for n in names]) for m in methods]
    return {
        "head": [SCORES.get(n, n.replace("_", " ")) for n in names],
        "rows": rows,
        "base": [base.get(n) for n in names],
    }
