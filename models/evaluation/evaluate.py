"""The verb `evaluate`: all parts in order, with the time each took."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.errors import Detail, InvalidInput
from models.evaluation.analyses.part import MOST_ROWS, analyses
from models.evaluation.analyses.pooling import pooling
from models.evaluation.analyses.replicates import check_samples
from models.evaluation.analyses.requests import analyses_from_json, check_analyses
from models.evaluation.attacks.disclosure import disclosure
from models.evaluation.bars import judge
from models.evaluation.charts import columns
from models.evaluation.context import Context, Part
from models.evaluation.details import details
from models.evaluation.detection import detection
from models.evaluation.fidelity import fidelity
from models.evaluation.kareas import k_marginal_areas
from models.evaluation.kmarginal import k_marginal
from models.evaluation.matrix import distinct_keys, read_matrix
from models.evaluation.options import COLUMNS, EvaluationOptions
from models.evaluation.propensity import propensity
from models.evaluation.reports import sdmetrics_reports
from models.evaluation.result import Evaluation, Metric
from models.evaluation.threads import one_thread
from models.evaluation.utility.part import utility
from models.evaluation.validity import validity
from models.evaluation.verdict import scorecard, verdict
from models.progress import SILENT, Progress
from models.schema import Schema
from models.table import Table

PARTS: tuple[tuple[str, Callable[[Context], Part], float], ...] = (
    ("validity", validity, 0.01),
    ("columns", columns, 0.02),
    ("fidelity", fidelity, 0.05),
    ("k_marginal", k_marginal, 0.2),
    ("k_marginal_areas", k_marginal_areas, 0.22),
    ("details", details, 0.23),
    ("detection", detection, 0.25),
    ("utility", utility, 0.6),
    ("analyses", analyses, 0.8),
    ("pooled", pooling, 0.82),
    ("propensity", propensity, 0.83),
    ("disclosure", disclosure, 0.85),
    ("sdmetrics", sdmetrics_reports, 0.92),
)
"""Parts in the order they run, and the fraction of the whole that is done when they begin."""
MOST_CELLS, LEAST_ROWS = 10_000_000, 100_000
"""Cells of a table that figures are drawn from, and rows in any case. Copies are looked for among all training rows."""
LIBRARIES = ("numpy", "scikit-learn", "torch", "sdmetrics", "pyarrow")


def evaluate(
    real: Table,
    holdout: Table,
    synthetic: Table,
    *,
    target: str | None = None,
    seed: int = 0,
    options: EvaluationOptions | None = None,
    progress: Progress = SILENT,
    disclosed: tuple[Table, Table] | None = None,
    private: bool = False,
    replicates: Sequence[Table] = (),
    combining: str = "simple",
) -> Evaluation:
    """Metrics of a sample against the real table, each with its yardsticks, and the data of charts and tables.

    real: the rows that the synthesizer was trained on; holdout: real rows it never saw (may be empty: what needs a
    control group is then unavailable); synthetic: the sample. Columns are read under the real table's schema. target:
    column for the utility. disclosed: training rows and holdout that disclosure is measured against, where `real` and
    `holdout` are only parts of them. private: what to try is said for a differentially private synthesizer. replicates:
    further samples of the same synthesizer, of the first one's schema and size (of long ones as many rows as analyses
    read); analyses of all are combined by the rule `combining` (models.evaluation.analyses.combining). Equal arguments
    give equal figures. Raises InvalidInput for an unknown target, absent columns, an empty table or samples that cannot
    be combined, InvalidSchema where a cell does not fit, Cancelled when asked to stop.
    """
    options = options or EvaluationOptions()
    began = time.perf_counter()
    modelled = real.schema.modelled
    if not modelled:
        raise InvalidInput(
            "No column is modelled: there is nothing to evaluate.", hint="Not all columns can be text or keys."
        )
    for role, table in (("real", real), ("synthetic", synthetic)):
        if len(table) == 0:
            raise InvalidInput(f"The {role} table has no rows.", hint="Evaluate tables of at least one row.")
    _check_target(target, real.schema)
    _check_columns(options, real.schema)
    check_analyses(analyses_from_json(options.analyses), modelled)
    if replicates:
        check_samples([min(len(t), MOST_ROWS) for t in (synthetic, *replicates)], combining)
    progress.update(0.0, "reading")
    context = Context(
        read_matrix(_some(real, seed), modelled, "real"),
        read_matrix(_some(holdout, seed), modelled, "holdout"),
        read_matrix(_some(synthetic, seed), modelled, "synthetic"),
        target,
        seed,
        options,
        progress,
        distinct_keys(real if disclosed is None else disclosed[0], modelled, "real"),
        len(real if disclosed is None else disclosed[0]),
        (real, holdout, synthetic),
        tuple(thinned(t, seed) for t in replicates),
        combining,
    )
    whole = context
    if disclosed is not None:
        train, held = (read_matrix(_some(t, seed), modelled, "real") for t in disclosed)
        whole = replace(context, real=train, holdout=held)
    seconds = {"read": time.perf_counter() - began}
    metrics: list[Metric] = []
    sections: dict[str, object] = {}
    sizes: dict[str, int] = {}
    for name, part, fraction in PARTS:
        progress.check()
        progress.update(fraction, name)
        at = time.perf_counter()
        with one_thread():
            got = part(whole if name == "disclosure" else context)
        seconds[name] = time.perf_counter() - at
        metrics += got.metrics
        sections.update(got.sections)
        sizes.update(got.sizes)
    rows = {"real": len(real), "holdout": len(holdout), "synthetic": len(synthetic)}
    metrics = judge(_unique(metrics), {"sample_sizes": sizes, "rows": rows})
    sections = {
        "verdict": verdict(metrics, [c.name for c in modelled], private=private),
        "scorecard": scorecard(metrics),
        **sections,
    }
    progress.update(1.0, "evaluated")
    meta = {
        "rows": rows,
        "columns": {"modelled": len(modelled), "replaced": [c.name for c in real.schema.columns if not c.modelled]},
        "target": target,
        "seed": seed,
        "options": options.to_json(),
        "sample_sizes": sizes,
        "versions": {"python": platform.python_version(), **{n: importlib.metadata.version(n) for n in LIBRARIES}},
        "seconds": {**seconds, "total": time.perf_counter() - began},
    }
    return Evaluation.from_json(Evaluation(tuple(metrics), sections, meta).to_json())


def _some(table: Table, seed: int) -> Table:
    """The table, or of a very long one a random choice of its rows."""
    most = max(LEAST_ROWS, MOST_CELLS // max(1, len(table.schema.columns)))
    if len(table) <= most:
        return table
    return table.part(np.sort(np.random.default_rng(seed).choice(len(table), most, replace=False)))


def thinned(table: Table, seed: int) -> Table:
    """As many rows of a further sample as analyses read."""
    if len(table) <= MOST_ROWS:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(len(table), MOST_ROWS, replace=False)))


def _check_target(target: str | None, schema: Schema) -> None:
    if target is None:
        return
    names = [c.name for c in schema.modelled]
    if target not in names:
        what = "is a text or identifier column" if target in schema else "is no column of the table"
        raise InvalidInput(
            f"The target {target!r} {what}.",
            hint=f"One of {', '.join(names[:30])}.",
            errors=[Detail(("target",), what)],
        )


def _check_columns(options: EvaluationOptions, schema: Schema) -> None:
    names = [c.name for c in schema.modelled]
    for option in COLUMNS:
        for i, name in enumerate(getattr(options, option)):
            if name not in names:
                what = "is a text or identifier column" if name in schema else "is no column of the table"
                raise InvalidInput(
                    f"Evaluation option {option}: {name!r} {what}.",
                    hint=f"Any of {', '.join(names[:30])}.",
                    errors=[Detail(("evaluation", option, i), what)],
                )


def _unique(metrics: list[Metric]) -> list[Metric]:
    """Metrics with unique (name, subject): column names may imitate the subject of a pair."""
    seen: set[tuple[str, str]] = set()
    out = []
    for metric in metrics:
        subject, again = metric.subject, 2
        while (metric.name, subject) in seen:
            subject, again = f"{metric.subject} ({again})", again + 1
        seen.add((metric.name, subject))
        out.append(replace(metric, subject=subject))
    return out
