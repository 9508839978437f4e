"""Folds keep classes and groups, tests of pairs keep their level, thresholds count, curves are read in words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import confusion_matrix, roc_curve

from models.classifiers import Task, make
from models.comparison.curves import Point, learning_curve, read_learning, read_validation, validation_curve
from models.comparison.folds import cross_validation, split
from models.comparison.paired import corrected, holm, mcnemar
from models.comparison.thresholds import confusion_at, threshold_table
from models.errors import InvalidInput

RNG = np.random.default_rng(0)
Y = np.repeat([0, 1, 2], [100, 60, 20])


def test_folds_cover_every_row_once_per_repeat_and_keep_the_classes() -> None:
    found = cross_validation(Y, Task.MULTICLASS, folds=5, repeats=2, seed=1)
    assert len(found) == 10
    for repeat in (0, 1):
        rows = np.concatenate([f.test for f in found if f.repeat == repeat])
        assert sorted(rows) == list(range(180))
    for fold in found:
        assert not set(fold.train) & set(fold.test)
        assert np.bincount(Y[fold.test]).tolist() == [20, 12, 4]
    again = cross_validation(Y, Task.MULTICLASS, folds=5, repeats=2, seed=1)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(found, again, strict=True))
    assert not np.array_equal(found[0].test, found[5].test)


def test_groups_are_never_split() -> None:
    groups = RNG.integers(0, 20, 180)
    for stratify in (True, False):
        for fold in cross_validation(Y, Task.MULTICLASS, groups=groups, stratify=stratify):
            assert not set(groups[fold.train]) & set(groups[fold.test])
    numbers = cross_validation(RNG.normal(size=180), Task.REGRESSION, groups=groups)
    assert all(not set(groups[f.train]) & set(groups[f.test]) for f in numbers)


def test_folds_of_labels_keep_their_combinations() -> None:
    y = (RNG.random((400, 3)) < [0.5, 0.1, 0.01]).astype(int)
    shares = [y[f.test, 1].mean() for f in cross_validation(y, Task.MULTILABEL, folds=4)]
    assert np.ptp(shares) < 0.03


def test_folds_that_cannot_be_made_are_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInput, match="1 of the target's 3 classes") as caught:
        cross_validation(np.repeat([0, 1, 2], [50, 50, 3]), Task.MULTICLASS)
    assert "merge_rare" in caught.value.hint
    with pytest.raises(InvalidInput, match="3 group"):
        cross_validation(Y, Task.MULTICLASS, groups=np.arange(180) % 3)
    with pytest.raises(InvalidInput, match="one group only"):
        cross_validation(Y, Task.MULTICLASS, groups=np.where(Y == 2, 99, np.arange(180) % 10))
    with pytest.raises(InvalidInput, match="4 rows for 5 folds"):
        cross_validation(np.arange(4.0), Task.REGRESSION)


def test_a_split_has_the_shares_the_classes_and_whole_groups() -> None:
    train, validation, test = split(Y, Task.MULTICLASS, seed=2)
    assert sorted(np.concatenate([train, validation, test])) == list(range(180))
    assert [len(p) for p in (train, validation, test)] == [108, 36, 36]
    assert np.bincount(Y[test]).tolist() == [20, 12, 4]
    groups = np.arange(180) // 6
    parts = split(Y, Task.MULTICLASS, groups=groups)
    assert [len(p) for p in parts] == [108, 36, 36]
    assert not set(groups[parts[0]]) & set(groups[parts[1]])
    with pytest.raises(InvalidInput, match="add up"):
        split(Y, Task.MULTICLASS, shares=(0.5, 0.2))
    with pytest.raises(InvalidInput, match="no rows"):
        split(Y, Task.MULTICLASS, groups=np.zeros(180))


def test_the_corrected_test_follows_its_formula_and_widens_the_naive_interval() -> None:
    d = np.array([0.02, 0.05, 0.01, 0.04, 0.03])
    naive = ttest_1samp(d, 0)
    assert corrected(d, 0.0).p == pytest.approx(naive.pvalue)
    got = corrected(d, 0.25)
    error = np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    assert got.value == pytest.approx(0.03)
    assert (got.high - got.low) / 2 == pytest.approx(2.7764451 * error)
    assert got.p > naive.pvalue
    assert corrected(np.zeros(5), 0.25).p == 1
    assert np.isnan(corrected(np.ones(1), 0.25).p)


def test_the_corrected_test_keeps_its_level_where_the_naive_one_does_not() -> None:
    """Two methods that are equally good on average: the nearest class mean by either of two equal features."""
    rng = np.random.default_rng(3)
    false, naive = 0, 0
    for _ in range(150):
        y = rng.integers(0, 2, 100)
        x = rng.normal(size=(100, 2)) + y[:, None]
        d = []
        for fold in cross_validation(y, Task.BINARY, folds=5, repeats=3, seed=int(rng.integers(1e6))):
            cut = (x[fold.train][y[fold.train] == 0].mean(axis=0) + x[fold.train][y[fold.train] == 1].mean(axis=0)) / 2
            right = (x[fold.test] > cut) == y[fold.test][:, None]
            d.append(right[:, 0].mean() - right[:, 1].mean())
        false += corrected(np.array(d), 0.25).p < 0.05
        naive += corrected(np.array(d), 0.0).p < 0.05
    assert false <= 15
    assert naive > 2 * false


def test_mcnemar_counts_the_rows_that_one_method_alone_gets_right() -> None:
    first, second = np.repeat([1, 1, 0, 0], [50, 8, 2, 40]) == 1, np.repeat([1, 0, 1, 0], [50, 8, 2, 40]) == 1
    a, b, p = mcnemar(first, second)
    assert (a, b) == (8, 2)
    assert p == pytest.approx(2 * (1 + 10 + 45) / 1024)  # two-sided binomial of 2 or fewer of 10
    # Agresti, Categorical Data Analysis, section 10.1.1: 150 against 86, uncorrected z = 4.17.
    a, b, p = mcnemar(np.arange(236) < 150, np.arange(236) >= 150)
    assert (a, b) == (150, 86)
    assert p == pytest.approx(4.1e-5, rel=0.05)
    assert mcnemar(np.ones(5), np.ones(5))[2] == 1


def test_holms_adjustment() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, float("nan"), 0.01])[2] == pytest.approx(0.02)
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_thresholds_count_as_scikit_learn_does() -> None:
    hit = RNG.random(500) < 0.3
    score = np.round(np.clip(0.3 * hit + RNG.random(500) * 0.7, 0, 1), 2)
    for threshold in (0.0, 0.35, 0.5, 1.0):
        got = confusion_at(hit, score, threshold)
        expected = confusion_matrix(hit, score >= threshold).ravel()
        assert (got.tn, got.fp, got.fn, got.tp) == tuple(expected)
    fpr, tpr, cuts = roc_curve(hit, score, drop_intermediate=False)
    table = threshold_table(hit, score, tuple(cuts[1:]))
    assert [r.fpr for r in table] == pytest.approx(fpr[1:][::-1])
    assert [r.tpr for r in table] == pytest.approx(tpr[1:][::-1])


def test_the_table_holds_the_threshold_of_the_highest_f1() -> None:
    hit = RNG.random(500) < 0.2
    score = np.clip(0.2 * hit + RNG.random(500) * 0.6, 0, 1)
    table = threshold_table(hit, score)
    assert len(table) == 22
    highest = max(confusion_at(hit, score, s).f1 for s in score)
    assert max(r.f1 for r in table) == pytest.approx(highest, abs=0.005)
    assert table[0].to_json()["tpr"] == 1
    assert confusion_at(hit, score, 1.01).precision == 1


def noisy(rows: int = 240) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 4))
    return x, ((x[:, 0] + x[:, 1] ** 2 + rng.normal(0, 0.7, rows)) > 0.8).astype(int)


def test_a_deep_tree_overfits_and_a_stump_underfits_in_words() -> None:
    x, y = noisy(400)
    folds = cross_validation(y, Task.BINARY, folds=3)
    points = validation_curve(
        lambda depth: make("tree", Task.BINARY, [False] * 4, depth=depth, leaf=1),
        [1, 3, None],
        x,
        y,
        folds,
        lambda m, a, b: float(np.mean(m.predict(a) == b)),
    )
    best, words, text = read_validation(points)
    assert (best, words) == (1, ["underfits", "best", "overfits"])
    assert text == "3 is best; 1 underfits; none overfits."
    assert points[2].training == 1


def test_a_learning_curve_rises_with_its_rows_and_is_read() -> None:
    x, y = noisy(600)
    folds = cross_validation(y, Task.BINARY, folds=3)

    def score(m, a, b):
        return float(np.mean(m.predict(a) == b))

    tree = learning_curve(lambda: make("tree", Task.BINARY, [False] * 4, leaf=1), x, y, folds, score)
    assert [p.at for p in tree] == [40, 100, 200, 300, 400]
    assert tree[-1].validation > tree[0].validation
    assert "overfitting, it has learnt" in read_learning(tree)
    calm = [Point(50, 0.8, 0.7, 0.01), Point(100, 0.755, 0.75, 0.01)]
    assert "no overfitting" in read_learning(calm)
    assert "still help" in read_learning(calm)
    assert "underfitting" in read_learning([Point(50, 0.5, 0.5, 0.01)], floor=0.5)
    assert "change little" in read_learning([Point(50, 0.8, 0.75, 0.01), Point(100, 0.77, 0.75, 0.01)])
