"""One analysis on the real table, on the sample and on known tables: how far their answers agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInput
from models.evaluation.analyses import overlap
from models.evaluation.analyses.design import Design
from models.evaluation.analyses.overlap import Agreement, Fresh, Z, agree
from models.evaluation.analyses.regression import Fit, fit_glm
from models.evaluation.analyses.requests import Analysis, CrossTable, Regression
from models.evaluation.analyses.tables import FEWEST, FEWEST_OF, Cells, Layout
from models.evaluation.intervals import largest
from models.evaluation.matrix import Matrix
from models.evaluation.result import Metric, finite

SHOWN_CELLS = 60
YARDSTICKS = ("ceiling", "holdout", "floor")
SECTION = "analyses"


@dataclass(frozen=True, eq=False)
class Compared:
    """Metrics of one analysis, and its entry in the section."""

    metrics: list[Metric]
    entry: dict[str, Any]


def compare(analysis: Analysis, tables: Mapping[str, Matrix], rng: np.random.Generator) -> Compared:
    """tables: real, synthetic, and the yardsticks that there are. An analysis that the real rows do not bear, or the
    sample does not, is unavailable and says why."""
    try:
        if isinstance(analysis, Regression):
            return _regression(analysis, tables, rng)
        return _table(analysis, tables, rng)
    except InvalidInput as error:
        note = f"{error.message} {error.hint}".strip()
        kind = "regression" if isinstance(analysis, Regression) else "table"
        entry = {"kind": kind, "label": analysis.label, "request": analysis.to_json(), "note": note}
        return Compared([_metric("analysis_overlap", analysis, None, note, status="unavailable")], entry)


def _regression(analysis: Regression, tables: Mapping[str, Matrix], rng: np.random.Generator) -> Compared:
    design = Design.fit(analysis, tables["real"])
    fits: dict[str, Fit] = {}
    left: dict[str, float] = {}
    kept = np.ones(len(design.names), np.bool_)
    for role, matrix in tables.items():
        try:
            rows = design.rows(matrix)
            got = fit_glm(rows.x[:, kept], rows.y, analysis.family, rows.weights)
        except InvalidInput as error:
            if role == "real":
                raise
            if role == "synthetic":
                hint = "See the columns that it names; draw a larger sample."
                raise InvalidInput(f"On the sample: {error.message}", hint=hint) from None
            continue
        if role == "real":
            kept = got.known
            got = replace(got, coefficients=got.coefficients[kept], covariance=got.covariance[np.ix_(kept, kept)])
        fits[role], left[role] = got, rows.left_out
    real = fits["real"]
    if not kept.any():
        raise InvalidInput("No coefficient can be estimated from the real rows.", hint="Name other columns.")
    ratio = {r: f.rows / real.rows for r, f in fits.items()}
    found = {
        r: agree(real.coefficients, real.errors, f.coefficients, f.errors, ratio[r])
        for r, f in fits.items()
        if r != "real"
    }
    fresh = overlap.fresh(real.covariance / np.outer(real.errors, real.errors), ratio["synthetic"], rng)
    note = f"{len(real.coefficients)} coefficients; complete rows: {_sizes({r: f.rows for r, f in fits.items()})}."
    if not real.converged:
        note += " The model has no finite maximum on the real rows (a level has one outcome only): read it with care."
    names = [n for n, k in zip(design.names, kept, strict=True) if k]
    entry = {
        "kind": "regression",
        "label": analysis.label,
        "request": analysis.to_json(),
        "family": analysis.family,
        "rows": {r: f.rows for r, f in fits.items()},
        "left_out": left,
        "converged": {r: f.converged for r, f in fits.items()},
        "references": design.references(),
        "aliased": [n for n, k in zip(design.names, kept, strict=True) if not k],
        "coefficients": _coefficients(names, fits, ratio["synthetic"], found["synthetic"]),
        "note": note,
    }
    metrics = _metrics(analysis, found, fresh, names, note, rng)
    alike = {r: g.sign & g.significance for r, g in found.items()}
    what = f"Share of coefficients with the same sign and the same verdict at 5%. {note}"
    metrics.append(_information("analysis_agreement", analysis, alike, what, rng))
    what = f"Share of the sample's intervals that hold the real estimate. {note}"
    metrics.append(_information("analysis_cover", analysis, {r: g.covered for r, g in found.items()}, what, rng))
    return Compared(metrics, entry)


def _coefficients(names: list[str], fits: dict[str, Fit], ratio: float, a: Agreement) -> list[dict[str, Any]]:
    """One row per coefficient, worst first."""
    real, other = fits["real"], fits["synthetic"]
    order = np.lexsort((-np.nan_to_num(np.abs(a.difference), nan=np.inf), a.overlap))
    return [
        {
            "name": names[i],
            "real": finite(real.coefficients[i]),
            "real_error": finite(real.errors[i]),
            "synthetic": finite(other.coefficients[i]),
            "synthetic_error": finite(other.errors[i] * np.sqrt(ratio)),
            "overlap": finite(a.overlap[i]),
            "difference": finite(a.difference[i]),
            "same_sign": bool(a.sign[i]),
            "same_significance": bool(a.significance[i]),
            "covered": bool(a.covered[i]),
        }
        for i in order
    ]


def _table(analysis: CrossTable, tables: Mapping[str, Matrix], rng: np.random.Generator) -> Compared:
    layout = Layout.fit(analysis, tables["real"])
    read = {role: layout.read(matrix) for role, matrix in tables.items()}
    real, other = read["real"], read["synthetic"]
    counted = analysis.of is None
    kept = worthwhile(real, other, counted)
    if not kept.any():
        raise InvalidInput(f"No cell has {FEWEST if counted else FEWEST_OF} rows.", hint="Name fewer columns.")
    ratio = {r: c.rows / max(real.rows, 1) for r, c in read.items()}
    found = {
        r: agree(real.values[kept], real.errors[kept], c.values[kept], c.errors[kept], ratio[r])
        for r, c in read.items()
        if r != "real"
    }
    fresh = _fresh_cells(real, kept, ratio["synthetic"], rng, counted=counted)
    places = [", ".join(n) for n, k in zip(layout.names, kept, strict=True) if k]
    least = FEWEST if counted else FEWEST_OF
    small = f", those of {least} rows and more" if kept.sum() < len(kept) else ""
    note = f"{int(kept.sum())} cells{small}; rows: {_sizes({r: c.rows for r, c in read.items()})}."
    entry = {
        "kind": "table",
        "label": analysis.label,
        "request": analysis.to_json(),
        "columns": list(analysis.by),
        "statistic": analysis.statistic,
        "of": analysis.of,
        "rows": {r: c.rows for r, c in read.items()},
        "cells": _cells(layout, np.flatnonzero(kept), real, other, found["synthetic"]),
        "all_cells": int(kept.sum()),
        "note": note,
    }
    return Compared(_metrics(analysis, found, fresh, places, note, rng), entry)


def worthwhile(real: Cells, other: Cells, counted: bool) -> npt.NDArray[np.bool_]:
    """Cells to compare: of counts, those that have rows in either table; of means, those that have some in the real."""
    if counted:
        return np.asarray((real.counts >= FEWEST) | (other.counts * real.rows / max(other.rows, 1) >= FEWEST))
    return np.asarray((real.counts >= FEWEST_OF) & np.isfinite(real.values) & (real.errors > 0))


def _cells(layout: Layout, kept: npt.NDArray[Any], real: Cells, other: Cells, a: Agreement) -> list[dict[str, Any]]:
    """Cells, the furthest off first."""
    names = layout.names
    order = np.lexsort((-np.nan_to_num(np.abs(a.difference), nan=np.inf), a.overlap))[:SHOWN_CELLS]
    out = []
    for i in order:
        c = kept[i]
        v, w = finite(real.values[c]), finite(other.values[c])
        out.append(
            {
                "cell": list(names[c]),
                "real": v,
                "real_error": finite(real.errors[c]),
                "synthetic": w,
                "synthetic_error": finite(other.errors[c] * np.sqrt(other.rows / max(real.rows, 1))),
                "off": None if v is None or w is None else w - v,
                "overlap": finite(a.overlap[i]),
                "difference": finite(a.difference[i]),
                "rows": {"real": int(real.counts[c]), "synthetic": int(other.counts[c])},
            }
        )
    return out


def _fresh_cells(
    real: Cells, kept: npt.NDArray[np.bool_], ratio: float, rng: np.random.Generator, *, counted: bool
) -> Fresh:
    """What fresh real rows read: counts are multinomial, means of cells differ from each other independently."""
    if not counted:
        return overlap.fresh(np.eye(int(kept.sum())), ratio, rng, real.counts[kept] - 1)
    p = real.counts / max(real.rows, 1)
    rows = [real.rows, max(round(real.rows * ratio), 1)]
    draws = min(overlap.DRAWS, 4_000_000 // len(p))
    a, b = (rng.multinomial(n, p, draws)[:, kept] / n for n in rows)
    smooth = [((q * n + Z**2 / 2) / (n + Z**2), n) for q, n in zip((a, b), rows, strict=True)]
    s, t = (np.sqrt(q * (1 - q) / (n + Z**2)) for q, n in smooth)
    z = np.abs(a - b) / np.hypot(s, t)
    t = t * np.sqrt(ratio)
    common = np.minimum(a + Z * s, b + Z * t) - np.maximum(a - Z * s, b - Z * t)
    return overlap.from_draws(np.maximum(common / (4 * Z) * (1 / s + 1 / t), 0), z)


def _metrics(
    analysis: Analysis,
    found: Mapping[str, Agreement],
    fresh: Fresh,
    places: list[str],
    note: str,
    rng: np.random.Generator,
) -> list[Metric]:
    """Overlap and the worst estimate, with their bars, and the mean distance for information."""
    a = found["synthetic"]
    told = f"{note} Fresh real rows of this number read {fresh.usual:.2f} and rarely below the bar."
    overlaps = {r: np.maximum(g.overlap, 0) for r, g in found.items()}
    first = _information("analysis_overlap", analysis, overlaps, told, rng)
    away = np.abs(a.z)
    worst = float(np.nanmax(away)) if np.isfinite(away).any() else None
    least = Metric("analysis_worst", worst, SECTION, analysis.label, unit="ratio", bar=fresh.z)
    gone = int((~np.isfinite(away)).sum())
    if worst is None:
        least = replace(least, status="unavailable", note=f"The sample gives none of the estimates. {note}")
    else:
        at = places[int(np.nanargmax(away))]
        lost = f" The sample does not give {gone} of the estimates." if gone else ""
        status = "pass" if worst <= fresh.z else "fail"
        yards = {r: finite(float(np.nanmax(np.abs(g.z)))) for r, g in found.items() if np.isfinite(g.z).any()}
        low, high = largest(away[np.isfinite(away)])
        least = replace(
            least,
            low=low,
            high=high,
            status=status,
            note=f"Furthest off: {at}; in standard errors of the difference.{lost} {note}",
            ceiling=yards.get("ceiling"),
            holdout=yards.get("holdout"),
            floor=yards.get("floor"),
        )
    differences = {r: np.abs(g.difference[np.isfinite(g.difference)]) for r, g in found.items()}
    what = f"Mean distance of the estimates, in standard errors of the real ones. {note}"
    return [
        replace(first, bar=fresh.overlap, status="pass" if a.mean_overlap >= fresh.overlap else "fail"),
        least,
        _information("analysis_difference", analysis, differences, what, rng),
    ]


def _information(
    name: str, analysis: Analysis, found: Mapping[str, npt.NDArray[Any]], note: str, rng: np.random.Generator
) -> Metric:
    """A figure that is the mean over the estimates of each table."""
    values = found["synthetic"].astype(float)
    low, high = overlap.interval(values, rng)
    yards = [float(np.mean(found[r])) if r in found and len(found[r]) else None for r in YARDSTICKS]
    ceiling, holdout, floor = yards
    value = finite(float(values.mean())) if len(values) else None
    return Metric(
        name,
        value,
        SECTION,
        analysis.label,
        ceiling,
        holdout,
        floor,
        finite(low),
        finite(high),
        direction="lower" if name == "analysis_difference" else "higher",
        unit={"analysis_difference": "ratio", "analysis_overlap": "score"}.get(name, "share"),
        note=note,
        status="unavailable" if value is None else "",
    )


def _metric(name: str, analysis: Analysis, value: float | None, note: str, *, status: str) -> Metric:
    return Metric(name, value, SECTION, analysis.label, direction="higher", unit="score", note=note, status=status)


def _sizes(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{role} {n:,}" for role, n in rows.items())
