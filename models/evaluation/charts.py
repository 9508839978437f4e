"""Data of the column charts: shares of the real, holdout and synthetic rows over the same bins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from models.evaluation.context import Context, Part
from models.evaluation.matrix import Floats, Ints, Matrix
from models.schema import Column, Kind
from models.table import format_datetimes, format_numbers

BINS = 20
LABELS = 30


def columns(context: Context) -> Part:
    """One chart per column, in the table's order, missing codes as bars of their own; and the numbers' summaries."""
    tables = {"real": context.real, "holdout": context.holdout, "synthetic": context.synthetic}
    charts = []
    for j, column in enumerate(context.real.columns):
        labels, cells = (_labels if column.labelled else _numbers)(column, j, tables)
        size = len(labels) + len(column.missing_codes)
        names = [*labels, *(f"missing: {code or 'blank'}" for code in column.missing_codes)]
        chart: dict[str, Any] = {"column": column.name, "kind": column.kind.value, "labels": names}
        for role, table in tables.items():
            states = table.missing[:, j].astype(np.int64)
            where = np.where(states >= 0, len(labels) + states, cells[role])
            counts = np.bincount(where, minlength=size)
            chart[role] = counts / max(len(table), 1) if len(table) else None
        chart["missing_labels"] = len(column.missing_codes)
        if not column.labelled:
            chart["summary"] = {role: _summary(t.values[t.missing[:, j] < 0, j], column) for role, t in tables.items()}
        charts.append(chart)
    return Part([], {"columns": charts})


def _labels(column: Column, j: int, tables: dict[str, Matrix]) -> tuple[list[str], dict[str, Ints]]:
    """The LABELS most frequent real labels (in order, for an ordinal column) and the others as one."""
    words = column.categories or ()
    codes = {r: np.nan_to_num(t.values[:, j]).astype(np.int64) for r, t in tables.items()}
    if len(words) <= LABELS:
        return list(words), codes
    present = codes["real"][tables["real"].missing[:, j] < 0]
    kept = np.argsort(-np.bincount(present, minlength=len(words)), kind="stable")[: LABELS - 1]
    if column.kind is Kind.ORDINAL:
        kept = np.sort(kept)
    place = np.full(len(words), len(kept))
    place[kept] = np.arange(len(kept))
    names = [words[k] for k in kept]
    return [*names, f"(other: {len(words) - len(kept)} labels)"], {r: place[c] for r, c in codes.items()}


def _numbers(column: Column, j: int, tables: dict[str, Matrix]) -> tuple[list[str], dict[str, Ints]]:
    """Every value for whole numbers of a short range, else bins of equal width over the middle 99% of the real values
    with open ends, or quantile bins where one bin would hold nearly everything."""
    real = tables["real"].values[tables["real"].missing[:, j] < 0, j]
    edges = _edges(real, column)
    cells = {
        r: np.searchsorted(edges, np.nan_to_num(t.values[:, j]), side="right").astype(np.int64)
        for r, t in tables.items()
    }
    if (
        len(real)
        and column.kind is Kind.INTEGER
        and len(edges)
        and np.array_equal(edges, np.arange(edges[0], edges[-1] + 1))
    ):
        return [f"{int(v)}" for v in (edges[0] - 1, *edges)], cells
    shown = write_numbers(edges, column)
    if not shown:
        return ["all"], cells
    return [f"< {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown)), f"≥ {shown[-1]}"], cells


def _edges(real: Floats, column: Column) -> Floats:
    """Inner edges; bin k holds edges[k - 1] <= x < edges[k]."""
    if not len(real) or real.min() == real.max():
        return np.empty(0)
    low, high = real.min(), real.max()
    if column.kind is Kind.INTEGER and high - low <= BINS:
        return np.arange(low + 1, high + 1)
    a, b = np.quantile(real, (0.005, 0.995))
    step = column.kind is Kind.INTEGER
    wide = np.linspace(a, b, BINS + 1)[1:-1] if b > a else np.empty(0)
    wide = np.unique(np.round(wide)) if step else wide
    filled = np.bincount(np.searchsorted(wide, real, side="right")) / len(real)
    if filled.max() < 0.6:
        return wide
    rest = real[real > low] if np.mean(real == low) > 0.5 else real
    return np.unique(np.quantile(rest, np.linspace(0, 1, 11)[:-1])) if len(rest) else wide


def write_numbers(edges: Floats, column: Column) -> list[str]:
    """Numbers, dates and times as the column writes them, or so that no two read the same."""
    if column.kind is Kind.DATETIME:
        return format_datetimes(edges, column.datetime_format or "%Y-%m-%d")
    shown = format_numbers(edges, column)
    return shown if len(set(shown)) == len(shown) else [f"{e:.6g}" for e in edges]


def _summary(x: Floats, column: Column) -> dict[str, Any] | None:
    """Mean, standard deviation and quartiles of the present values; dates as texts."""
    if not len(x):
        return None
    quartiles = np.quantile(x, (0, 0.25, 0.5, 0.75, 1))
    if column.kind is Kind.DATETIME:
        texts = format_datetimes(quartiles, column.datetime_format or "%Y-%m-%d")
        return dict(zip(("minimum", "lower", "median", "upper", "maximum"), texts, strict=True))
    names = ("minimum", "lower", "median", "upper", "maximum")
    return {"mean": float(x.mean()), "deviation": float(x.std()), **dict(zip(names, quartiles.tolist(), strict=True))}
