"""What betrays a sample: columns, pairs of columns, and the synthetic rows that are easiest to tell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from models.classifiers.scores import auc_error
from models.evaluation.matrix import Cells, Floats, Ints, Keys, Matrix
from models.schema import Column, Kind
from models.table import format_datetimes, format_numbers

TOP = 10
PAIR_BINS = 8
PAIR_LABELS = 20
"""Labels of a column that pairs tell apart: the most frequent real ones; all others count as one."""
EASIEST = 0.05
"""Share of the synthetic rows that counts as easiest to tell."""
MARKS, EXAMPLES = 8, 3
COMMON = 0.1
"""A mark holds for at least so many of the easiest rows."""


def alone(real: Matrix, other: Matrix, bins: int) -> Floats:
    """(D,) AUC of telling real from other by one column alone: ratio of cell shares, learnt on half of the rows."""
    cells = Cells.fit(real, bins)
    a, b = cells.codes(real), cells.codes(other)
    return np.array([_told(a[:, j], b[:, j], size)[0] for j, size in enumerate(cells.sizes)])


def pairs(real: Matrix, other: Matrix, columns: Sequence[int], most: int) -> list[dict[str, Any]]:
    """Pairs of columns whose relation betrays other, worst first: AUC of telling by the pair's joint cells, and how
    much of it neither column nor both side by side have (`gain`). Only gains beyond twice their standard error."""
    cells = Cells.fit(real, PAIR_BINS)
    codes, sizes = _merged(cells, cells.codes(real), cells.codes(other))
    single = {j: _told(codes[0][:, j], codes[1][:, j], sizes[j]) for j in columns}
    noise = 2 * auc_error(0.5, max(1, len(real) // 2), max(1, len(other) // 2))
    found: list[dict[str, Any]] = []
    for j, k in list(itertools.combinations(columns, 2))[:most]:
        both = [c[:, j] * sizes[k] + c[:, k] for c in codes]
        auc = _told(both[0], both[1], sizes[j] * sizes[k])[0]
        apart = (single[j][1][:, None] + single[k][1][None, :]).ravel()
        side = _auc(apart, *(np.bincount(b[1::2], minlength=len(apart)) for b in both))
        gain = auc - max(single[j][0], single[k][0], side)
        if gain > noise:
            found.append({"columns": [real.columns[i].name for i in (j, k)], "auc": auc, "gain": gain})
    return sorted(found, key=lambda p: -p["gain"])[:TOP]


def rows(
    real: Matrix, synthetic: Matrix, propensity: Floats, known: Keys, together: Sequence[Sequence[str]] = ()
) -> dict[str, Any]:
    """What marks the synthetic rows that are easiest to tell, and examples of such rows.

    propensity: (N,) chance that each synthetic row is taken for synthetic by a model that did not see it. together:
    pairs of columns whose joint values may be marks, too. Ranges are cut at quantiles of the synthetic rows, and rows
    that equal a training row are no examples: no real row is quoted.
    """
    count = max(1, int(EASIEST * len(synthetic)))
    ranked = np.argsort(-propensity, kind="stable")
    chosen = ranked[:count]
    cells = Cells.fit(synthetic, PAIR_BINS)
    codes, kept = cells.codes(synthetic), cells.codes(real)
    place = {c.name: j for j, c in enumerate(synthetic.columns)}
    names = [_named(c, cells, j) for j, c in enumerate(synthetic.columns)]
    marks: list[dict[str, Any]] = []
    for group in [(j,) for j in range(len(names))] + [tuple(place[n] for n in pair) for pair in together]:
        size = int(np.prod([cells.sizes[j] for j in group]))
        tables = [
            np.ravel_multi_index([c[:, j] for j in group], [cells.sizes[j] for j in group]) for c in (codes, kept)
        ]
        easy, every, real_share = (
            np.bincount(c, minlength=size) / len(c) for c in (tables[0][chosen], tables[0], tables[1])
        )
        for at in np.flatnonzero((easy >= COMMON) & (easy > every)):
            values = np.unravel_index(at, [cells.sizes[j] for j in group])
            marks.append(
                {
                    "column": " × ".join(synthetic.columns[j].name for j in group),
                    "value": " and ".join(names[j][int(v)] for j, v in zip(group, values, strict=True)),
                    "easiest": float(easy[at]),
                    "synthetic": float(every[at]),
                    "real": float(real_share[at]),
                    "lift": float(easy[at] / every[at]),
                }
            )
    marks.sort(key=lambda m: -m["easiest"] * np.log(m["lift"]))
    own = chosen[~np.isin(synthetic.take(chosen).row_keys(), known)][:EXAMPLES]
    return {
        "share": count / len(synthetic),
        "propensity": float(propensity[chosen].mean()),
        "marks": marks[:MARKS],
        "examples": [
            {
                "propensity": float(propensity[i]),
                "values": {c.name: _written(c, synthetic, int(i), j) for j, c in enumerate(synthetic.columns)},
            }
            for i in own
        ],
    }


def _told(real: Ints, other: Ints, size: int) -> tuple[float, Floats]:
    """AUC, at least .5, of telling cells of other from cells of real by the ratio of their shares, learnt on every
    second row and tried on the rest; and the logarithm of the ratio (size,)."""
    p, q = (np.bincount(c[::2], minlength=size) + 0.5 for c in (real, other))
    ratio = np.log(q / q.sum()) - np.log(p / p.sum())
    return _auc(ratio, *(np.bincount(c[1::2], minlength=size) for c in (real, other))), ratio


def _auc(score: Floats, real: Ints, other: Ints) -> float:
    """AUC, at least .5, of a score per cell, from the cells' counts; ties half."""
    n, m = real.sum(), other.sum()
    if not n or not m:
        return 0.5
    _, place = np.unique(np.round(score, 9), return_inverse=True)
    a, b = (np.bincount(place, c) for c in (real, other))
    below = np.cumsum(a) - a / 2
    return max(0.5, float((below * b).sum() / (n * m)))


