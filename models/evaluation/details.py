"""What averages over columns and pairs hide: missing values, groups, associations, dates, texts, relations, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.evaluation.associations import associations
from models.evaluation.context import Context, Part
from models.evaluation.coverage import coverage
from models.evaluation.dates import dates
from models.evaluation.missingness import missingness
from models.evaluation.relations import relations
from models.evaluation.result import Metric
from models.evaluation.sampled import Sampled, sampled
from models.evaluation.subgroups import subgroups
from models.evaluation.texts import texts
from models.evaluation.weights import weights

PARTS: tuple[Callable[[Sampled], Part], ...] = (
    coverage,
    missingness,
    subgroups,
    associations,
    relations,
    dates,
    texts,
    weights,
)


def details(context: Context) -> Part:
    """All of these parts, on the same rows."""
    tables = sampled(context)
    metrics: list[Metric] = []
    sections: dict[str, Any] = {}
    sizes = {"details_rows": len(tables.synthetic), "details_real_rows": len(tables.real)}
    for part in PARTS:
        context.progress.check()
        got = part(tables)
        metrics += got.metrics
        sections.update(got.sections)
        sizes.update(got.sizes)
    return Part(metrics, sections, sizes)
