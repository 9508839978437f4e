"""Several samples of one synthesizer, analysed together: each analysis once per sample, the estimates combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.errors import Detail, InvalidInput
from models.evaluation.analyses.combining import KINDS, Combined, combine
from models.evaluation.analyses.design import Design
from models.evaluation.analyses.regression import fit_glm
from models.evaluation.analyses.requests import Analysis, Regression, analyses_from_json, check_analyses
from models.evaluation.analyses.tables import Layout
from models.evaluation.matrix import Floats, Matrix, read_matrix
from models.evaluation.result import clean, finite
from models.table import Table

MOST_TABLES = 100
RULES = {
    "simple": "rows of a model fitted once (Raab, Nowok and Dibben 2016)",
    "posterior": "rows of a model whose parameters were drawn for each sample (Raab, Nowok and Dibben 2016)",
    "partial": "some values synthesised, the others real (Reiter 2003)",
    "full": "new units of the population (Raghunathan, Reiter and Rubin 2003)",
}


def pooled(
    real: Table, synthetics: Sequence[Table], analyses: Sequence[Any], *, kind: str = "simple"
) -> dict[str, Any]:
    """Estimates of each analysis over m samples, as JSON, with intervals for the population, beside the real estimates.

    real: the table that the synthesizer was fitted to; it fixes levels and cells. synthetics: samples of it, all of one
    size. analyses: of models.evaluation.analyses.requests, or their JSON. kind: how the samples were made, see
    models.evaluation.analyses.combining. Raises InvalidInput for no or too many samples, unequal sizes, or analyses
    that do not suit the columns; an analysis that the rows do not bear has a note in place of estimates.
    """
    if kind not in KINDS:
        raise _bad("kind", f"{str(kind)[:60]!r} is not known", f"One of {', '.join(KINDS)}.")
    if not 1 <= len(synthetics) <= MOST_TABLES:
        raise _bad("samples", f"must be 1 to {MOST_TABLES}", "Draw several samples of one synthesizer.")
    if len({len(t) for t in synthetics}) > 1:
        raise _bad("samples", "must have the same number of rows", "Draw them alike, with different seeds.")
    if kind in ("partial", "full") and len(synthetics) < 2:
        raise _bad("samples", f"must be two or more for kind {kind}", "Draw more, or take kind simple.")
    asked = analyses_from_json(list(analyses))
    if not asked:
        raise _bad("analyses", "must name at least one", "Register regressions or tables.")
    modelled = real.schema.modelled
    check_analyses(asked, modelled)
    tables = [read_matrix(t, modelled, "synthetic") for t in synthetics]
    whole = read_matrix(real, modelled, "real")
    found = [_one(analysis, whole, tables, kind) for analysis in asked]
    about = {"kind": kind, "rule": RULES[kind], "samples": len(tables)}
    rows = {"real": len(whole), "synthetic": len(tables[0])}
    return {**about, "rows": rows, "analyses": [clean(f) for f in found]}


def _one(analysis: Analysis, real: Matrix, tables: Sequence[Matrix], kind: str) -> dict[str, Any]:
    told = {"label": analysis.label, "request": analysis.to_json()}
    try:
        names, own, each, lost = _estimates(analysis, real, tables)
        ratio = np.mean([e[2] for e in each]) / max(own[2], 1)
        got = combine(
            np.stack([e[0] for e in each]), np.stack([e[1] for e in each]), len(each), kind, ratio=float(ratio)
        )
    except InvalidInput as error:
        return {**told, "estimates": [], "note": f"{error.message} {error.hint}".strip()}
    note = f"Not given by all samples: {', '.join(lost[:20])}." if lost else ""
    return {**told, "estimates": _rows(names, own, got), "note": note}


Estimates = tuple[Floats, Floats, int]
"""Estimates (p,), variances (p,), rows."""


def _estimates(
    analysis: Analysis, real: Matrix, tables: Sequence[Matrix]
) -> tuple[list[str], Estimates, list[Estimates], list[str]]:
    """Names, estimates of the real table and of each sample, of what all of them give; names of what some do not."""
    if isinstance(analysis, Regression):
        design = Design.fit(analysis, real)
        names = list(design.names)
        read = [_fitted(analysis, design, t) for t in (real, *tables)]
    else:
        layout = Layout.fit(analysis, real)
        names = [", ".join(n) for n in layout.names]
        cells = [layout.read(t) for t in (real, *tables)]
        read = [(c.values, c.errors**2, c.rows) for c in cells]
    sound = np.stack([np.isfinite(q) & np.isfinite(u) for q, u, _ in read])
    kept = np.asarray(sound.all(axis=0))
    lost = [n for n, first, all_ in zip(names, sound[0], kept, strict=True) if first and not all_]
    if not kept.any():
        raise InvalidInput("No estimate is given by all samples.", hint="Draw larger samples.")
    own, *each = [(q[kept], u[kept], n) for q, u, n in read]
    return [n for n, k in zip(names, kept, strict=True) if k], own, each, lost


def _fitted(analysis: Regression, design: Design, table: Matrix) -> Estimates:
    rows = design.rows(table)
    fit = fit_glm(rows.x, rows.y, analysis.family, rows.weights)
    return fit.coefficients, np.diag(fit.covariance), fit.rows


def _rows(names: Sequence[str], own: Estimates, got: Combined) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "estimate": finite(got.estimates[i]),
            "error": finite(np.sqrt(got.variances[i])),
            "low": finite(got.low[i]),
            "high": finite(got.high[i]),
            "degrees": finite(got.degrees[i]),
            "real": finite(own[0][i]),
            "real_error": finite(np.sqrt(own[1][i])),
        }
        for i, name in enumerate(names)
    ]


def _bad(key: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"Combining samples: {key} {what}.", hint=hint, errors=[Detail((key,), what, hint)])
