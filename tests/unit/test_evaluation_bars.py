"""Bars: what chance makes of fresh real rows passes, and nothing beyond it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from models.errors import InvalidInput
from models.evaluation.bars import counted, distance_quantile, judge, scale, scales, yardstick_bar
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation, Metric

SIZES = {"fidelity_rows": 900, "fidelity_real_rows": 900, "fidelity_holdout_rows": 100}


def judged(**figure: Any) -> Metric:
    return judge([Metric(**{"name": "m", "section": "pairs", "value": 0.0, **figure})], {})[0]


@pytest.mark.parametrize(
    ("value", "status"), [(0.015, "pass"), (0.0219, "pass"), (0.05, "fail"), (None, "unavailable")]
)
def test_a_figure_is_judged_by_its_yardsticks(value: float | None, status: str) -> None:
    assert judged(value=value, ceiling=0.01, holdout=0.02, floor=0.2).status == status


def test_a_score_passes_where_its_interval_reaches_the_yardstick() -> None:
    figure = {"section": "utility", "direction": "higher", "ceiling": 0.94, "unit": "auc"}
    assert judged(value=0.95, **figure).status == "pass"
    assert judged(value=0.92, low=0.9, high=0.95, **figure).status == "pass"
    assert judged(value=0.6, low=0.58, high=0.62, **figure).status == "fail"
    assert judged(value=0.6, section="utility", direction="higher").status == ""


@pytest.mark.parametrize(
    ("name", "value", "low", "status"),
    [
        ("copies", 0.002, 0.001, "pass"),
        ("copies", 1.0, 0.99, "fail"),
        ("dcr_share", 0.4, 0.39, "pass"),
        ("dcr_share", 0.51, 0.49, "pass"),
        ("dcr_share", 0.9, 0.88, "fail"),
        ("dcr_ratio", 1.4, None, "pass"),
        ("dcr_ratio", 0.1, None, "fail"),
    ],
)
def test_only_nearness_to_the_training_rows_fails(name: str, value: float, low: float | None, status: str) -> None:
    goal = {"copies": 0.0015, "dcr_share": 0.5, "dcr_ratio": 1.0}[name]
    way, unit = ("lower" if name == "copies" else "target"), ("ratio" if name == "dcr_ratio" else "share")
    figure = {"ceiling": 1.0, "holdout": 0.0015, "goal": goal, "direction": way, "unit": unit, "low": low}
    assert judged(name=name, section="disclosure", value=value, high=value, **figure).status == status


def test_what_a_part_has_set_is_kept() -> None:
    assert judged(value=0.5, bar=0.6, status="fail", ceiling=0.1).status == "fail"
    assert judged(value=0.5, bar=0.6, ceiling=0.1) == judged(value=0.5, bar=0.6, status="pass", ceiling=0.1)


def test_distances_of_fresh_rows_stay_below_the_bar() -> None:
    """Half normal (one cell), Kolmogorov-Smirnov and total variation of many cells, at one chance in a thousand."""
    rng = np.random.default_rng(0)
    drawn = {
        "one cell": np.abs(rng.normal(size=100_000)),
        "many cells": 0.5 * np.abs(rng.multinomial(500, np.full(20, 0.05), 100_000) / 500 - 0.05).sum(axis=1),
        "maximum": np.abs(np.cumsum(rng.multinomial(500, np.full(20, 0.05), 100_000) / 500 - 0.05, axis=1)).max(axis=1),
    }
    for name, x in drawn.items():
        at = distance_quantile(float(x.mean()), float(x.std()), 1e-3)
        assert 0.0002 < np.mean(x > at) < 0.003, name
    assert distance_quantile(0.2, 0.0, 1e-3) == 0.2


def test_the_chance_of_an_error_is_shared_out() -> None:
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        x = np.abs(rng.normal(size=200)) * 0.01
        metrics = [Metric("m", float(v), "pairs", str(i), expected=0.00798, spread=0.00603) for i, v in enumerate(x)]
        wrong += any(m.status == "fail" for m in judge(metrics, {}))
    assert wrong <= 10
    assert judged(value=0.06, expected=0.00798, spread=0.00603).status == "fail"
    assert judged(value=0.9, direction="higher", expected=0.95, spread=0.01).status == "fail"
    assert judged(value=0.94, direction="higher", expected=0.95, spread=0.01).status == "pass"


def test_the_holdout_is_brought_to_the_samples_size() -> None:
    # A mean of n draws against one of N: deviations add up in squares.
    assert scale(1_000, 1_000, 1_000) == 1.0
    assert scale(900, 900, 100) == pytest.approx((2 / 900 / (1 / 100 + 1 / 900)) ** 0.5)
    assert scale(100, 900, 0) == 1.0
    meta = {"sample_sizes": SIZES, "rows": {"holdout": 100}}
    figure = Metric("trend", 0.3, "pairs", ceiling=0.1, holdout=0.4, floor=0.28)
    # 0.4 of 100 holdout rows is worth 0.18 at 900: independent columns do not read as real.
    assert yardstick_bar(figure, scales(meta)) == pytest.approx(1.1 * 0.4 * scale(900, 900, 100))
    found = judge([figure], meta)
    assert counted(found) == {"pass": 0, "fail": 1, "unavailable": 0}


def test_version_one_is_read_without_bars() -> None:
    old = {"name": "shape", "value": 0.1, "section": "columns", "subject": "", "note": ""}
    read = Evaluation.from_json({"version": 1, "metrics": [old], "sections": {}, "meta": {}})
    assert (read.metrics[0].bar, read.metrics[0].status) == (None, "")
    assert read.to_json()["version"] == 2


@pytest.mark.parametrize(
    ("raw", "loc"),
    [
        ({"sensitive": "age"}, ("evaluation", "sensitive")),
        ({"known": ["age", 3]}, ("evaluation", "known", 1)),
        ({"subgroups": ["age", "sex", "age"]}, ("evaluation", "subgroups", 2)),
        ({"analyses": {}}, ("evaluation", "analyses")),
        ({"analyses": ["y ~ x"]}, ("evaluation", "analyses", 0)),
    ],
)
def test_lists_of_options_are_checked(raw: dict[str, Any], loc: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        EvaluationOptions.from_json(raw)
    assert caught.value.errors[0].loc == loc


def test_options_survive_json() -> None:
    raw = {
        "sensitive": ["a"],
        "known": ["b", "c"],
        "analyses": [{"kind": "table", "columns": ["a"], "statistic": "count"}],
    }
    options = EvaluationOptions.from_json(raw)
    assert EvaluationOptions.from_json(options.to_json()) == options
    assert options.sensitive == ("a",)
    assert options.to_json()["analyses"] == raw["analyses"]


def test_what_the_service_reads_of_an_evaluation_needs_no_torch() -> None:
    code = (
        "import sys, models.evaluation.options, models.evaluation.result, models.evaluation.bars;"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
