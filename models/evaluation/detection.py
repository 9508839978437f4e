"""Can a classifier tell real rows from others, and by which columns?

c2st = 2 - 2 AUC (1: cannot be told apart), the classifier two-sample test of the TabSyn, TabDiff and TabPC tables
(Lopez-Paz and Oquab 2017, arXiv:1610.06545), with out-of-fold AUCs that count as .5 where they are below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from models.classifiers import MLP, Boosting, Estimator
from models.classifiers.base import Labels
from models.classifiers.scores import auc, auc_error
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.features import features
from models.evaluation.matrix import Cells, Floats, Matrix, independent, sample
from models.evaluation.result import Metric

TOP = 10
IMPORTANCE_ROWS = 2_000
IMPORTANCE_COLUMNS = 60


@dataclass(frozen=True, eq=False)
class Found:
    """auc: mean over folds; importance: (D,) loss of AUC when the column is permuted (first fold), where asked for."""

    auc: float
    rows: int
    importance: Floats | None = None

    @property
    def c2st(self) -> float:
        return 2 - 2 * self.auc


def detect(
    real: Matrix, other: Matrix, context: Context, *, model: str = "boosting", folds: int = 3, explain: bool = False
) -> Found:
    """Cross-validated AUC of real (N, D) against other (N, D)."""
    context.progress.check()
    a, b = features(real), features(other)
    x = np.concatenate([a.x, b.x])
    y = np.repeat([0, 1], [len(real), len(other)])
    scores, importance = [], None
    splits = StratifiedKFold(3, shuffle=True, random_state=context.seed).split(x, y)
    for k, (train, test) in enumerate(splits):
        if k == folds:
            break
        context.progress.check()
        fitted = _model(model, a.categorical, context.seed).fit(x[train], y[train])
        scores.append(max(0.5, auc(y[test] == 1, fitted.predict_proba(x[test])[:, 1])))
        if explain and k == 0:
            importance = _importance(fitted, x[test], y[test], a.sources, context)
    return Found(float(np.mean(scores)), len(real), importance)


def _model(name: str, categorical: tuple[bool, ...], seed: int) -> Estimator:
    if name == "mlp":
        return MLP("binary", categorical, epochs=15, patience=3, batch=512, seed=seed)
    return Boosting("binary", iterations=100, learning_rate=0.15, seed=seed)


def _importance(model: Estimator, x: Floats, y: Labels, sources: tuple[int, ...], context: Context) -> Floats:
    """Permutation importance (Breiman 2001) of each column: its features are permuted together. Beyond
    IMPORTANCE_COLUMNS columns only as many are tried, spread evenly; the others read 0."""
    rng = context.rng("importance")
    pick = rng.permutation(len(x))[:IMPORTANCE_ROWS]
    x, y = x[pick], y[pick]
    base = auc(y == 1, model.predict_proba(x)[:, 1])
    columns = len(context.names)
    out = np.zeros(columns)
    tried = np.unique(np.linspace(0, columns - 1, min(columns, IMPORTANCE_COLUMNS)).astype(int))
    for j in tried:
        moved = x.copy()
        at = [f for f, s in enumerate(sources) if s == j]
        moved[:, at] = x[rng.permutation(len(x))][:, at]
        out[j] = base - auc(y == 1, model.predict_proba(moved)[:, 1])
    return out


def alone(real: Matrix, other: Matrix, bins: int) -> Floats:
    """(D,) AUC of telling real from other by one column alone: ratio of cell shares, learnt on half of the rows."""
    cells = Cells.fit(real, bins)
    a, b = cells.codes(real), cells.codes(other)
    out = np.full(len(real.columns), 0.5)
    truth = np.repeat([False, True], [len(a[1::2]), len(b[1::2])])
    for j, size in enumerate(cells.sizes):
        p = np.bincount(a[::2, j], minlength=size) + 0.5
        q = np.bincount(b[::2, j], minlength=size) + 0.5
        ratio = np.log(q / q.sum()) - np.log(p / p.sum())
        got = auc(truth, np.concatenate([ratio[a[1::2, j]], ratio[b[1::2, j]]]))
        out[j] = max(0.5, got) if np.isfinite(got) else 0.5
    return out


def detection(context: Context) -> Part:
    """c2st and AUC of gradient boosting and of the perceptron, and the columns that betray the sample."""
    options, rng = context.options, context.rng("detection")
    rows = min(len(context.real), len(context.synthetic), options.detection_rows)
    if rows < FEW_ROWS:
        note = f"Needs {FEW_ROWS} rows of each table; there are {rows}."
        names = ["c2st", "detection_auc"]
        return Part(
            [Metric(n, None, "detection", direction=_way(n), goal=_goal(n), unit="auc", note=note) for n in names]
        )
    shuffled = sample(context.real, len(context.real), rng)
    real = shuffled.take(np.arange(rows))
    half = min(rows, len(shuffled) // 2)
    tables: dict[str, tuple[Matrix, Matrix]] = {
        "synthetic": (real, sample(context.synthetic, rows, rng)),
        "floor": (real, independent(real, rows, rng)),
    }
    if half >= FEW_ROWS:
        tables["ceiling"] = (shuffled.take(np.arange(half)), shuffled.take(np.arange(half, 2 * half)))
    few = min(rows, len(context.holdout))
    if few >= FEW_ROWS:
        tables["holdout"] = (real.take(np.arange(few)), sample(context.holdout, few, rng))
    found = {}
    for i, (name, (a, b)) in enumerate(tables.items()):
        context.progress.update(0.3 + 0.05 * i, f"telling real from {name}")
        found[name] = detect(a, b, context, folds=options.folds, explain=name == "synthetic")
    sizes = ", ".join(f"{k} {v.rows:,}" for k, v in found.items())
    note = (
        f"Gradient boosting, {options.folds} folds; rows of each table: {sizes}. "
        "The ceiling is other real rows: a bootstrap repeats rows and would betray itself."
    )
    spread = 1.96 * auc_error(found["synthetic"].auc, rows, rows)
    metrics = [
        _metric("c2st", {k: v.c2st for k, v in found.items()}, 2 * spread, note),
        _metric("detection_auc", {k: v.auc for k, v in found.items()}, spread, note, "gradient boosting"),
    ]
    if options.mlp:
        context.progress.update(0.5, "telling real from synthetic with the perceptron")
        got = {k: detect(a, b, context, model="mlp", folds=1).auc for k, (a, b) in tables.items() if k != "floor"}
        metrics.append(_metric("detection_auc", got, spread, f"One split; rows: {sizes}.", "mlp"))
    importance = found["synthetic"].importance
    single = alone(*tables["synthetic"], options.bins)
    section = {
        "models": [{"model": m.subject or "gradient boosting", "metric": m.name, "value": m.value} for m in metrics],
        "columns": _betrayers(context, importance if importance is not None else np.zeros(len(single)), single),
        "rows": {k: v.rows for k, v in found.items()},
    }
    return Part(metrics, {"detection": section}, {"detection_rows": rows})


def _betrayers(context: Context, importance: Floats, single: Floats) -> list[dict[str, Any]]:
    """Columns that betray the sample, worst first: by loss of AUC when permuted, then by what they tell alone."""
    ranked = np.lexsort((-single, -importance))[:TOP]
    return [
        {"column": context.names[j], "importance": float(importance[j]), "auc_alone": float(single[j])} for j in ranked
    ]


def _metric(name: str, read: dict[str, float], spread: float, note: str, subject: str = "") -> Metric:
    value = read["synthetic"]
    return Metric(
        name,
        value,
        "detection",
        subject,
        read.get("ceiling"),
        read.get("holdout"),
        read.get("floor"),
        max(0.0, value - spread),
        min(1.0, value + spread),
        _way(name),
        _goal(name),
        "auc" if name == "detection_auc" else "score",
        note,
    )


def _way(name: str) -> str:
    return "higher" if name == "c2st" else "lower"


def _goal(name: str) -> float:
    return 1.0 if name == "c2st" else 0.5
