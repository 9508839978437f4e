"""Figures of the public report: what they cost, that they cover the truth, and that they see no more than was paid."""

import json
from typing import Any

import numpy as np
import pytest

from models.accounting import gaussian
from models.dp.pairs import Workload, choose
from models.dp.public_evaluation import NO_SHARE, NO_TABLES, Rows, distance, public_evaluation, rows_of
from models.dp.public_evaluation import Noisy as NoisyTable
from models.dp.release import events, release_for
from models.dp.stream import Stream
from models.dp.yardsticks import PAIRS, layout_of, measure, merged
from models.errors import InvalidInput
from models.rng import stream

SIZES = (40, 6, 3, 2)
NAMES = ("age", "job", "area", "income")
EVENT = gaussian(12.0, label="tables of counts")


def people(rows: int, seed: int, pull: float = 0.6) -> np.ndarray:
    """Codes of rows whose columns hang together; pull: how strongly."""
    rng = np.random.default_rng(seed)
    age = rng.binomial(39, 0.4, rows)
    job = np.where(rng.random(rows) < pull, age // 7, rng.integers(0, 6, rows))
    area = rng.integers(0, 3, rows)
    income = (rng.random(rows) < np.where(job > 2, 0.5 + pull / 2, 0.5 - pull / 2)).astype(int)
    return np.column_stack([age, np.clip(job, 0, 5), area, income])


def paid(real: np.ndarray, synthetic: np.ndarray, *, sigma: float = 12.0, **how: Any) -> Any:
    layout = layout_of(synthetic, SIZES, target=3, rows_public="rows" in how, seed=1)
    how.setdefault("source", Stream((1).to_bytes(32, "big")).bytes)
    return measure(real, layout, synthetic, (gaussian(sigma),), **how)


def test_the_release_costs_what_was_planned_and_not_more() -> None:
    real, synthetic = people(3_000, 0), people(2_000, 1)
    found = paid(real, synthetic, rows=3_000)
    (cost,) = events(found.release.sd, 1)
    assert found.release.events[0].sigma == 12.0
    assert 12.0 <= cost.sigma <= 12.0 * 1.001
    assert len(found.layout.pairs) == min(PAIRS, 6)


def test_layouts_see_synthetic_rows_alone_and_each_real_row_changes_one_cell_of_each_table() -> None:
    synthetic = people(2_000, 1)
    layout = layout_of(synthetic, SIZES, target=3, seed=1)
    real = people(500, 0)
    derived, without = layout.derived(real), layout.derived(np.delete(real, 17, axis=0))
    assert np.array_equal(np.delete(derived, 17, axis=0), without)
    assert (derived < np.array(layout.workload.sizes)).all()
    assert (derived >= 0).all()
    outside = layout.derived(np.array([[99, -5, 7, 2]]))
    assert np.array_equal(outside, layout.derived(np.array([[39, 0, 2, 1]])))
    assert layout.derived(real[:0]).shape == (0, len(layout.workload.sizes))


@pytest.mark.parametrize("pull", [0.6, 0.0])
def test_intervals_hold_the_exact_distances(pull: float) -> None:
    """0: the sample has lost how columns hang together."""
    real, synthetic = people(8_000, 0), people(8_000, 1, pull)
    inside, read, estimated = [], [], []
    for draw in range(4):
        sizes = SIZES
        fit = release_for(real, choose(sizes, target=3, triples=draw % 2 == 0), EVENT, rows=len(real))
        found = public_evaluation(NAMES, sizes, synthetic, release=fit, measured=paid(real, synthetic, rows=len(real)))
        for kind, part in (("free", found["release"]), ("paid", found["paid"])):
            for entry in (*part["columns"], *part["pairs"]):
                columns = [NAMES.index(n) for n in entry["columns"]]
                true = exact(real, synthetic, columns, 99 if kind == "free" else 32 if len(columns) == 1 else 6)
                inside.append(entry["low"] - 1e-9 <= true <= entry["high"] + 1e-9)
                if kind == "paid":
                    read.append(abs(entry["read"] - true))
                    estimated.append(abs(entry["estimate"] - true))
    assert np.mean(inside) >= 0.93
    if pull:  # noise is most of what is read: taking it off brings the figures nearer
        assert np.mean(estimated) < 0.8 * np.mean(read)


def exact(real: np.ndarray, synthetic: np.ndarray, columns: list[int], most: int) -> float:
    """Total variation distance in at most so many cells of each column."""
    cells = [merged(np.bincount(synthetic[:, c], minlength=SIZES[c]), most) for c in columns]
    tables = []
    for table in (real, synthetic):
        place = np.zeros(len(table), dtype=int)
        for c, own in zip(columns, cells, strict=True):
            place = place * 64 + own[table[:, c]]
        tables.append(np.bincount(place, minlength=64 ** len(columns)) / len(table))
    return float(np.abs(tables[0] - tables[1]).sum() / 2)


def test_a_model_is_judged_on_real_rows_with_an_interval() -> None:
    real, synthetic = people(8_000, 0), people(8_000, 1)
    found = public_evaluation(NAMES, SIZES, synthetic, release=None, measured=paid(real, synthetic, rows=8_000))
    told = found["paid"]["prediction"]
    assert told["target"] == "income"
    layout = layout_of(synthetic, SIZES, target=3, seed=1)
    assert layout.prediction is not None
    features = np.delete(real, 3, axis=1).astype(float)
    right = float((layout.prediction.model.predict(features) == real[:, 3]).mean())
    assert told["accuracy"]["low"] <= right <= told["accuracy"]["high"]
    assert told["accuracy"]["high"] - told["accuracy"]["low"] < 0.06
    assert told["accuracy"]["majority"] < told["accuracy"]["value"]
    from sklearn.metrics import roc_auc_score

    area = roc_auc_score(real[:, 3], layout.prediction.model.predict_proba(features)[:, 1])
    assert told["auc"]["low"] - 0.005 <= area <= told["auc"]["high"] + 0.005  # bins cost a little


def test_a_sample_without_relations_is_seen_to_have_none() -> None:
    real, good = people(8_000, 0), people(8_000, 1)
    bad = np.column_stack([stream(0, c).permutation(real[:, c]) for c in range(4)])
    found = [
        public_evaluation(NAMES, SIZES, s, release=None, measured=paid(real, s, sigma=4.0, rows=8_000))["paid"]["mean"]
        for s in (good, bad)
    ]
    assert found[1]["pairs"]["low"] > found[0]["pairs"]["high"]
    assert found[0]["pairs"]["floor"] > 2 * found[0]["pairs"]["estimate"]


def test_noise_that_hides_everything_says_so() -> None:
    real, synthetic = people(300, 0), people(300, 1)
    found = public_evaluation(
        NAMES, SIZES, synthetic, release=None, measured=paid(real, synthetic, sigma=400.0, rows=300)
    )
    mean = found["paid"]["mean"]["pairs"]
    assert mean["low"] == 0.0
    assert mean["high"] == 1.0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_rows_that_are_not_public_are_estimated() -> None:
    real, synthetic = people(5_000, 0), people(2_000, 1)
    fit = release_for(real, choose(SIZES, rows=0.01), EVENT)
    found = paid(real, synthetic)
    for drawn in (fit, found.release):
        rows = rows_of(drawn)
        assert abs(rows.value - 5_000) < 5 * rows.sd
        assert 0 < rows.sd < 100
    told = public_evaluation(NAMES, SIZES, synthetic, release=fit, measured=found)
    assert told["paid"]["rows"]["public"] is False
    assert told["paid"]["rows"]["sd"] > 0


def test_an_estimated_number_of_rows_widens_intervals() -> None:
    table = NoisyTable(np.array([510, 490]), 5.0)
    sure, unsure = (distance(np.array([0.5, 0.5]), table, Rows(1000.0, sd), fresh=True) for sd in (0.0, 50.0))
    assert unsure["high"] > sure["high"] + 0.04


def test_units_of_several_rows_get_more_noise() -> None:
    real, synthetic = people(2_000, 0), people(2_000, 1)
    units = np.arange(2_000) // 4
    one = paid(real, synthetic, rows=2_000)
    four = paid(real, synthetic, rows=2_000, rows_per_unit=4, units=units)
    assert np.allclose(np.array(four.release.sd) / np.array(one.release.sd), 4, rtol=0.01)


def test_wide_tables_are_looked_at_in_part() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 2, (300, 60))
    drawn = release_for(wide, choose([2] * 60), EVENT, rows=300)
    found = public_evaluation([f"c{i}" for i in range(60)], [2] * 60, wide, release=drawn)["release"]
    assert (found["pairs_looked_at"], found["pairs_in_all"], len(found["pairs"])) == (1_000, 1_770, 40)
    assert found["pairs_not_counted"] == 0
    some = release_for(wide, Workload((2,) * 60, ((0,), (0, 1), (0, 2, 5)), (1 / 3,) * 3), EVENT, rows=300)
    part = public_evaluation([f"c{i}" for i in range(60)], [2] * 60, wide, release=some)["release"]
    assert (part["pairs_looked_at"], part["pairs_not_counted"]) == (4, 1_766)
    assert len(found["columns"]) == 60


