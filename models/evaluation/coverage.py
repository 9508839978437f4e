"""Categories that the sample has lost, and numbers beyond the real ones."""

from __future__ import annotations

import math

import numpy as np

from models.evaluation.chance import ALPHA, Finding, metrics_of, rows_of
from models.evaluation.context import Part
from models.evaluation.groups import codes, names_of
from models.evaluation.intervals import wilson
from models.evaluation.matrix import Floats, Matrix
from models.evaluation.sampled import Sampled
from models.schema import Column

LISTED = 10


def coverage(t: Sampled) -> Part:
    """coverage: share of the real rows whose label (or missing code) no synthetic row has, per column. range: share of
    the synthetic rows with a number or date beyond the smallest and largest real one. All rows are counted."""
    real, synthetic = t.context.real, t.context.synthetic
    held = t.context.holdout if t.holdout is not None else None
    labelled = [j for j, c in enumerate(real.columns) if c.labelled]
    numbers = [j for j, c in enumerate(real.columns) if not c.labelled and (real.missing[:, j] < 0).any()]
    lost = [_lost(real, synthetic, held, j, len(labelled)) for j in labelled]
    beyond = [_beyond(real, synthetic, held, j, len(numbers)) for j in numbers]
    note = f"{len(real):,} real and {len(synthetic):,} synthetic rows."
    metrics = metrics_of("coverage", lost, note, "There is no column of labels.")
    metrics += metrics_of("range", beyond, note, "There is no column of numbers.")
    return Part(metrics, {"coverage": {"rows": rows_of(lost), "range": rows_of(beyond), "note": note}})


def _counts(matrix: Matrix, j: int, size: int) -> Floats:
    return np.bincount(codes(matrix, j), minlength=size).astype(np.float64)


def _lost(real: Matrix, synthetic: Matrix, held: Matrix | None, j: int, tests: int) -> Finding:
    """A label with share p is lost by n rows with probability (1 - p) ** n."""
    names = names_of(real.columns[j])
    p = _counts(real, j, len(names)) / max(len(real), 1)
    got, n = _counts(synthetic, j, len(names)), len(synthetic)
    gone = (got == 0) & (p > 0)
    chance = np.where(p > 0, (1 - p) ** n, 0.0)
    level = math.log(max(tests, 1) * max(len(names), 1) / ALPHA)
    mean = float((p * chance).sum())
    # Many rare labels by the normal law, and one that is just about bound to occur.
    spread = math.sqrt(2 * level * float((p**2 * chance * (1 - chance)).sum()))
    bar = mean + spread + min(level / max(n, 1), 1.0)
    other = None
    if held is not None:
        other = float(p[(_counts(held, j, len(names)) == 0) & (p > 0)].sum())
    worst = [k for k in np.argsort(-p, kind="stable") if gone[k]][:LISTED]
    more = {
        "lost": int(gone.sum()),
        "labels": int((p > 0).sum()),
        "expected_lost": float(chance[p > 0].sum()),
        "largest": [{"label": names[k], "real": float(p[k])} for k in worst],
    }
    name, value = real.columns[j].name, float(p[gone].sum())
    return Finding(name, (name,), value, mean, bar, other, more, span=wilson(value, len(real)))


def _beyond(real: Matrix, synthetic: Matrix, held: Matrix | None, j: int, tests: int) -> Finding:
    """Of N + n rows of one population the c largest are all among the n with probability (n / (N + n)) ** c."""
    column = real.columns[j]
    present = real.values[real.missing[:, j] < 0, j]
    low, high = _bounds(column, present)

    def outside(matrix: Matrix) -> float:
        x = matrix.values[matrix.missing[:, j] < 0, j]
        return float(((x < low) | (x > high)).sum())

    n, before = max(len(synthetic), 1), max(len(present), 1)
    level = math.log(2 * max(tests, 1) / ALPHA)
    bar = (2 * level / math.log((before + n) / n)) / n
    other = outside(held) / len(held) if held is not None and len(held) else None
    share = outside(synthetic) / n
    more = {"rows_outside": round(share * n)}
    return Finding(column.name, (column.name,), share, 2 / (before + 1), bar, other, more, span=wilson(share, n))


def _bounds(column: Column, present: Floats) -> tuple[float, float]:
    """The smallest and largest real value, or what the schema allows beyond them."""
    low, high = float(present.min()), float(present.max())
    if isinstance(column.minimum, int | float):
        low = min(low, float(column.minimum))
    if isinstance(column.maximum, int | float):
        high = max(high, float(column.maximum))
    return low, high
