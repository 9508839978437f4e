"""Attacks on a sample: each against a slow or a library's computation, and against tables with known leaks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu

from models.classifiers.scores import auc
from models.evaluation.attacks import inference, linkage, singling
from models.evaluation.attacks.disclosure import disclosure
from models.evaluation.attacks.rates import Rate, auc_excess, flipped, passing, risk, tpr_excess
from models.evaluation.attacks.setting import cell_keys, keys, setting
from models.evaluation.attacks.space import MISMATCH, Space
from models.evaluation.context import Part
from models.evaluation.matrix import Cells, Matrix, independent
from models.evaluation.result import Metric
from tests.people import context, people, stacked

REAL, HOLDOUT, FRESH = people(900, 1), people(600, 2), people(900, 3)


def verdict(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = part.sections["disclosure"]["verdict"]
    return found


def named(part: Part, name: str, subject: str = "") -> Metric:
    return next(m for m in part.metrics if (m.name, m.subject) == (name, subject))


@pytest.fixture(scope="module")
def fresh() -> Part:
    return disclosure(context(REAL, HOLDOUT, FRESH))


@pytest.fixture(scope="module")
def copied() -> Part:
    return disclosure(context(REAL, HOLDOUT, REAL))


def test_risk_is_tested_by_fisher_and_its_bar_is_the_last_value_that_passes() -> None:
    attack, control = Rate(60, 400), Rate(40, 500)
    got = risk(attack, control)
    assert got.value == pytest.approx((0.15 - 0.08) / 0.92)
    assert got.low < got.value < got.high
    table = [[60, 340], [40, 460]]
    assert got.p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    for chance in (0.05, 0.001):
        most = passing(400, control, chance)
        assert risk(Rate(most, 400), control).p > chance >= risk(Rate(most + 1, 400), control).p
        assert got.bar(chance) == pytest.approx(risk(Rate(most, 400), control).value)
    assert risk(Rate(10, 10), Rate(10, 10)).value == 0
    assert Rate(0, 50).interval[0] == 0


def test_auc_agrees_with_mann_whitney_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(1)
    inside, outside = np.round(rng.normal(0.3, 1, 300), 1), np.round(rng.normal(0, 1, 200), 1)
    got = auc_excess(inside, outside)
    truth = np.repeat([True, False], [300, 200])
    assert got.value + 0.5 == pytest.approx(auc(truth, np.concatenate([inside, outside])))
    p = mannwhitneyu(inside, outside, alternative="greater", method="asymptotic", use_continuity=False).pvalue
    assert got.p == pytest.approx(p, rel=1e-6)
    assert auc_excess(inside, inside).p == pytest.approx(0.5)
    covered = [e.low <= 0 <= e.high for e in (auc_excess(rng.random(80), rng.random(60)) for _ in range(400))]
    assert np.mean(covered) > 0.9


def test_tpr_at_low_fpr_has_an_exact_chance() -> None:
    rng = np.random.default_rng(2)
    others = rng.random(1000)
    certain = np.concatenate([np.full(30, 2.0), rng.random(970)])
    got = tpr_excess(certain, others, 0.01, rng)
    assert got is not None
    assert got.value + 0.01 == pytest.approx(0.04, abs=0.01)
    assert got.p < 1e-4
    assert got.bar(0.001) < got.value + 0.01
    fair = [tpr_excess(rng.random(500), rng.random(400), 0.01, rng) for _ in range(300)]
    assert np.mean([f is not None and f.p <= 0.05 for f in fair]) <= 0.08
    assert tpr_excess(certain, others[:50], 0.01, rng) is None


def test_hubs_make_a_sum_less_certain() -> None:
    ones = np.ones(40)
    assert flipped(ones, ones)[1] < 1e-9
    hub = np.array([40.0])
    assert flipped(hub, np.ones(1))[1] == 0.5
    assert flipped(hub, np.ones(1))[2](0.01) == 40


@pytest.mark.parametrize("spread", ["deviation", "range"])
def test_nearest_rows_are_those_of_a_slow_search(spread: str) -> None:
    points, known = people(40, 4), people(300, 5)
    space = Space(known, spread=spread)
    at, distance = space.nearest(space.place(points), space.place(known))
    closest = space.closest(space.place(points), space.place(known), 3)
    labelled = [c.labelled for c in known.columns]
    present = np.isfinite(known.values)
    middle = [known.values[present[:, j], j].mean() for j in range(7)]
    wide = [
        np.std(known.values[present[:, j], j]) if spread == "deviation" else np.ptp(known.values[present[:, j], j])
        for j in range(7)
    ]
    for i in range(40):
        all_distances = []
        for k in range(300):
            total = 0.0
            for j in range(7):
                a, b = points.values[i, j], known.values[k, j]
                same_state = points.missing[i, j] == known.missing[k, j]
                if labelled[j]:
                    same = same_state and (a == b or points.missing[i, j] >= 0)
                    total += 0.0 if same else MISMATCH if spread == "deviation" else 1.0
                    continue
                total += 0.0 if same_state else MISMATCH if spread == "deviation" else 1.0
                gap = (np.nan_to_num(a, nan=middle[j]) - np.nan_to_num(b, nan=middle[j])) / wide[j]
                total += gap**2 if spread == "deviation" else abs(gap)
            all_distances.append(np.sqrt(total) if spread == "deviation" else total)
        assert distance[i] == pytest.approx(min(all_distances), abs=2e-4)
        assert all_distances[at[i]] == pytest.approx(min(all_distances), abs=2e-4)
        assert closest[i] == pytest.approx(sorted(all_distances)[:3], abs=2e-4)


def test_predicates_single_out_one_synthetic_row_and_are_counted_as_by_a_loop() -> None:
    rng = np.random.default_rng(3)
    synthetic, other = (singling.Sorted.of(people(n, s)) for n, s in ((400, 6), (250, 7)))
    labelled = np.array([c.labelled for c in REAL.columns])
    for make in (singling.univariate, singling.multivariate):
        predicates = make(synthetic, labelled, 60, rng)
        assert len(predicates) > 20

        def fits(k: int, table: np.ndarray, chosen: singling.Predicates = predicates) -> list[int]:
            return [
                i
                for i in range(table.shape[1])
                if all(
                    low <= table[j, i] <= high
                    for j, low, high in zip(chosen.columns[k], chosen.low[k], chosen.high[k], strict=True)
                )
            ]

        assert all(len(fits(k, synthetic.table)) == 1 for k in range(len(predicates)))
        slow = [f[0] if len(f) == 1 else -1 for f in (fits(k, other.table) for k in range(len(predicates)))]
        assert singling.singled(predicates, other).tolist() == slow


def test_cap_is_the_mean_share_of_equal_rows() -> None:
    cells = Cells.fit(REAL, 5)
    known, values = (1, 3), 2
    codes = [cells.codes(m) for m in (REAL, HOLDOUT, FRESH)]
    hashed = [cell_keys(c, known) for c in codes]
    inside, outside = inference._cap(hashed, [c[:, values] for c in codes])
    groups: dict[tuple[int, ...], Counter[int]] = {}
    for row in codes[2]:
        groups.setdefault(tuple(row[list(known)]), Counter())[int(row[values])] += 1
    for got, table in ((inside, codes[0]), (outside, codes[1])):
        slow = [
            groups[k][int(row[values])] / groups[k].total() for row in table if (k := tuple(row[list(known)])) in groups
        ]
        assert got == pytest.approx(slow)


def test_replicated_uniques_are_those_of_a_count() -> None:
    s = setting(context(REAL, HOLDOUT, FRESH))
    real, synthetic = (Counter(keys(m, s.coarse).tolist()) for m in (REAL, FRESH))
    slow = sum(n == 1 and synthetic[k] == 1 for k, n in real.items()) / len(REAL)
    _, section = linkage.uniques(s)
    assert section["uniques"]["unique_in_sample"] == pytest.approx(slow)
    assert slow > 0


def test_fresh_rows_pass_every_attack(fresh: Part) -> None:
    assert [m.name for m in fresh.metrics if m.status == "fail"] == []
    assert verdict(fresh)["status"] in ("pass", "cannot tell")
    assert {m.status for m in fresh.metrics if m.name != "dcr_ratio"} <= {"pass", "unavailable"}
    for m in fresh.metrics:
        assert m.note
        if m.status == "pass":
            assert m.bar is not None
            assert m.value is not None
            assert m.value <= m.bar, m.name


def test_a_copy_of_the_training_rows_fails_nearly_every_attack(copied: Part) -> None:
    failed = {(m.name, m.subject) for m in copied.metrics if m.status == "fail"}
    assert {"copies", "near_copies", "dcr_share", "membership_auc", "linkability", "replicated_uniques"} <= {
        n for n, _ in failed
    }
    assert {"inference_neighbour", "singling_out_multivariate", "singling_out_univariate"} <= {n for n, _ in failed}
    assert verdict(copied)["status"] == "fail"
    assert verdict(copied)["worst"]["metric"] == "copies"
    assert "copied rows" in verdict(copied)["remedy"]
    assert all(
        m.value > m.bar for m in copied.metrics if m.status == "fail" and m.value is not None and m.bar is not None
    )


def test_one_copied_row_in_twenty_is_found_and_named_first() -> None:
    sample = stacked(FRESH.take(np.arange(855)), REAL.take(np.arange(45)))
    part = disclosure(context(REAL, HOLDOUT, sample))
    assert named(part, "copies").status == "fail"
    assert named(part, "copies").value == pytest.approx(0.05, abs=0.01)
    assert verdict(part)["worst"]["metric"] == "copies"


def test_one_nearly_copied_row_in_ten_is_found() -> None:
    near = REAL.take(np.arange(90))
    values = near.values.copy()
    values[:, 5] *= 1.001
    part = disclosure(
        context(REAL, HOLDOUT, stacked(FRESH.take(np.arange(810)), Matrix(near.columns, values, near.missing)))
    )
    assert named(part, "copies").status == "pass"
    assert named(part, "near_copies", "close in all columns").status == "fail"
    assert verdict(part)["worst"]["metric"] == "near_copies"


def test_independent_columns_of_other_rows_disclose_nothing() -> None:
    part = disclosure(context(REAL, HOLDOUT, independent(FRESH, 900, np.random.default_rng(1))))
    assert [m.name for m in part.metrics if m.status == "fail"] == []


def test_shuffled_training_columns_give_their_rare_values_away() -> None:
    part = disclosure(context(REAL, HOLDOUT, independent(REAL, 900, np.random.default_rng(1))))
    assert [m.name for m in part.metrics if m.status == "fail"] == ["singling_out_univariate"]


@pytest.mark.parametrize("rows", [0, 12])
def test_without_a_control_nothing_is_said(rows: int) -> None:
    part = disclosure(context(REAL, HOLDOUT.take(np.arange(rows)), REAL))
    assert verdict(part)["status"] == "cannot tell"
    assert "Hold out" in verdict(part)["remedy"]
    for m in part.metrics:
        assert m.status == ("" if m.name == "copies" else "unavailable"), m.name
        assert "old out" in m.note, m.name
    assert named(part, "copies").value == 1.0


def test_sensitive_and_known_columns_are_those_that_are_named() -> None:
    part = disclosure(context(REAL, HOLDOUT, FRESH, sensitive=("income", "job"), known=("age", "region")))
    found = part.sections["disclosure"]["inference"]
    assert (found["sensitive"], found["known"], found["coarse"]) == (
        ["income", "job"],
        ["age", "region"],
        ["age", "region"],
    )
    assert {m.subject for m in part.metrics if m.name == "inference_model"} == {"income", "job"}


def test_sensitive_columns_are_chosen_from_the_data(fresh: Part) -> None:
    found = fresh.sections["disclosure"]["inference"]
    assert found["sensitive"] == ["works", "region", "job"]
    assert found["known"] == ["age", "hours", "income", "commute"]
    assert found["coarse"] == ["age", "hours"]


def test_a_secret_that_the_sample_tells_of_trained_rows_only_is_found() -> None:
    """The sample holds the true incomes of the training rows beside their ages, and invents all else."""
    rng = np.random.default_rng(9)
    values, missing = FRESH.values.copy(), FRESH.missing.copy()
    values[:, [0, 5]], missing[:, [0, 5]] = REAL.values[:, [0, 5]], REAL.missing[:, [0, 5]]
    order = rng.permutation(900)
    part = disclosure(
        context(REAL, HOLDOUT, Matrix(REAL.columns, values, missing).take(order), sensitive=("income",), known=("age",))
    )
    assert verdict(part)["status"] == "fail"
    assert "inference_neighbour" in {f["metric"] for f in verdict(part)["failed"]}


def test_equal_seeds_give_equal_figures(fresh: Part) -> None:
    again = disclosure(context(REAL, HOLDOUT, FRESH))
    assert again.metrics == fresh.metrics
    assert again.sections["disclosure"]["verdict"] == verdict(fresh)


def test_fresh_rows_fail_no_oftener_than_stated() -> None:
    """30 repetitions over all attacks: the chance of any failure is 1%, so two are (nearly) impossible."""
    low: list[float] = []
    failed = 0
    for seed in range(30):
        parts = [people(n, 100 * seed + k) for k, n in enumerate((260, 200, 260))]
        part = disclosure(context(*parts, seed=seed))
        failed += any(m.status == "fail" for m in part.metrics)
        auc_metric = named(part, "membership_auc", "distance")
        assert auc_metric.value is not None
        low.append(auc_metric.value)
    assert failed <= 1
    assert abs(np.mean(low) - 0.5) < 0.02
