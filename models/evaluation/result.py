"""What an evaluation is: metrics with their yardsticks, and data for charts and tables. JSON, no HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models.errors import InvalidInput

VERSION = 2
READ = (1, 2)
"""Versions that from_json reads: metrics of version 1 have no bar and no status."""
DIRECTIONS = ("higher", "lower", "target")
STATUSES = ("", "pass", "fail", "unavailable")


@dataclass(frozen=True)
class Metric:
    """One figure beside what it reads for known tables (DESIGN.md section 1, "yardstick").

    name and subject (a column, a pair, a model; "" for the whole table) are unique together in an evaluation.
    value: None where it cannot be computed; `note` then says why.
    ceiling: the same figure for a bootstrap of the real data (or what `note` says instead: other real rows, a model
    trained on real data); holdout: for real rows that nothing was trained on; floor: for independent columns.
    low, high: 95% interval of `value`. unit: share, auc, score, ratio, or the unit of the target.
    direction: "higher" or "lower" is better, or "target": the nearer to `goal` the better.
    expected, spread: mean and standard deviation of the same figure over samples of fresh real rows, as many as were
    looked at: what chance alone makes of it. The bar is set from them (models.evaluation.bars).
    bar: what the figure must reach; status: pass, fail, unavailable (the note says why), or "" for a figure without a
    bar, shown for information.
    """

    name: str
    value: float | None
    section: str
    subject: str = ""
    ceiling: float | None = None
    holdout: float | None = None
    floor: float | None = None
    low: float | None = None
    high: float | None = None
    direction: str = "lower"
    goal: float | None = None
    unit: str = "share"
    note: str = ""
    expected: float | None = None
    spread: float | None = None
    bar: float | None = None
    status: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Metrics, data of charts and tables by section, and how they came about (rows, seeds, versions, seconds)."""

    metrics: tuple[Metric, ...]
    sections: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def metric(self, name: str, subject: str = "") -> Metric:
        """The metric of this name and subject. Raises InvalidInput if there is none."""
        for m in self.metrics:
            if m.name == name and m.subject == subject:
                return m
        raise InvalidInput(f"There is no metric {name!r} of {subject!r}.", hint="See `metrics` for those that exist.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: no NaN, no infinity, figures with 6 significant digits."""
        return {
            "version": VERSION,
            "metrics": [clean(asdict(m)) for m in self.metrics],
            "sections": clean(self.sections),
            "meta": clean(self.meta),
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Evaluation:
        """Inverse of to_json, and of version 1. Raises InvalidInput on another version or shape."""
        if raw.get("version") not in READ:
            raise InvalidInput(
                f"Evaluation version {raw.get('version')!r} is not known.",
                hint=f"This release reads {' and '.join(map(str, READ))}.",
            )
        try:
            metrics = tuple(Metric(**m) for m in raw["metrics"])
            return Evaluation(metrics, dict(raw["sections"]), dict(raw["meta"]))
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"The evaluation is malformed: {error}.", hint="Evaluate the sample again.") from None


def clean(value: Any) -> Any:
    """Anything of numbers, texts, lists and mappings -> JSON without NaN or infinity, 6 significant digits."""
    if isinstance(value, Mapping):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(v) for v in value]
    if hasattr(value, "tolist"):
        return clean(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def finite(value: float | None) -> float | None:
    """The figure as a Python float, None if it is none or not finite."""
    return None if value is None or not math.isfinite(value) else float(value)
