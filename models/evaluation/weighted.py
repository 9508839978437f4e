"""The figures of columns, pairs and triples again, every row with its survey weight: what published tables would say.

Beside models/evaluation/fidelity.py, which counts rows, on the same rows and combinations. Tables of survey weights are
what is published; how often a row is drawn is what a synthesizer is trained on. Both are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.evaluation.context import FEW_ROWS, Context, Part, joined
from models.evaluation.marginals import trend_errors, tuple_errors
from models.evaluation.matrix import Cells, Matrix
from models.evaluation.result import Metric
from models.evaluation.subjects import metrics_of, worst_of
from models.evaluation.weighing import Weighing, worth
from models.schema import Kind

NAMES = ("weighted_shape", "weighted_trend", "weighted_tvd2", "weighted_tvd3")
Combinations = Sequence[tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Looked:
    """tables: real, synthetic, ceiling, floor and perhaps holdout rows, in this order; cells: of tvd2 and tvd3."""

    context: Context
    tables: Mapping[str, Matrix]
    cells: Cells
    note: str


def weighted(looked: Looked, pairs: Combinations, triples: Combinations) -> Part:
    """weighted_shape, weighted_trend, weighted_tvd2, weighted_tvd3, where the schema has weights. Columns of weights
    are not looked at: their own distribution is a matter of rows. Floor: independent columns, the weights as well."""
    context, columns = looked.context, looked.context.real.columns
    weights = {j for j, c in enumerate(columns) if c.kind is Kind.WEIGHT}
    if not weights:
        return Part([])
    tables, order = list(looked.tables.values()), [k for k in looked.tables if k != "real"]
    name = context.names[min(weights)]
    weighing = Weighing.of(tables, context.rng("weighted"))
    if weighing is None or min(worth(w) for w in weighing.by_table[:2]) < FEW_ROWS:
        none = f"The rows of a table are worth fewer than {FEW_ROWS} of equal weight ({name})."
        return Part([Metric(n, None, "weights", goal=0.0, note=none, status="unavailable") for n in NAMES])
    note = f"every row counts with its {name}; {looked.note}"
    alone = [(j,) for j in range(len(columns)) if j not in weights]
    pairs, triples = ([c for c in chosen if not weights & set(c)] for chosen in (pairs, triples))
    coarse = Cells.fit(tables[0], context.options.trend_bins)
    tenths = [coarse.codes(t) for t in tables]
    shape = tuple_errors(tenths, coarse.sizes, alone, weighing)
    context.progress.check()
    trend = trend_errors(tables, coarse, pairs, weighing)
    context.progress.check()
    codes = [looked.cells.codes(t) for t in tables]
    tvd2 = tuple_errors(codes, looked.cells.sizes, pairs, weighing)
    context.progress.check()
    tvd3 = tuple_errors(codes, looked.cells.sizes, triples, weighing)
    singles = [context.names[j] for (j,) in alone]
    subjects = [joined(*(context.names[j] for j in p)) for p in pairs]
    metrics = metrics_of("weighted_shape", "weights", shape, order, singles, note, "column")
    metrics += metrics_of("weighted_trend", "weights", trend, order, subjects, note, "pair")
    metrics += metrics_of("weighted_tvd2", "weights", tvd2, order, [], note, "pair", len(pairs))
    metrics += metrics_of("weighted_tvd3", "weights", tvd3, order, [], note, "triple", len(triples))
    worst = worst_of(context, order, triples, tvd3)
    found = [tuple(context.names.index(n) for n in t["columns"]) for t in worst]
    counted = tuple_errors(codes[:2], looked.cells.sizes, found).by_table[0]
    for row, value in zip(worst, counted, strict=True):
        row["rows"] = float(value)
    rows = tuple_errors(tenths[:2], coarse.sizes, alone).by_table[0].tolist()
    section = {"weight": name, "rows": dict(zip(singles, rows, strict=True)), "triples": worst, "note": note}
    return Part(metrics, {"weighted": section})
