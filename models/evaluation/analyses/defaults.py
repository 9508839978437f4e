"""Analyses for a table that nobody has registered any for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from models.evaluation.analyses.formula import spelled
from models.evaluation.analyses.requests import Analysis, CrossTable, Regression, analyses_from_json
from models.evaluation.matrix import Cells, Floats, Ints, Matrix
from models.schema import Kind

PREDICTORS, TABLES, ROWS, BINS = 16, 3, 20_000, 5
MOST_PAIRS_OF = 30
"""Columns among whose pairs the most associated ones are looked for."""
RARE = 0.02
GAPS = 0.25
"""A number missing in more rows does not enter the regression: it would leave out their rows."""


def default_analyses(real: Matrix, target: str | None) -> tuple[Analysis, ...]:
    """A main-effects regression of the target on the columns most associated with it, rare labels merged; tables of the
    target by the three most associated columns, and the mean of the most associated number, or of the target. Without
    a target: tables of the three most associated pairs."""
    names = [c.name for c in real.columns]
    if len(names) < 2 or not len(real):
        return ()
    some = real.take(np.arange(min(len(real), ROWS)))
    cells = Cells.fit(some, BINS)
    codes = cells.codes(some)
    plain = [j for j, c in enumerate(some.columns) if c.kind is not Kind.WEIGHT]
    varying = [j for j in plain if len(np.unique(some.values[:, j])) > 1]
    narrow = [j for j in varying if cells.sizes[j] <= 40 and len(np.unique(codes[:, j])) > 1]
    if target is None:
        pairs = list(itertools.combinations(narrow[:MOST_PAIRS_OF], 2))
        pairs.sort(key=lambda p: -association(codes[:, p[0]], codes[:, p[1]]))
        return tuple(CrossTable((names[i], names[j])) for i, j in pairs[:TABLES])
    t = names.index(target)
    if t not in varying:
        return ()
    others = sorted((j for j in varying if j != t), key=lambda j: -association(codes[:, t], codes[:, j]))
    out: list[Analysis] = []
    if model := _regression(some, t, others):
        out.append(model)
    if t in narrow:
        out += [CrossTable((target, names[j])) for j in [j for j in others if j in narrow][:TABLES]]
    numbers = [j for j in others if not some.columns[j].labelled]
    if some.columns[t].labelled and numbers:
        out.append(CrossTable((target,), "mean", names[numbers[0]]))
    elif not some.columns[t].labelled:
        out += [CrossTable((names[j],), "mean", target) for j in others if j in narrow][:1]
    return tuple(out)


def association(a: Ints, b: Ints) -> float:
    """Cramer's V of two columns of cells, corrected for bias (Bergsma 2013, J. Korean Statistical Society 42)."""
    n = len(a)
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    r, k = int(a.max()) + 1, int(b.max()) + 1
    if min(r, k) < 2:
        return 0.0
    seen = np.bincount(a * k + b, minlength=r * k).reshape(r, k)
    usual = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / n
    phi = float(((seen - usual) ** 2 / usual).sum()) / n
    phi = max(0.0, phi - (r - 1) * (k - 1) / max(n - 1, 1))
    least = min(r - (r - 1) ** 2 / max(n - 1, 1), k - (k - 1) ** 2 / max(n - 1, 1)) - 1
    return float(np.sqrt(phi / least)) if least > 0 else 0.0


def _regression(real: Matrix, t: int, others: list[int]) -> Regression | None:
    """Main effects only: every formula here is one that an analyst could have written."""
    target = real.columns[t]
    names = []
    for j in others:
        column, gone = real.columns[j], np.isnan(real.values[:, j])
        if (column.labelled or gone.mean() <= GAPS) and _useful(real, j):
            names.append(spelled(column.name))
    if not names:
        return None
    raw: dict[str, Any] = {
        "kind": "regression",
        "formula": f"{spelled(target.name)} ~ {' + '.join(names[:PREDICTORS])}",
    }
    raw |= {"missing": "level", "rare": RARE}
    if target.labelled:
        present = real.values[np.isfinite(real.values[:, t]), t]
        codes, counts = np.unique(present, return_counts=True)
        labels = target.categories or ()
        binary = len(labels) == 2
        event = 1 if binary else int(codes[np.argmax(counts)])
        raw |= {"family": "binomial", "event": labels[event]}
    elif len(np.unique(real.values[np.isfinite(real.values[:, t]), t])) == 2:
        raw |= {"family": "binomial"}
    (analysis,) = analyses_from_json([raw])
    return analysis if isinstance(analysis, Regression) else None


def _useful(real: Matrix, j: int) -> bool:
    """Not all labels rare, and no name that a formula cannot spell."""
    column, x = real.columns[j], real.values[:, j]
    if "`" in column.name or len(column.name) > 200:
        return False
    if not column.labelled:
        return True
    counts: Floats = np.bincount(x[np.isfinite(x)].astype(int)) / max(len(x), 1)
    return bool((counts >= RARE).sum() >= 1)
