"""A small report as the API answers it."""

from typing import Any


def metric(name: str, value: float | None, subject: str = "", **more: Any) -> dict[str, Any]:
    base = {
        "section": "columns", "ceiling": 0.01, "holdout": 0.02, "floor": 0.2, "low": None, "high": None,
        "direction": "lower", "goal": None, "unit": "share", "note": "",
    }  # fmt: skip
    return {**base, "name": name, "value": value, "subject": subject, **more}


def report(column: str = "age", **sections: Any) -> dict[str, Any]:
    return {
        "id": "rep_1", "dataset_id": "ds_1", "sample_id": "smp_1", "job_id": "job_1",
        "created_at": "2026-01-02T03:04:05Z",
        "dataset": {"name": f"{column}.csv", "sha256": "0" * 64, "rows": 900, "columns": 2, "schema_version": 1},
        "sample": {"row_count": 1234, "where": [f"{column}>=65"], "seed": 7},
        "synthesizer": {"id": "syn_1", "manifest": {"curve": [{"step": 1, "loss": 3.0}, {"step": 9, "loss": 2.0}]}},
        "metrics": [
            metric("shape", 0.05, column),
            metric("shape", 0.01, "sex"),
            metric("shape", 0.03),
            metric("c2st", None, section="detection", direction="higher", unit="score", note="too few rows"),
        ],
        "sections": {
            "verdict": {"summary": "One thing.", "problems": [{"title": column, "text": column, "try": column}]},
            "scorecard": {"headline": [{"name": "shape", "subject": "", "label": "Shape of columns"}]},
            "columns": [
                {"column": "sex", "kind": "boolean", "labels": ["F", "M"], "real": [0.5, 0.5], "holdout": [0.4, 0.6],
                 "synthetic": [0.6, 0.4], "missing_labels": 0},
                {"column": column, "kind": "categorical", "labels": [column, "b"], "real": [0.5, 0.5], "holdout": [],
                 "synthetic": [0.25, 0.75], "missing_labels": 0},
            ],
            "pairs": {
                "columns": [column, "sex"], "first": [0], "second": [1], "complete": True,
                "trend": {"synthetic": [0.1]},
                "worst": [
                    {"columns": [column, "sex"], "synthetic": 0.1, "ceiling": None, "holdout": 0.2, "floor": 0.3}
                ],
            },
            **sections,
        },
        "meta": {"target": column, "versions": {"torch": "1"}, "seconds": {"total": 3.2}},
    }  # fmt: skip
