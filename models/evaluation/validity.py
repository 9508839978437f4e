"""Cells that cannot be in the real table: labels that it lacks, texts among numbers, fractions of whole numbers."""

from __future__ import annotations

from math import sqrt

import numpy as np

from models.evaluation.context import Context, Part
from models.evaluation.intervals import wilson
from models.evaluation.matching import INVALID, UNSEEN
from models.evaluation.matrix import Matrix
from models.evaluation.result import Metric
from models.schema import Kind

SIGMAS = 3.0
"""Real rows hold labels, too, that the rows they are held against lack: so far beyond their share is a fault."""


def validity(context: Context) -> Part:
    """`invalid`: share of the sample's cells that no cell of the real table could be, over all and by column with any.

    The bar is what the holdout reads, with SIGMAS standard errors of its share; without a holdout it is none at all.
    """
    counted = invalid_cells(context.synthetic)
    rows, width = context.synthetic.values.shape
    held = invalid_cells(context.holdout) if len(context.holdout) else None
    metrics = [_metric("", int(counted.sum()), rows * width, held, width * len(context.holdout), "cells", rows)]
    found = []
    for j in np.argsort(-counted, kind="stable"):
        if counted[j]:
            name = context.names[j]
            own = None if held is None else held[j : j + 1]
            metrics.append(_metric(name, int(counted[j]), rows, own, len(context.holdout), "rows", rows))
            found.append({"column": name, "cells": int(counted[j]), "of": rows, "what": _what(context.synthetic, j)})
    return Part(metrics, {"validity": {"columns": found}})


def invalid_cells(matrix: Matrix) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Of each column, how many cells the real table's schema does not allow: int64 (D,)."""
    out = np.zeros(len(matrix.columns), np.int64)
    for j, column in enumerate(matrix.columns):
        if column.labelled:
            if UNSEEN in (column.categories or ()):
                out[j] = np.sum(matrix.values[:, j] == (column.categories or ()).index(UNSEEN))
            continue
        if INVALID in column.missing_codes:
            out[j] = np.sum(matrix.missing[:, j] == column.missing_codes.index(INVALID))
        if column.evidence.get("declared") == Kind.INTEGER.value:
            x = matrix.values[matrix.missing[:, j] < 0, j]
            out[j] += np.sum(x != np.round(x))
    return out


def _what(matrix: Matrix, j: int) -> str:
    column = matrix.columns[j]
    if column.labelled:
        return "labels that the real table lacks"
    if column.kind is Kind.DATETIME:
        return "no dates"
    return "no whole numbers" if column.evidence.get("declared") == Kind.INTEGER.value else "no numbers"


def _metric(
    subject: str,
    count: int,
    of: int,
    held: np.ndarray[tuple[int], np.dtype[np.int64]] | None,
    of_held: int,
    what: str,
    rows: int,
) -> Metric:
    """Cells of a row may be wrong together: the interval counts rows."""
    share = count / of if of else None
    known = None if held is None else float(held.sum()) / of_held
    bar = 0.0 if known is None else known + SIGMAS * sqrt(known * (1 - known) * (1 / max(of, 1) + 1 / of_held))
    status = "" if share is None else "pass" if share <= bar else "fail"
    note = f"{count:,} of {of:,} {what} cannot be in the real table; {rows:,} synthetic rows."
    low, high = (None, None) if share is None else wilson(share, rows)
    return Metric(
        "invalid", share, "validity", subject, holdout=known, low=low, high=high, goal=0.0, bar=bar, status=status,
        note=note,
    )  # fmt: skip
