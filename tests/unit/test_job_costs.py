"""The estimate of a comparison beside what was measured: CPU seconds of one thread, an idle core's wall time."""

from __future__ import annotations

from typing import Any

import pytest

from models.comparison.options import CompareOptions
from models.comparison.search_options import SearchOptions
from models.schema import Column, Kind, Schema
from service.jobs import costs
from service.jobs.costs import Size, seconds

MEASURED: dict[str, tuple[Size, dict[str, float]]] = {
    "heart_failure": (
        Size(459, 459, 21, 1),
        {"knn": 0.009, "mlp": 1.053, "linear": 0.008, "svm": 0.024, "forest": 0.141, "boosting": 0.105, "tree": 0.005},
    ),
    "insurance": (
        Size(669, 669, 11, 1),
        {"mlp": 0.759, "forest": 0.13, "boosting": 0.12, "svm": 0.022, "tree": 0.003, "linear": 0.004, "knn": 0.007},
    ),
    "digits": (
        Size(898, 898, 173, 10),
        {"svm": 0.195, "mlp": 2.247, "knn": 0.026, "forest": 0.215, "linear": 0.026, "boosting": 1.491, "tree": 0.015},
    ),
    "adult, 8,000 rows": (
        Size(4000, 4000, 105, 1),
        {"boosting": 0.274, "mlp": 1.551, "linear": 0.036, "svm": 1.544, "forest": 0.408, "knn": 0.213, "tree": 0.018},
    ),
    "adult, 24,000 rows": (
        Size(12000, 12000, 105, 1),
        {"boosting": 0.481, "mlp": 1.418, "svm": 2.036, "linear": 0.105, "forest": 1.006, "tree": 0.046, "knn": 1.629},
    ),
    "national2019, OWN_RENT": (
        Size(8000, 2000, 107, 3),
        {"boosting": 1.16, "mlp": 5.2, "forest": 0.86, "svm": 3.18, "linear": 0.26, "knn": 0.22, "tree": 0.06},
    ),
    "covertype, 30,000 rows": (
        Size(15000, 15000, 98, 7),
        {"forest": 2.632, "knn": 2.562, "mlp": 2.834, "tree": 0.224, "svm": 13.383, "boosting": 8.22, "linear": 1.82},
    ),
    "har_wisdm": (
        Size(4334, 1084, 80, 6, length=10),
        {"forest": 0.98, "conv1d": 11.2, "mlp": 2.3, "boosting": 3.04, "linear": 0.16, "svm": 1.3, "knn": 0.06},
    ),
}
"""CPU seconds of one fold, rows that it learns from and is scored on, features, outputs (docs/classification.md)."""
WHOLE = Schema(
    (
        Column("y", Kind.BOOLEAN, categories=("no", "yes")),
        Column("area", Kind.CATEGORICAL, categories=tuple("abcdefghij"), missing_codes=("?",)),
        *(Column(f"x{i}", Kind.DECIMAL) for i in range(10)),
        Column("note", Kind.TEXT),
    )
)


@pytest.mark.parametrize("table", MEASURED)
def test_methods_on_a_fold_cost_what_was_measured_within_a_factor_of_two(table: str) -> None:
    size, measured = MEASURED[table]
    total = sum(seconds(m, size) for m in measured)
    assert 0.5 < total / sum(measured.values()) < 2


def spent(rows: int = 2_000, **options: Any) -> float:
    asked = CompareOptions.from_json({"targets": ["y"], **options})
    return costs.comparison(asked.to_json(), WHOLE, rows)


def test_a_whole_comparison_costs_what_was_measured_within_a_factor_of_two() -> None:
    """heart_failure as its schema has it: 16.5 s with the learning curve of the best method."""
    labels = {"Sex": 2, "ChestPainType": 4, "FastingBS": 2, "RestingECG": 3, "ExerciseAngina": 2, "ST_Slope": 3}
    heart = Schema(
        (
            Column("HeartDisease", Kind.BOOLEAN, categories=("0", "1")),
            *(Column(n, Kind.CATEGORICAL, categories=tuple("abcd"[:k])) for n, k in labels.items()),
            *(Column(n, Kind.INTEGER) for n in ("Age", "RestingBP", "Cholesterol", "MaxHR", "Oldpeak")),
        )
    )
    asked = CompareOptions.from_json({"targets": ["HeartDisease"]})
    assert 0.5 < costs.comparison(asked.to_json(), heart, 918) / 16.5 < 2


def test_more_of_anything_costs_more_and_rows_only_as_many_as_are_used() -> None:
    usual = spent()
    assert spent(rows=8_000) > usual
    assert spent(folds=10) > 1.9 * usual
    assert spent(targets=["y", "x1"]) > 1.5 * usual
    assert spent(learning_curve=False) < usual
    assert spent(methods=["tree", "linear"]) < usual / 10
    assert spent(vary={"tree": {"depth": [2, 4, 8]}}) > usual
    assert spent(rows=9_000_000) == spent(rows=100_000)
    assert spent(targets=["area"]) > usual  # eleven classes


def test_a_trial_of_a_search_is_one_fit_or_one_for_each_fold() -> None:
    def each(**more: Any) -> float:
        asked = {"targets": ["y"], "method": "boosting", "space": {"depth": [2, 4]}, **more}
        return costs.trial(SearchOptions.from_json(asked).to_json(), WHOLE, 4_000)

    assert each(folds=4) == pytest.approx(4 * seconds("boosting", Size(3_000, 1_000, 21, 1)))
    assert each(validation=0.25) == pytest.approx(seconds("boosting", Size(3_000, 1_000, 21, 1)))
