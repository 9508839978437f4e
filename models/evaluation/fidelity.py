"""Fidelity: columns, missing values, pairs and triples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.chance import share_error
from models.evaluation.context import FEW_ROWS, Context, Part, joined
from models.evaluation.marginals import Errors, column_errors, trend_errors, tuple_errors
from models.evaluation.matrix import Cells, Matrix, bootstrap, independent, sample
from models.evaluation.nulls import share_moments
from models.evaluation.result import Metric, finite
from models.evaluation.subjects import WORST, metrics_of, worst_of
from models.evaluation.twoway import two_way
from models.evaluation.weighted import Looked, weighted


def fidelity(context: Context) -> Part:
    """Shape, missing shares, trends, and 2- and 3-way total variation, each with its yardsticks."""
    options, rng = context.options, context.rng("fidelity")
    real = sample(context.real, options.rows, rng)
    rows = min(len(context.synthetic), len(real))
    tables = {
        "synthetic": sample(context.synthetic, rows, rng),
        "ceiling": bootstrap(real, rows, rng),
        "floor": independent(real, rows, rng),
    }
    if len(context.holdout) >= FEW_ROWS:
        tables["holdout"] = sample(context.holdout, rows, rng)
        tables["matched"] = tables["synthetic"].take(np.arange(min(len(tables["holdout"]), rows)))
    compared = [real, *tables.values()]
    order = list(tables)
    note = _note(context, rows, tables)
    d = len(real.columns)
    pairs = _some(list(itertools.combinations(range(d), 2)), options.pairs, rng)
    triples = _triples(d, options.triples, rng)
    cells = Cells.fit(real, options.bins)
    codes = [cells.codes(t) for t in compared]
    trend_cells = Cells.fit(real, options.trend_bins)
    metrics: list[Metric] = []
    shape = column_errors(compared)
    metrics += metrics_of("shape", "columns", shape, order, context.names, note, "column")
    metrics += _missing(compared, order, note)
    context.progress.check()
    trend = trend_errors(compared, trend_cells, pairs)
    subjects = [joined(*(context.names[j] for j in p)) for p in pairs]
    metrics += metrics_of("trend", "pairs", trend, order, subjects, note, "pair")
    context.progress.check()
    tvd2 = tuple_errors(codes, cells.sizes, pairs)
    metrics += metrics_of("tvd2", "pairs", tvd2, order, [], note, "pair", len(pairs))
    context.progress.check()
    tvd3 = tuple_errors(codes, cells.sizes, triples)
    metrics += metrics_of("tvd3", "pairs", tvd3, order, [], note, "triple", len(triples))
    sections: dict[str, Any] = {
        "pairs": _pairs_section(context, order, pairs, trend, tvd2),
        "triples": worst_of(context, order, triples, tvd3),
    }
    furthest = np.argsort(-trend.by_table[0], kind="stable")[:WORST]
    sections["pairs"]["tables"] = two_way(real, tables["synthetic"], [pairs[k] for k in furthest])
    sizes = {"fidelity_rows": rows, "fidelity_real_rows": len(real), "pairs": len(pairs), "triples": len(triples)}
    if "holdout" in tables:
        sizes["fidelity_holdout_rows"] = len(tables["holdout"])
    context.progress.check()
    alike = {"real": real, **{k: t for k, t in tables.items() if k != "matched"}}
    more = weighted(Looked(context, alike, cells, note), pairs, triples)
    return Part([*metrics, *more.metrics], {**sections, **more.sections}, sizes)


def _note(context: Context, rows: int, tables: dict[str, Matrix]) -> str:
    text = f"{rows:,} rows of each table"
    if "holdout" not in tables:
        return f"{text}; no holdout yardstick (fewer than {FEW_ROWS} holdout rows)."
    few = len(tables["holdout"])
    return f"{text}; the holdout yardstick has {few:,} rows." if few != rows else f"{text}."


def _some(everything: Sequence[tuple[int, ...]], most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """All, or a random choice of `most`, in order."""
    if len(everything) <= most:
        return list(everything)
    return [everything[i] for i in np.sort(rng.choice(len(everything), most, replace=False))]


def _triples(columns: int, most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    if columns < 3:
        return []
    if columns <= 40:
        return _some(list(itertools.combinations(range(columns), 3)), most, rng)
    found: set[tuple[int, ...]] = set()
    while len(found) < most:
        found.add(tuple(sorted(rng.choice(columns, 3, replace=False).tolist())))
    return sorted(found)


def _missing(compared: list[Matrix], order: list[str], note: str) -> list[Metric]:
    """Difference of each column's missing share, and the largest of them."""
    real = (compared[0].missing >= 0).mean(axis=0)
    rows = len(compared[0]), len(compared[1])
    both = (real * rows[0] + (compared[1].missing >= 0).mean(axis=0) * rows[1]) / sum(rows)
    usual = [share_moments(float(p), *rows) for p in both]
    error = 1.96 * share_error(both, *rows)
    gaps = {t: np.abs((m.missing >= 0).mean(axis=0) - real) for t, m in zip(order, compared[1:], strict=True)}
    chosen = [j for j, c in enumerate(compared[0].columns) if c.missing_codes]
    if not chosen:
        return [Metric("missing", None, "columns", goal=0.0, note="No column has missing values.")]

    def one(subject: str, which: list[int], note: str) -> Metric:
        read = {t: finite(float(g[which].max())) for t, g in gaps.items()}
        value, ceiling, holdout, floor = (read.get(t) for t in ("synthetic", "ceiling", "holdout", "floor"))
        mean, spread = max(usual[j] for j in which)
        worst = max(which, key=lambda j: gaps["synthetic"][j])
        low, high = max(0.0, (value or 0.0) - error[worst]), min(1.0, (value or 0.0) + error[worst])
        return Metric(
            "missing", value, "columns", subject, ceiling, holdout, floor, low, high,
            goal=0.0, note=note, expected=mean, spread=spread,
        )  # fmt: skip

    names = [c.name for c in compared[0].columns]
    whole = one("", chosen, f"Largest difference of a column's missing share over {len(chosen)} column(s); {note}")
    return [whole, *(one(names[j], [j], note) for j in chosen)]


def _pairs_section(
    context: Context, order: list[str], pairs: list[tuple[int, ...]], trend: Errors, tvd2: Errors
) -> dict[str, Any]:
    """Data of the heat maps: lists over the pairs that were computed, indices into `columns`."""
    return {
        "columns": context.names,
        "first": [p[0] for p in pairs],
        "second": [p[1] for p in pairs],
        "trend": {t: trend.by_table[i] for i, t in enumerate(order) if t != "matched"},
        "tvd2": {t: tvd2.by_table[i] for i, t in enumerate(order) if t != "matched"},
        "worst": worst_of(context, order, pairs, trend),
        "complete": len(pairs) == len(context.names) * (len(context.names) - 1) // 2,
    }
