"""The profile: what a data scientist asks before modelling, answered as JSON. Confidential, for the custodian."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.errors import Detail, InvalidInput
from models.ingest.profile_columns import describe
from models.ingest.profile_findings import all_findings
from models.ingest.profile_relations import (
    associations,
    gap_pairs,
    gaps_together,
    give_away,
    repeated_rows,
    spread_rows,
)
from models.progress import SILENT, Progress
from models.rules import counts, parse_rules
from models.schema import Column, Kind, Schema
from models.table import Table, Values

MOST_ROWS = 1_000_000
"""Rows that are profiled; of a longer table so many, evenly spread."""


def profile(table: Table, *, target: str | None = None, progress: Progress = SILENT) -> dict[str, Any]:
    """Answers as JSON: columns (gaps by code, distribution, outliers, evidence), gaps that come together, repeated
    rows, associations, identifiers, constants, dependencies, rows that break a rule of the schema, and with a target
    its balance and the columns that give it away; `findings` sums up, worst first.

    Raises InvalidInput for a target that is unknown, not modelled, or never varies; InvalidSchema where the data
    contradicts the schema.
    """
    wanted = None if target is None else check_target(table.schema, target)
    rows = len(table)
    if rows > MOST_ROWS:
        table = table.take(spread_rows(rows, MOST_ROWS))
    values: dict[str, Values] = {}
    columns = []
    for i, column in enumerate(table.schema.columns):
        progress.check()
        progress.update(0.7 * i / len(table.schema.columns), column.name)
        if column.modelled:
            values[column.name] = table.values(column.name)
        columns.append(describe(column, values.get(column.name)))
    progress.update(0.7, "relations")
    repeated = repeated_rows(table.data, table.schema)
    goal = None if wanted is None else _about_target(wanted, table.schema, values)
    progress.update(0.8, "associations")
    gaps = [c["missing"]["share"] for c in columns]
    found = parse_rules(table.schema)
    rules = [{"rule": r.text, "broken_rows": n} for r, n in zip(found, counts(found, table), strict=True)]
    return {
        "rows": rows,
        "rows_profiled": len(table),
        "columns": columns,
        "missing_cells": round(float(np.mean(gaps)), 6) if gaps else 0.0,
        "complete_columns": sum(g == 0 for g in gaps),
        "gaps": {"together": gaps_together(values), "pairs": gap_pairs(values)},
        "duplicates": {**repeated, "columns": [list(d) for d in table.schema.duplicates]},
        "identifiers": [c.name for c in table.schema.columns if c.kind is Kind.IDENTIFIER],
        "constants": [c.name for c in table.schema.columns if c.labelled and len(c.categories or ()) == 1],
        "dependencies": [
            {"determinants": list(d.determinants), "dependent": d.dependent} for d in table.schema.dependencies
        ],
        "associations": associations(table.schema.modelled, values),
        "target": goal,
        "rules": rules,
        "findings": all_findings(table.schema, columns, repeated, len(table), goal, rules),
    }


def check_target(schema: Schema, target: str) -> Column:
    """The target's column. Raises InvalidInput if there is none, or nothing that a model could learn to tell."""
    if target not in schema:
        from models.condition_text import nearest

        near = nearest(target, schema.names) or schema.names[:30]
        raise InvalidInput(
            "There is no column with the name of the target.",
            hint=f"Choose one of: {', '.join(near)}.",
            errors=[Detail(("target",), "unknown column")],
        )
    column = schema[target]
    if not column.modelled or (column.labelled and len(column.categories or ()) < 2):
        what = f"is of kind {column.kind.value}" if not column.modelled else "never varies"
        raise InvalidInput(
            f"The target {target!r} {what}, so no model can learn it.",
            hint="Choose a column of labels, numbers or dates, or change its kind in the schema.",
            errors=[Detail(("target",), what)],
        )
    return column


def _about_target(column: Column, schema: Schema, values: dict[str, Values]) -> dict[str, Any]:
    got = values[column.name]
    here = got.missing < 0
    out: dict[str, Any] = {
        "column": column.name,
        "kind": column.kind.value,
        "missing_share": round(1 - float(here.mean()), 6),
        "measure": "AUC" if column.labelled else "R2",
        "columns": give_away(column, schema.modelled, values),
    }
    if column.labelled:
        labels = column.categories or ()
        counts = np.bincount(got.values[here], minlength=len(labels))
        shares = counts / max(1, counts.sum())
        order = np.argsort(-counts, kind="stable")
        out |= {
            "classes": [
                {"value": labels[i], "rows": int(counts[i]), "share": round(float(shares[i]), 6)} for i in order
            ],
            "smallest_share": round(float(shares[counts > 0].min()), 6) if counts.any() else None,
            "majority_accuracy": round(float(shares.max(initial=0)), 6),
        }
    return out
