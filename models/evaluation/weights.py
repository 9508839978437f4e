"""Survey weights: the population that they sum up to, the groups of it, and weighted means.

models/evaluation/weighted.py has the weighted figures of columns, pairs and triples. Errors are those of linearised
ratios and means (Wolter 2007, section 6.8), both tables' rows pooled: given the rows, which of them are real is a deal,
so that the tails of a difference are no heavier than the normal ones (Hoeffding 1963, theorem 2).
"""

from __future__ import annotations

import math

import numpy as np

from models.evaluation.chance import Finding, critical, metrics_of, rows_of
from models.evaluation.context import FEW_ROWS, Part
from models.evaluation.matrix import Floats, Ints, Matrix, weights_of
from models.evaluation.nulls import half_normal
from models.evaluation.result import Metric
from models.evaluation.sampled import Sampled
from models.evaluation.subgroups import RELATIVE, Grouping, groupings, judged, subject_of
from models.evaluation.weighing import worth
from models.schema import Kind

LEAST = 0.02
"""Standard deviations by which a weighted mean may be off in any case."""


def weights(t: Sampled) -> Part:
    """weighted_total: relative difference of the sums of weights per row. weighted_group: difference of a group's
    shares of the population over the larger one, of the groups of subgroup_size and crossing_size. weighted_mean:
    difference of weighted means in real standard deviations; of further weights the plain means. The first column of
    kind weight weighs."""
    columns = [j for j, c in enumerate(t.real.columns) if c.kind is Kind.WEIGHT]
    if not columns:
        return Part([])
    tables = [m for m in (t.real, t.synthetic, t.holdout) if m is not None]
    own = [w if (w := weights_of(m)) is not None else np.zeros(len(m)) for m in tables]
    name = t.context.names[columns[0]]
    worths = [worth(w) for w in own]
    note = (
        f"Weighed by {name}; worth {worths[0]:,.0f} real and {worths[1]:,.0f} synthetic rows of equal weight. {t.note}"
    )
    none = f"The rows of a table are worth fewer than {FEW_ROWS} of equal weight ({name})."
    groups: list[Finding] = []
    mean: list[Finding] = []
    average = _averages(t, columns[0])
    rows = len(t.context.tables[0]) if t.context.tables else len(t.context.real)
    enough = min(worths[:2]) >= FEW_ROWS and (t.holdout is None or own[2].any())
    if enough:
        groups = _groups(t, own, average, rows, set(columns))
        mean = _means(t, columns, tables, own)
    metrics = [_total(t, columns[0], average, rows, note) if enough else _gone("weighted_total", none)]
    few = "No column of labels has two groups that are large enough." if enough else none
    metrics += metrics_of("weighted_group", groups, note, few) + metrics_of("weighted_mean", mean, note, none, "sd")
    section = {
        "weight": name,
        "worth": {"real": worths[0], "synthetic": worths[1]},
        "effect": {k: len(w) / v if v else None for k, w, v in zip(("real", "synthetic"), own, worths, strict=False)},
        "scale": rows,
        "mean": {"real": average[0], "synthetic": average[1], "holdout": average[2]},
        "total": {"real": average[0] * rows, "synthetic": average[1] * rows},
        "rows": rows_of(groups),
        "means": rows_of(mean),
        "note": note,
    }
    return Part(metrics, {"weights": section})


def _gone(name: str, why: str) -> Metric:
    return Metric(name, None, "weights", goal=0.0, note=why, status="unavailable")


def _averages(t: Sampled, j: int) -> tuple[float, float, float | None]:
    """Mean weight of all real, synthetic and holdout rows."""
    real, made, held = (_raw(m, j) for m in (t.context.real, t.context.synthetic, t.context.holdout))
    return float(real.mean()), float(made.mean()), float(held.mean()) if len(held) >= FEW_ROWS else None


def _raw(m: Matrix, j: int) -> Floats:
    return np.nan_to_num(m.values[:, j]).clip(0)


