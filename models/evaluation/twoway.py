"""Coarse two-way tables of single pairs of columns: what a reader needs to see how a relation is off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from models.evaluation.charts import write_numbers
from models.evaluation.matrix import Ints, Matrix
from models.schema import Column

MOST = 8
"""Rows and columns of a table, missing values apart."""


def two_way(real: Matrix, synthetic: Matrix, pairs: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """One table for each pair of columns (indices): {columns, at, labels, real, synthetic}.

    labels: two lists; real, synthetic: shares of all rows, lists of rows by the first column's labels. Rare labels
    are one, numbers are cut at quantiles of the real table, all missing codes are one label.
    """
    known: dict[int, tuple[list[str], Ints, Ints]] = {}
    out = []
    for a, b in pairs:
        for j in (a, b):
            if j not in known:
                known[j] = _coarse(real.columns[j], j, real, synthetic)
        (first, real_a, synthetic_a), (second, real_b, synthetic_b) = known[a], known[b]
        shape = (len(first), len(second))
        table: dict[str, Any] = {
            "columns": [real.columns[a].name, real.columns[b].name],
            "at": [int(a), int(b)],
            "labels": [first, second],
        }
        for role, x, y in (("real", real_a, real_b), ("synthetic", synthetic_a, synthetic_b)):
            counts = np.bincount(x * shape[1] + y, minlength=shape[0] * shape[1]).reshape(shape)
            table[role] = np.round(counts / max(len(x), 1), 5)
        out.append(table)
    return out


def _coarse(column: Column, j: int, real: Matrix, synthetic: Matrix) -> tuple[list[str], Ints, Ints]:
    """(labels, codes of the real rows, codes of the synthetic rows); labels that no row has are left out."""
    present = real.values[real.missing[:, j] < 0, j]
    if column.labelled:
        words = column.categories or ()
        counts = np.bincount(present.astype(np.int64), minlength=len(words))
        kept = np.sort(np.argsort(-counts, kind="stable")[: MOST if len(words) <= MOST else MOST - 1])
        place = np.full(max(len(words), 1), len(kept))
        place[kept] = np.arange(len(kept))
        labels = [str(words[k]) for k in kept] + (["all others"] if len(kept) < len(words) else [])
        codes = [place[np.nan_to_num(t.values[:, j]).astype(np.int64)] for t in (real, synthetic)]
    else:
        edges = np.unique(np.quantile(present, np.linspace(0, 1, MOST + 1)[1:-1])) if len(present) else np.empty(0)
        edges = edges[edges > present.min()] if len(present) else edges
        shown = write_numbers(edges, column)
        labels = [f"< {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown)), f"≥ {shown[-1]}"] if shown else ["all"]
        codes = [np.searchsorted(edges, np.nan_to_num(t.values[:, j]), side="right") for t in (real, synthetic)]
    labels.append("missing")
    codes = [np.where(t.missing[:, j] < 0, c, len(labels) - 1) for t, c in zip((real, synthetic), codes, strict=True)]
    used = np.unique(np.concatenate(codes))
    narrow = np.zeros(len(labels), np.int64)
    narrow[used] = np.arange(len(used))
    return [labels[k] for k in used], narrow[codes[0]], narrow[codes[1]]