def _merged(cells: Cells, *tables: Ints) -> tuple[list[Ints], list[int]]:
    """Cells of each column, the PAIR_LABELS most frequent of the first table kept and the others as one."""
    out, sizes = [t.copy() for t in tables], list(cells.sizes)
    for j, size in enumerate(cells.sizes):
        if size <= PAIR_LABELS + 1:
            continue
        first = np.argsort(-np.bincount(tables[0][:, j], minlength=size), kind="stable")[:PAIR_LABELS]
        place = np.full(size, PAIR_LABELS)
        place[first] = np.arange(PAIR_LABELS)
        for t in out:
            t[:, j] = place[t[:, j]]
        sizes[j] = PAIR_LABELS + 1
    return out, sizes


def _named(column: Column, cells: Cells, j: int) -> list[str]:
    """A name for each cell of a column."""
    edges = cells.edges[j]
    gone = [f"missing: {code or 'blank'}" for code in column.missing_codes]
    if edges is None:
        return [*(column.categories or ()), *gone]
    if not len(edges):
        return ["any value", *gone]
    shown = _numbers(edges, column)
    return [f"< {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown)), f"≥ {shown[-1]}", *gone]


def _numbers(values: Floats, column: Column) -> list[str]:
    if column.kind is Kind.DATETIME:
        return format_datetimes(values, column.datetime_format or "%Y-%m-%d")
    return format_numbers(values, column)


def _written(column: Column, matrix: Matrix, i: int, j: int) -> str:
    """One cell as the source would spell it."""
    state = int(matrix.missing[i, j])
    if state >= 0:
        return column.missing_codes[state] or "(blank)"
    if column.labelled:
        return (column.categories or ())[int(matrix.values[i, j])]
    return _numbers(matrix.values[i : i + 1, j], column)[0]
