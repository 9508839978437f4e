"""Can a classifier tell real rows from others, and by which columns?

c2st = 2 - 2 AUC (1: cannot be told apart), the classifier two-sample test of the TabSyn, TabDiff and TabPC tables
(Lopez-Paz and Oquab 2017, arXiv:1610.06545), with out-of-fold AUCs that count as .5 where they are below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from models.classifiers import MLP, Boosting, Estimator
from models.classifiers.base import Labels
from models.classifiers.scores import auc, auc_error
from models.evaluation.betrayal import TOP, alone, pairs
from models.evaluation.betrayal import rows as easiest
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.features import features
from models.evaluation.intervals import Z
from models.evaluation.matrix import Floats, Ints, Matrix, independent, sample
from models.evaluation.result import Metric

CHANCE = 0.005
"""Chance that fresh real rows are said to be told apart by any classifier."""
TELLABLE = 0.025
"""An AUC of so much more than .5 (a c2st of .05 less than 1) is let pass: one row in forty is betrayed."""
IMPORTANCE_ROWS = 2_000
IMPORTANCE_COLUMNS = 60
POINTS = 51
NAMES = {"boosting": "gradient boosting", "mlp": "mlp"}


@dataclass(frozen=True, eq=False)
class Found:
    """auc: mean over folds; importance: (D,) loss of AUC when the column is permuted (first fold), where asked for;
    scores: (N + M,) out-of-fold chance of being the other table, NaN in folds that were left out; rows: N = M."""

    auc: float
    rows: int
    importance: Floats | None = None
    scores: Floats | None = None

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
    found, importance, scores = [], None, np.full(len(x), np.nan)
    splits = StratifiedKFold(max(3, folds), shuffle=True, random_state=context.seed).split(x, y)
    for k, (train, test) in enumerate(splits):
        if k == folds:
            break
        context.progress.check()
        fitted = _model(model, a.categorical, context.seed).fit(x[train], y[train])
        scores[test] = fitted.predict_proba(x[test])[:, 1]
        found.append(max(0.5, auc(y[test] == 1, scores[test])))
        if explain and k == 0:
            importance = _importance(fitted, x[test], y[test], a.sources, context)
    return Found(float(np.mean(found)), len(real), importance, scores)


def _model(name: str, categorical: tuple[bool, ...], seed: int) -> Estimator:
    if name == "mlp":
        return MLP("binary", categorical, epochs=15, patience=3, batch=512, members=1, seed=seed)
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


def detection(context: Context) -> Part:
    """c2st and AUC of gradient boosting and of the perceptron, and the columns that betray the sample."""
    options, rng = context.options, context.rng("detection")
    rows = min(len(context.real), len(context.synthetic), options.detection_rows)
    if rows < FEW_ROWS:
        note = f"Needs {FEW_ROWS} rows of each table; there are {rows}. Draw a larger sample."
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
    found: dict[str, dict[str, Found]] = {m: {} for m in (("boosting", "mlp") if options.mlp else ("boosting",))}
    for i, (model, reads) in enumerate(found.items()):
        for k, (name, (a, b)) in enumerate(tables.items()):
            context.progress.update(0.3 + 0.15 * i + 0.03 * k, f"telling real from {name}")
            if name != "floor" or model == "boosting":
                reads[name] = detect(
                    a, b, context, model=model, folds=options.folds, explain=(model, name) == ("boosting", "synthetic")
                )
    boosted = found["boosting"]
    sizes = ", ".join(f"{k} {v.rows:,}" for k, v in boosted.items())
    note = (
        f"Gradient boosting, {options.folds} folds; rows of each table: {sizes}. "
        "The ceiling is other real rows: a bootstrap repeats rows and would betray itself."
    )
    metrics = [
        _metric("c2st", {k: v.c2st for k, v in boosted.items()}, rows, len(found), note),
        _metric("detection_auc", {k: v.auc for k, v in boosted.items()}, rows, len(found), note, "gradient boosting"),
    ]
    if options.mlp:
        words = f"The perceptron of the classification core, {options.folds} folds; rows of each table: {sizes}."
        read = {k: v.auc for k, v in found["mlp"].items()}
        metrics.append(_metric("detection_auc", read, rows, len(found), words, "mlp"))
    a, b = tables["synthetic"]
    importance = boosted["synthetic"].importance
    single = alone(a, b, options.bins)
    ranked = _ranked(importance if importance is not None else np.zeros(len(single)), single)
    worst = ranked[: int(np.sqrt(2 * options.pairs)) + 1].tolist()
    scores = boosted["synthetic"].scores
    section: dict[str, Any] = {
        "models": [{"model": m.subject or "gradient boosting", "metric": m.name, "value": m.value} for m in metrics],
        "columns": [
            {
                "column": context.names[j],
                "importance": 0.0 if importance is None else float(importance[j]),
                "auc_alone": float(single[j]),
            }
            for j in ranked[:TOP]
        ],
        "pairs": pairs(a, b, worst, options.pairs),
        "roc": [{"model": NAMES[m], **_roc(v["synthetic"])} for m, v in found.items()],
        "null": [{"model": NAMES[m], **_roc(v["holdout"])} for m, v in found.items() if "holdout" in v],
        "rows": {k: v.rows for k, v in boosted.items()},
    }
    if scores is not None and np.isfinite(scores).all():
        section["propensity"] = _histogram(scores[:rows], scores[rows:])
        if metrics[1].low is not None and metrics[1].low > 0.5:  # else what marks them is chance
            section["easiest"] = easiest(a, b, scores[rows:], context.known, [p["columns"] for p in section["pairs"]])
    return Part(metrics, {"detection": section}, {"detection_rows": rows})


def _ranked(importance: Floats, single: Floats) -> Ints:
    """Columns that betray the sample, worst first: by loss of AUC when permuted, then by what they tell alone."""
    return np.asarray(np.lexsort((-single, -importance)))


def _roc(found: Found) -> dict[str, list[float]]:
    """Share of synthetic rows found (tpr) where so many real rows are taken for synthetic (fpr), out of fold."""
    scores = found.scores if found.scores is not None else np.zeros(0)
    real, other = (s[np.isfinite(s)] for s in (scores[: found.rows], scores[found.rows :]))
    rates = np.linspace(0, 1, POINTS)
    bars = np.quantile(real, 1 - rates, method="inverted_cdf")
    tpr = [float((other > b).mean() + 0.5 * (other == b).mean()) for b in bars]
    return {"fpr": rates.tolist(), "tpr": [0.0, *tpr[1:-1], 1.0]}


def _histogram(real: Floats, other: Floats) -> dict[str, Any]:
    """Shares of rows by their chance of being taken for synthetic, in tenths."""
    edges = np.linspace(0, 1, 11)
    shares = {r: np.histogram(v, edges)[0] / len(v) for r, v in (("real", real), ("synthetic", other))}
    return {"edges": edges, **shares}


def _metric(name: str, read: dict[str, float], rows: int, tests: int, note: str, subject: str = "") -> Metric:
    """The figure with its interval and its bar: TELLABLE, and what chance makes of real rows (normal, for the AUC of as
    many rows as were looked at)."""
    value = read["synthetic"]
    times = 2.0 if name == "c2st" else 1.0
    told = 1 - value / 2 if name == "c2st" else value
    spread = Z * times * auc_error(told, rows, rows)
    most = 0.5 + TELLABLE + float(norm.isf(CHANCE / tests)) * auc_error(0.5, rows, rows)
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
        bar=max(0.0, 2 - 2 * most) if name == "c2st" else min(1.0, most),
        status="pass" if told <= most else "fail",
    )


def _way(name: str) -> str:
    return "higher" if name == "c2st" else "lower"


def _goal(name: str) -> float:
    return 1.0 if name == "c2st" else 0.5