def _total(t: Sampled, j: int, average: tuple[float, float, float | None], rows: int, note: str) -> Metric:
    """What the weights sum up to, the sample's rows standing for as many as the real table has."""
    real, made = _raw(t.context.real, j), _raw(t.context.synthetic, j)
    a, b, held = average
    error = float(np.concatenate([real - a, made - b]).std()) * math.sqrt(1 / len(real) + 1 / len(made)) / a
    expected, spread = half_normal(error)
    value = abs(b / a - 1)
    what = f"{rows:,} rows sum up to {a * rows:,.0f} in the real table and to {b * rows:,.0f} in the sample. {note}"
    return Metric(
        "weighted_total",
        value,
        "weights",
        holdout=None if held is None else abs(held / a - 1),
        low=max(0.0, value - 1.96 * error),
        high=value + 1.96 * error,
        goal=0.0,
        note=what,
        expected=expected,
        spread=spread,
    )


def _groups(
    t: Sampled, own: list[Floats], average: tuple[float, float, float | None], rows: int, weigh: set[int]
) -> list[Finding]:
    found = [g for g in groupings(t).every if not weigh & set(g[0])]
    alone = {of[0]: np.bincount(cells[0], minlength=size) for of, cells, size in found if len(of) == 1}
    chosen = [judged(g[0], np.bincount(g[1][0], minlength=g[2]), alone) for g in found]
    z = critical(sum(len(k) for k in chosen))
    return [f for g, k in zip(found, chosen, strict=True) for f in _of(t, g, k, own, average, rows, z)]


def _of(
    t: Sampled,
    grouping: Grouping,
    chosen: Ints,
    own: list[Floats],
    average: tuple[float, float, float | None],
    rows: int,
    z: float,
) -> list[Finding]:
    of, cells, size = grouping
    p = [np.bincount(c, w, size) / w.sum() for c, w in zip(cells, own, strict=True)]
    n, m = (len(c) for c in cells[:2])
    pooled, weight = np.concatenate(cells[:2]), np.concatenate(own[:2])
    q = np.bincount(pooled, weight, size) / weight.sum()
    square = np.bincount(pooled, weight**2, size) + float((weight**2).mean())
    variance = (square * (1 - 2 * q) + q**2 * square.sum()) / weight.sum()
    error = np.sqrt(np.maximum(variance, 0.0) * (1 / n + 1 / m))
    counts = [np.bincount(c, minlength=size) for c in cells[:2]]
    out = []
    for k in chosen:
        larger = float(max(p[0][k], p[1][k]))
        if larger <= 0:
            continue
        off = float(error[k]) / larger
        held = None if len(p) < 3 else float(abs(p[0][k] - p[2][k]) / max(p[0][k], p[2][k], 1e-300))
        more = {
            "real": float(p[0][k]),
            "synthetic": float(p[1][k]),
            "real_total": float(p[0][k]) * average[0] * rows,
            "synthetic_total": float(p[1][k]) * average[1] * rows,
            "real_rows": int(counts[0][k]),
            "counted": [float(c[k] / c.sum()) for c in counts],
        }
        subject, columns = subject_of(t, of, int(k)), tuple(t.context.names[j] for j in of)
        value, usual = abs(float(p[0][k] - p[1][k])) / larger, math.sqrt(2 / math.pi) * off
        out.append(Finding(subject, columns, value, usual, max(z * off, RELATIVE), held, more, off))
    return out


def _means(t: Sampled, weigh: list[int], tables: list[Matrix], own: list[Floats]) -> list[Finding]:
    numbers = [j for j, c in enumerate(t.real.columns) if c.numeric and j != weigh[0]]
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
        value, bar = abs(b - a) / sa, max(z * error, LEAST)
        out.append(Finding(name, (name,), value, 0.8 * error, bar, held, more, error, most=math.inf))
    return out


def _mean(x: Floats, w: Floats) -> tuple[float, float, float]:
    """(weighted mean, its variance, standard deviation)."""
    total = float(w.sum())
    if len(x) < FEW_ROWS or total <= 0:
        return float("nan"), 0.0, 0.0
    mean = float(w @ x) / total
    return mean, float((w**2) @ (x - mean) ** 2) / total**2, float(np.sqrt(w @ (x - mean) ** 2 / total))
