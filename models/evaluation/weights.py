"""Survey weights: what weighted tables and means of the sample say, and the weights themselves.

Everything else in an evaluation counts rows: the sample's rows stand for the table's rows. Here each row counts with
its weight. Errors are those of linearised ratios (Wolter 2007, section 6.8); what the rows are worth is Kish's (1965)
(sum w)^2 / sum w^2.
"""

from __future__ import annotations

import math

import numpy as np

from models.evaluation.chance import Finding, bar_of, critical, metrics_of, rows_of
from models.evaluation.context import FEW_ROWS, Part
from models.evaluation.marginals import total_variation
from models.evaluation.matrix import Floats, Ints, Matrix
from models.evaluation.sampled import Sampled
from models.schema import Kind

LEAST = 0.02
"""Standard deviations by which a weighted mean may be off in any case."""


def weights(t: Sampled) -> Part:
    """weighted_shape: total variation of each column's weighted shares. weighted_mean: difference of weighted means in
    real standard deviations; of the weights the plain means. The first column of kind weight weighs."""
    columns = [j for j, c in enumerate(t.real.columns) if c.kind is Kind.WEIGHT]
    if not columns:
        return Part([])
    tables = [m for m in (t.real, t.synthetic, t.holdout) if m is not None]
    own = [np.maximum(np.nan_to_num(m.values[:, columns[0]]), 0.0) for m in tables]
    name = t.context.names[columns[0]]
    worth = [float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0 for w in own]
    note = f"Weighed by {name}; worth {worth[0]:,.0f} real and {worth[1]:,.0f} synthetic rows of equal weight. {t.note}"
    none = f"The rows of a table are worth fewer than {FEW_ROWS} of equal weight ({name})."
    shape: list[Finding] = []
    mean: list[Finding] = []
    if min(worth[:2]) >= FEW_ROWS:
        shape = _shapes(t, columns, own)
        mean = _means(t, columns, tables, own)
    metrics = metrics_of("weighted_shape", shape, note, none) + metrics_of("weighted_mean", mean, note, none, "sd")
    section = {
        "weight": name,
        "used": "weighted shares of every column and weighted means of every number; all other sections count rows",
        "worth": {"real": worth[0], "synthetic": worth[1]},
        "total": {
            "real": float(own[0].sum()) / max(len(own[0]), 1),
            "synthetic": float(own[1].sum()) / max(len(own[1]), 1),
        },
        "rows": rows_of(shape),
        "means": rows_of(mean),
        "note": note,
    }
    return Part(metrics, {"weights": section})


def _shapes(t: Sampled, weigh: list[int], own: list[Floats]) -> list[Finding]:
    codes = [c for c in t.codes if c is not None]
    others = [j for j in range(len(t.real.columns)) if j not in weigh]
    out = []
    for j in others:
        size = t.cells.sizes[j]
        (p, vp), (q, vq), *held = (_shares(c[:, j], w, size) for c, w in zip(codes, own, strict=True))
        mean, deviation = _moments((p + q) / 2, vp + vq)
        other = float(total_variation(p, held[0][0])) if held and own[2].any() else None
        name = t.context.names[j]
        # A tenth more: with few heavy rows the variances are rough themselves.
        bar = 1.1 * bar_of(mean, deviation, len(others))
        out.append(Finding(name, (name,), float(total_variation(p, q)), mean, bar, other, {}, deviation))
    return out


def _shares(cells: Ints, w: Floats, size: int) -> tuple[Floats, Floats]:
    """Weighted share of each cell and its variance."""
    total = max(float(w.sum()), 1e-300)
    p = np.bincount(cells, weights=w, minlength=size) / total
    square = np.bincount(cells, weights=w**2, minlength=size)
    return p, (square * (1 - 2 * p) + p**2 * square.sum()) / total**2


def _moments(p: Floats, spread: Floats) -> tuple[float, float]:
    """Shares p (C,) and the variances of their differences -> mean and standard deviation of the total variation, the
    cells normal and correlated as those of a multinomial are."""
    each = np.minimum(np.sqrt(2 / math.pi * spread), 2 * p)
    inner = np.where((p > 0) & (p < 1), p, 0.0)
    shared = inner**1.5 / np.sqrt(1 - inner)
    across = float(shared.sum() ** 2 - (shared**2).sum())
    unit, total = float((p * (1 - p)).sum()), float(spread.sum())
    both = total + (total / unit * across if unit > 0 else 0.0)
    return 0.5 * float(each.sum()), 0.5 * math.sqrt((1 - 2 / math.pi) * max(both, 0.0))


def _means(t: Sampled, weigh: list[int], tables: list[Matrix], own: list[Floats]) -> list[Finding]:
    numbers = [j for j, c in enumerate(t.real.columns) if c.numeric]
    z, out = critical(len(numbers)), []
    for j in numbers:
        read = []
        for m, w in zip(tables, own, strict=True):
            here = m.missing[:, j] < 0
            weight = np.ones(int(here.sum())) if j in weigh else w[here]
            read.append(_mean(m.values[here, j], weight))
        (a, va, sa), (b, vb, _) = read[:2]
        if not (np.isfinite(a) and np.isfinite(b)) or sa <= 0:
            continue
        error = float(np.sqrt(va + vb)) / sa
        held = abs(read[2][0] - a) / sa if len(read) > 2 and np.isfinite(read[2][0]) else None
        name = t.context.names[j]
        more = {"real": a, "synthetic": b, "weighted": j not in weigh}
        out.append(Finding(name, (name,), abs(b - a) / sa, 0.8 * error, max(z * error, LEAST), held, more, error))
    return out


def _mean(x: Floats, w: Floats) -> tuple[float, float, float]:
    """(weighted mean, its variance, standard deviation)."""
    total = float(w.sum())
    if len(x) < FEW_ROWS or total <= 0:
        return float("nan"), 0.0, 0.0
    mean = float(w @ x) / total
    return mean, float((w**2) @ (x - mean) ** 2) / total**2, float(np.sqrt(w @ (x - mean) ** 2 / total))