def test_without_a_share_it_says_why() -> None:
    found = public_evaluation(NAMES, SIZES, people(100, 1), release=None)
    assert found["paid"] == {"available": False, "reason": NO_SHARE}
    assert found["release"] == {"available": False, "reason": NO_TABLES}


@pytest.mark.parametrize("target", [None, 0])
def test_targets_that_are_not_predicted(target: int | None) -> None:
    synthetic = people(400, 1)
    layout = layout_of(synthetic, SIZES, target=target)
    found = public_evaluation(
        NAMES, SIZES, synthetic, release=None, measured=measure(synthetic, layout, synthetic, (EVENT,), rows=400)
    )
    assert found["paid"]["prediction"]["available"] is False
    assert found["paid"]["prediction"]["reason"]


def test_several_classes_are_a_confusion_table() -> None:
    real, synthetic = people(4_000, 0), people(4_000, 1)
    layout = layout_of(synthetic, SIZES, target=1)
    found = public_evaluation(
        NAMES, SIZES, synthetic, release=None, measured=measure(real, layout, synthetic, (EVENT,), rows=4_000)
    )
    told = found["paid"]["prediction"]
    assert told["classes"] == 6
    assert "auc" not in told
    assert told["accuracy"]["low"] < told["accuracy"]["value"] < told["accuracy"]["high"]


def test_another_plan_than_one_release_is_refused() -> None:
    synthetic = people(100, 1)
    with pytest.raises(InvalidInput, match="one Gaussian release"):
        measure(synthetic, layout_of(synthetic, SIZES), synthetic, (EVENT, EVENT))


def test_merged_cells_are_neighbours_of_even_mass() -> None:
    cells = merged(np.array([1, 1, 100, 1, 1, 50, 50, 1]), 3)
    assert (np.diff(cells) >= 0).all()
    assert cells.max() <= 2
    assert np.array_equal(merged(np.zeros(50, dtype=int), 6), np.zeros(50))
