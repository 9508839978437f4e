"""What chance alone would read, and findings that exceed it.

A distance between two samples of one distribution is not 0: models/evaluation/nulls.py says what it is on average and
how much it varies. So every finding has a bar which fresh real rows exceed once in a thousand evaluations, whatever the
number of columns, groups or pairs looked at (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from models.evaluation.bars import distance_quantile
from models.evaluation.marginals import shares, total_variation
from models.evaluation.matrix import Floats
from models.evaluation.nulls import variation_moments
from models.evaluation.result import Metric, finite

ALPHA = 0.001
"""Chance of a false finding among all findings of one kind."""
SLACK = 0.01
"""So much beyond what chance reads on average passes in any case, however many rows there are."""
SHOWN = 20
"""Findings of one kind that are listed."""
SECTIONS = {
    "coverage": "coverage",
    "range": "coverage",
    "missing_patterns": "missingness",
    "missing_dependence": "missingness",
    "subgroup_size": "subgroups",
    "crossing_size": "subgroups",
    "subgroup_error": "subgroups",
    "invented": "associations",
    "vanished": "associations",
    "functions": "relations",
    "impossible": "relations",
    "rules": "rules",
    "dates": "dates",
    "text_missing": "texts",
    "identifier_repeats": "texts",
    "weighted_group": "weights",
    "weighted_mean": "weights",
}
"""The section of each kind of finding."""


def critical(tests: int) -> float:
    """Standard errors that chance exceeds with probability ALPHA in any of so many tests, to either side."""
    return NormalDist().inv_cdf(1 - ALPHA / (2 * max(tests, 1)))


def variation(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Counts (C,) of two samples -> total variation, and its mean and standard deviation where both are drawn from one
    population."""
    return float(total_variation(shares(a), shares(b))), *variation_moments(a, b)


def bar_of(mean: float, deviation: float, tests: int) -> float:
    """What a distance of this mean and standard deviation exceeds with probability ALPHA in any of so many tests."""
    return max(distance_quantile(mean, deviation, ALPHA / max(tests, 1)), mean + SLACK)


def share_error(p: Floats, n: float, m: float) -> Floats:
    """Standard error of the difference of a share in n and in m rows, p in both together; one row more of either kind,
    so that a share of 0 has one, too."""
    q = (p * (n + m) + 1) / (n + m + 2)
    return np.asarray(np.sqrt(q * (1 - q) * (1 / max(n, 1) + 1 / max(m, 1))))


@dataclass(frozen=True)
class Finding:
    """One column, pair or group. value: how far it is off; expected: what fresh real rows read on average; bar: what
    they hardly ever exceed; holdout: what the holdout reads; more: further figures of the table. error: standard error
    of the value (of a distance, its standard deviation by chance); span: its 95% interval, where no error gives it;
    most: the largest value that there can be."""

    subject: str
    columns: tuple[str, ...]
    value: float
    expected: float
    bar: float
    holdout: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    error: float | None = None
    span: tuple[float, float] | None = None
    most: float = 1.0

    @property
    def excess(self) -> float:
        return self.value - self.bar

    @property
    def low(self) -> float | None:
        if self.span is not None:
            return self.span[0]
        return None if self.error is None else max(0.0, self.value - 1.96 * self.error)

    @property
    def high(self) -> float | None:
        if self.span is not None:
            return self.span[1]
        return None if self.error is None else min(self.most, self.value + 1.96 * self.error)

    def to_json(self) -> dict[str, Any]:
        own = {k: getattr(self, k) for k in ("subject", "value", "low", "high", "expected", "bar", "holdout")}
        return {**own, "columns": list(self.columns), "status": "fail" if self.excess > 0 else "pass", **self.more}


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: -f.excess)


def rows_of(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The worst SHOWN findings as JSON."""
    return [f.to_json() for f in worst_first(findings)[:SHOWN]]


def metrics_of(name: str, findings: Sequence[Finding], note: str, none: str, unit: str = "share") -> list[Metric]:
    """The worst finding as the figure of the whole table (subject ""), and those beyond their bar by themselves.

    none: why there is no figure where nothing could be looked at.
    """
    if not findings:
        return [Metric(name, None, SECTIONS[name], goal=0.0, unit=unit, note=none, status="unavailable")]
    ranked = worst_first(findings)
    off = sum(f.excess > 0 for f in ranked)
    what = f"The worst of {len(ranked):,}: {ranked[0].subject}; {off:,} beyond the bar. {note}"
    whole = _metric(name, ranked[0], "", unit, what)
    return [whole, *(_metric(name, f, f.subject, unit, note) for f in ranked[:SHOWN] if f.excess > 0)]


def _metric(name: str, found: Finding, subject: str, unit: str, note: str) -> Metric:
    return Metric(
        name,
        finite(found.value),
        SECTIONS[name],
        subject,
        holdout=finite(found.holdout),
        low=finite(found.low),
        high=finite(found.high),
        goal=0.0,
        unit=unit,
        note=note,
        expected=finite(found.expected),
        bar=finite(found.bar),
        status="fail" if found.excess > 0 else "pass",
    )
