"""The bar of every figure, and whether it is reached: what chance alone makes of fresh real rows.

Three ways, the first that applies: a part of the evaluation has set bar or status itself; the figure's distribution
over fresh real rows is known (`expected`, `spread`); else its yardsticks and its interval. See docs/evaluation/bars.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import log, sqrt
from typing import Any

from models.evaluation.result import Metric

CHANCE = 0.01
"""Chance that any of all figures misses its bar where the sample is as good as fresh real rows."""
SLACK = {"columns": 0.01, "pairs": 0.01, "weights": 0.01}
"""By section: a distance of so much more than chance makes on average passes, however many rows there are."""
MARGIN = 1.1
"""A figure may exceed what real rows are expected to read by a tenth: the expectation is drawn from few rows itself."""
TOLERANCE = {"auc": 0.005, "score": 0.005, "ratio": 0.05}
"""By unit: a figure so near to its yardstick reaches it."""
INFORMATION = frozenset(
    {
        "analysis_difference",
        "analysis_agreement",
        "analysis_cover",
        "pooled_spread",
        "utility_ranking",
        "utility_importance",
        "utility_top",
    }
)
"""Figures without a bar, although they have yardsticks."""
SAFE = {"dcr_share": "lower", "dcr_ratio": "higher"}
"""Figures with a goal that may be missed to one side: farther from the training rows than the holdout is no danger."""


def _deviations(chance: float) -> float:
    """The normal quantile at this chance. scipy is loaded where a bar is computed: the service only reads them."""
    from scipy.special import ndtri

    return float(ndtri(chance))


def judge(metrics: Iterable[Metric], meta: Mapping[str, Any]) -> list[Metric]:
    """Every metric with its bar and status. meta: `sample_sizes` and `rows` of the evaluation.

    What a part has set itself is kept. The chance of an error is shared out among all judged figures (Bonferroni).
    """
    given = list(metrics)
    count = sum(m.value is not None and not m.status and m.name not in INFORMATION for m in given)
    chance = CHANCE / max(count, 1)
    scaled = scales(meta)
    return [_judged(m, scaled, chance) for m in given]


def _judged(m: Metric, scaled: Mapping[str, float], chance: float) -> Metric:
    if m.status:
        return m
    if m.value is None:
        return replace(m, status="unavailable")
    if m.name in INFORMATION:
        return m
    known = m.expected is not None and m.spread is not None
    at = m.bar if m.bar is not None else sampling_bar(m, chance) if known else yardstick_bar(m, scaled)
    if at is None:
        return m
    wide = 1.0 if known or m.bar is not None else -_deviations(chance / 2) / 1.96
    return replace(m, bar=at, status="pass" if _reached(m, at, wide) else "fail")


def _reached(m: Metric, at: float, wide: float) -> bool:
    """Whether the figure, or where the bar is a yardstick its interval stretched by `wide`, reaches the bar."""
    value = float(m.value or 0.0)
    low, high = (value if x is None else value + wide * (x - value) for x in (m.low, m.high))
    if m.expected is not None or m.bar is not None:
        low = high = value
    slack = TOLERANCE.get(m.unit, 0.0) if m.expected is None and m.bar is None else 0.0
    way = SAFE.get(m.name, m.direction)
    if way == "target":
        return low - slack <= at <= high + slack
    return high + slack >= at if way == "higher" else low - slack <= at


def sampling_bar(m: Metric, chance: float) -> float:
    """The figure's quantile at `chance` over fresh real rows."""
    expected, spread = float(m.expected or 0.0), float(m.spread or 0.0)
    if m.direction == "lower" and (m.goal or 0.0) == 0.0:
        return max(distance_quantile(expected, spread, chance), expected + SLACK.get(m.section, 0.0))
    away = max(-_deviations(chance) * spread, TOLERANCE.get(m.unit, 0.0))
    return expected - away if SAFE.get(m.name, m.direction) == "higher" else expected + away


def distance_quantile(mean: float, deviation: float, chance: float) -> float:
    """Upper quantile of a distance, which is never negative, from its mean and standard deviation.

    Its square is taken for a gamma variable (Satterthwaite 1946), which is exact for one cell and for many.
    """
    if deviation <= 0 or mean <= 0:
        return mean - _deviations(chance) * deviation
    from scipy.special import gammainccinv, gammaln

    second = mean * mean + deviation * deviation
    low, high = 1e-3, 1e6
    for _ in range(80):
        shape = sqrt(low * high)
        ratio = 2 * float(gammaln(shape + 0.5) - gammaln(shape))
        low, high = (shape, high) if ratio < log(shape * mean * mean / second) else (low, shape)
    return sqrt(float(gammainccinv(shape, chance)) * second / shape)


def scale(rows: float, real: float, holdout: float) -> float:
    """What a distance of `rows` fresh real rows reads, over that of `holdout` real rows, both against `real` rows.

    Sampling alone makes a distance, with variance 1/n + 1/N (difference of two means): fewer rows read higher.
    """
    if min(rows, real, holdout) <= 0:
        return 1.0
    return min(1.0, sqrt((1 / rows + 1 / real) / (1 / holdout + 1 / real)))


def scales(meta: Mapping[str, Any]) -> dict[str, float]:
    """Section -> scale of its holdout figure, from an evaluation's `meta`; others are compared as they are."""
    sizes: Mapping[str, Any] = meta.get("sample_sizes") or {}
    if "fidelity_holdout_rows" not in sizes:
        return {}
    rows = (sizes["fidelity_rows"], sizes["fidelity_real_rows"], sizes["fidelity_holdout_rows"])
    return dict.fromkeys(("columns", "pairs"), scale(*rows))


def yardstick_bar(m: Metric, scaled: Mapping[str, float]) -> float | None:
    """The value from which on a figure reads as real data does; None without a yardstick."""
    if m.name == "copies":
        return m.holdout
    if m.direction == "target":
        return m.goal
    known = [] if m.ceiling is None else [m.ceiling]
    if m.section in ("columns", "pairs"):
        known += [] if m.holdout is None else [m.holdout * scaled.get(m.section, 1.0)]
        return MARGIN * max(known) if known else None
    return known[0] if known else m.holdout


def counted(metrics: Sequence[Metric]) -> dict[str, int]:
    """Status -> how many figures stand there; figures without a bar are left out."""
    out = {"pass": 0, "fail": 0, "unavailable": 0}
    for m in metrics:
        if m.status:
            out[m.status] += 1
    return out
