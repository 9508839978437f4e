"""The part of an evaluation that runs the analyst's own models and tables on real and synthetic rows."""

from __future__ import annotations

import numpy as np

from models.evaluation.analyses.compared import SECTION, compare
from models.evaluation.analyses.defaults import default_analyses
from models.evaluation.analyses.requests import Analysis, analyses_from_json
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.matrix import bootstrap, independent, sample

MOST_ROWS = 100_000
REMEDY = (
    'Register your own with the option `analyses`, e.g. {"kind": "regression", "formula": "income ~ age + C(region)"}, '
    'or {"kind": "table", "columns": ["region", "sex"]}.'
)


def chosen(context: Context) -> tuple[Analysis, ...]:
    """Registered analyses, or a few chosen from the data."""
    return analyses_from_json(context.options.analyses) or default_analyses(context.real, context.target)


def analyses(context: Context) -> Part:
    """Registered analyses, or a few chosen from the data, with the yardsticks of the same analyses on known tables."""
    asked = chosen(context)
    note = ""
    if not context.options.analyses:
        note = "No analyses were registered: these were chosen from the data. " + REMEDY
        if not asked:
            note = "No analyses were registered, and the data suggest none: two columns must vary. " + REMEDY
        elif context.target is None:
            note += " Name a target for a regression."
    rng = context.rng(SECTION)
    real = sample(context.real, MOST_ROWS, rng)
    tables = {
        "real": real,
        "synthetic": sample(context.synthetic, MOST_ROWS, rng),
        "ceiling": bootstrap(real, len(real), rng),
        "floor": independent(real, min(len(real), max(len(context.synthetic), FEW_ROWS)), rng),
    }
    if len(context.holdout) >= FEW_ROWS:
        tables["holdout"] = sample(context.holdout, MOST_ROWS, rng)
    found = []
    for i, analysis in enumerate(asked):
        context.progress.check()
        context.progress.update(0.7 + 0.05 * i / len(asked), f"fitting {analysis.label[:60]}")
        found.append(compare(analysis, tables, np.random.default_rng([context.seed, i])))
    section = {
        "defaults": not context.options.analyses,
        "note": note,
        "regressions": [f.entry for f in found if f.entry["kind"] == "regression"],
        "tables": [f.entry for f in found if f.entry["kind"] == "table"],
    }
    sizes = {"analyses": len(found), "analyses_rows": len(tables["synthetic"])}
    return Part([m for f in found for m in f.metrics], {SECTION: section}, sizes)
