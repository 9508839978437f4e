"""A public edition as the API answers it."""

from __future__ import annotations

from typing import Any

from service.reports.schemas import MARKINGS
from service.reports.statement import statement

FIGURES = {
    "version": 1,
    "about": "sample",
    "rows": 900,
    "release": {
        "available": True, "rows": {"value": 900.0, "sd": 0.0, "public": True}, "tables": 3,
        "events": [], "chi": 0.9, "pairs_in_all": 1, "pairs_looked_at": 1,
        "mean": {"columns": {"read": 0.02, "noise": 0.01, "low": 0.0, "high": 0.03, "ceiling": 0.004},
                 "pairs": {"read": 0.05, "noise": 0.03, "low": 0.01, "high": 0.09, "ceiling": 0.01}},
        "columns": [{"columns": ["age"], "read": 0.02, "noise": 0.01, "low": 0.0, "high": 0.03, "chi": 1.0,
                     "ceiling": 0.004}],
        "pairs": [{"columns": ["age", "sex"], "read": 0.05, "noise": 0.03, "low": 0.01, "high": 0.09, "chi": 1.0,
                   "ceiling": 0.01}],
    },
    "paid": {
        "available": True, "rows": {"value": 1000.0, "sd": 9.0, "public": False}, "tables": 4,
        "events": [], "pairs_in_all": 1, "pairs_looked_at": 1,
        "mean": {"columns": {"read": 0.03, "noise": 0.02, "estimate": 0.01, "low": 0.0, "high": 0.04, "ceiling": 0.004},
                 "pairs": {"read": 0.06, "noise": 0.04, "estimate": 0.02, "low": 0.01, "high": 0.08, "ceiling": 0.01,
                           "floor": 0.1}},
        "columns": [{"columns": ["age"], "cells": 9, "read": 0.03, "noise": 0.02, "estimate": 0.01, "low": 0.0,
                     "high": 0.04, "chi": 1.0, "ceiling": 0.004}],
        "pairs": [{"columns": ["age", "sex"], "cells": 9, "read": 0.06, "noise": 0.04, "estimate": 0.02, "low": 0.01,
                   "high": 0.08, "chi": 1.0, "ceiling": 0.01, "floor": 0.1}],
        "prediction": {"available": True, "target": "sex", "classes": 2,
                       "accuracy": {"value": 0.8, "low": 0.78, "high": 0.82, "synthetic": 0.81, "majority": 0.6},
                       "auc": {"value": 0.88, "low": 0.86, "high": 0.9, "synthetic": 0.89}},
    },
}  # fmt: skip


def public_report(column: str = "age") -> dict[str, Any]:
    """column: name of a column, as hostile as wanted."""
    spec = {"epsilon": 1.0, "delta": 1e-9, "mechanism": "marginals", "unit": {"column": column, "rows": 3}}
    event = {"mechanism": "gaussian", "label": "tables of counts", "sigma": 8.0, "steps": 1}
    line = {"seq": 2, "kind": "reserve", "account": "fit", "ends": None, "history": [event], "delta": 1e-9,
            "epsilon_after": 1.0, "date": "2026-01-02"}  # fmt: skip
    ledger = {"lines": [line], "before": 0.0, "after": 1.0, "own": 1.0}
    schema = {"columns": [{"name": column, "public": True}]}
    told = statement({**spec, "history": {"fit": [event]}}, None, ledger, schema, {"versions": {"torch": "2"}})
    figures: dict[str, Any] = {**FIGURES}
    for part in ("release", "paid"):
        pairs = [{**p, "columns": [column, "sex"]} for p in FIGURES[part]["pairs"]]
        figures[part] = {**FIGURES[part], "pairs": pairs}
    return {
        "id": "rep_1", "dataset_id": "ds_1", "sample_id": "smp_1", "job_id": "job_1", "created_at": "2026-01-02",
        "edition": "public", "marking": MARKINGS["public"],
        "privacy": {**spec, "budget": None, "statement": told, "ledger": ledger},
        "dataset": {"columns": 2}, "sample": {"row_count": 900, "where": [f"{column}>=65"], "seed": 7},
        "synthesizer": {"id": "syn_1", "manifest": {"versions": {"torch": "2"}}}, "metrics": [],
        "sections": {"public": figures}, "meta": {"target": column},
    }  # fmt: skip
