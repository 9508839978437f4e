"""The registry of methods: every method learns every task it is for, repeats, and refuses what it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.classifiers import METHODS, Preparation, Task, make
from models.classifiers.classical import Linear, Neighbours
from models.classifiers.imbalance import resampled
from models.classifiers.svm import SVM
from models.errors import InvalidInput

CLASSICAL = ["linear", "knn", "tree", "forest", "boosting", "svm"]
QUICK = {"forest": {"trees": 20}, "boosting": {"iterations": 40}}


def blobs(rows: int, seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes around points that a line separates, a category that helps, and gaps."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    x = rng.normal(size=(rows, 3))
    x[:, 0] += 2.5 * np.cos(2 * np.pi * y / classes)
    x[:, 1] += 2.5 * np.sin(2 * np.pi * y / classes)
    x[:, 2] = np.where(rng.random(rows) < 0.5, y, rng.integers(0, classes, rows))
    x[rng.random(rows) < 0.05, 0] = np.nan
    return x, y


MASK = (False, False, True)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("classes", [2, 3])
def test_methods_learn_classes(method: str, classes: int) -> None:
    task = Task.BINARY if classes == 2 else Task.MULTICLASS
    x, y = blobs(500, 1, classes)
    x_test, y_test = blobs(400, 2, classes)
    words = np.array(["cat", "dog", "eel"])
    model = make(method, task, MASK, 1, **QUICK.get(method, {})).fit(x, words[y])
    p = model.predict_proba(x_test)
    assert p.shape == (400, classes)
    assert p.sum(axis=1) == pytest.approx(np.ones(400))
    assert np.mean(model.predict(x_test) == words[y_test]) > 0.9
    assert np.mean(model.classes_[p.argmax(axis=1)] == words[y_test]) > 0.9
    assert is_classifier(model)


@pytest.mark.parametrize("method", CLASSICAL)
def test_methods_learn_a_number_and_several(method: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 3))
    y = np.stack([1000 + 50 * x[:, 0] + 20 * x[:, 1], -3 * x[:, 1]], axis=1)
    one = make(method, Task.REGRESSION, (False,) * 3, **QUICK.get(method, {})).fit(x[:500], y[:500, 0])
    both = make(method, Task.MULTITARGET, (False,) * 3, **QUICK.get(method, {})).fit(x[:500], y[:500])
    assert is_regressor(one)
    for k, got in ((0, one.predict(x[500:])), (0, both.predict(x[500:])[:, 0]), (1, both.predict(x[500:])[:, 1])):
        error = np.mean((got - y[500:, k]) ** 2) / y[500:, k].var()
        assert error < 0.25
    with pytest.raises(InvalidInput, match="probabilities"):
        both.predict_proba(x)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("balance", ["none", "weights"])
def test_methods_learn_several_labels_one_of_them_absent(method: str, balance: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0.5, np.zeros(500)], axis=1).astype(int)
    model = make(method, Task.MULTILABEL, (False,) * 3, balance=balance, **QUICK.get(method, {}))
    model.fit(x[:400], y[:400])
    p, got = model.predict_proba(x[400:]), model.predict(x[400:])
    assert p.shape == got.shape == (100, 3)
    assert np.mean(got == y[400:]) > 0.9
    assert not p[:, 2].any()
    assert np.mean((p > 0.5) == y[400:]) > 0.9


def test_several_labels_read_as_one_model_each() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0.5], axis=1).astype(int)
    p = make("boosting", Task.MULTILABEL, (False,) * 3, iterations=20).fit(x, y).predict_proba(x)
    one = HistGradientBoostingClassifier(max_iter=20, early_stopping=False, random_state=0).fit(x, y[:, 1])
    assert p[:, 1] == pytest.approx(one.predict_proba(x)[:, 1])
    forest = make("forest", Task.MULTILABEL, (False,) * 3, trees=5).fit(x, y).predict_proba(x)
    theirs = RandomForestClassifier(5, random_state=0).fit(x.astype(np.float32), y).predict_proba(x.astype(np.float32))
    z = Preparation([False] * 3, "none").fit(x).transform(x)
    assert np.array_equal(z, x.astype(np.float32))
    assert forest[:, 0] == pytest.approx(theirs[0][:, 1])


@pytest.mark.parametrize("method", CLASSICAL)
def test_scikit_learns_tools_accept_the_methods(method: str) -> None:
    x, y = blobs(200, 3, 2)
    model = clone(make(method, Task.BINARY, MASK, 1, **QUICK.get(method, {})))
    assert np.mean(cross_val_score(model, x, y, cv=2, scoring="roc_auc")) > 0.9
    two = np.stack([y, 1 - y], axis=1)
    several = make(method, Task.MULTILABEL, MASK, 1, **QUICK.get(method, {}))
    assert cross_val_predict(several, x, two, cv=2, method="predict_proba").shape == (200, 2)


def test_a_search_and_a_pipeline_of_scikit_learn_find_the_better_option() -> None:
    x, y = blobs(300, 4, 2)
    y = np.where(np.random.default_rng(0).random(300) < 0.2, 1 - y, y)
    pipeline = make_pipeline(Preparation(MASK), StandardScaler(), make("tree", Task.BINARY, [False] * 6))
    pipeline.steps[-1][1].categorical = None
    found = GridSearchCV(pipeline, {"tree__leaf": [1, 30], "preparation__missing": ["mean"]}, cv=3).fit(x, y)
    assert found.best_params_["tree__leaf"] == 30


def test_a_long_table_takes_the_approximate_kernel_and_reads_alike() -> None:
    x, y = blobs(600, 5, 3)
    x_test, y_test = blobs(400, 6, 3)
    exact = SVM("multiclass", MASK).fit(x, y)
    near = SVM("multiclass", MASK, exact_rows=100, components=100).fit(x, y)
    assert "Nystroem" in repr(near.models_[0]._machine)
    assert "Nystroem" not in repr(exact.models_[0]._machine)
    assert np.mean(exact.predict(x_test) == near.predict(x_test)) > 0.95
    assert np.mean(near.predict(x_test) == y_test) > 0.9
    with pytest.raises(InvalidInput, match="Kernel"):
        SVM("binary", kernel="magic").fit(x, y == 1)


def test_resampled_rows_hold_every_class_equally_often() -> None:
    y = np.repeat(["a", "b", "c"], [50, 5, 20])
    over, under = (resampled(y, how, 1) for how in ("oversample", "undersample"))
    assert np.unique(y[over], return_counts=True)[1].tolist() == [50, 50, 50]
    assert set(over) == set(range(75))
    assert np.unique(y[under], return_counts=True)[1].tolist() == [5, 5, 5]
    assert len(set(under)) == 15
    assert np.array_equal(over, resampled(y, "oversample", 1))


@pytest.mark.parametrize("balance", ["weights", "oversample", "undersample"])
@pytest.mark.parametrize("method", CLASSICAL)
def test_every_balance_raises_the_rare_class(method: str, balance: str) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(1200) < 0.05).astype(int)
    x = rng.normal(size=(1200, 2)) + y[:, None] * 1.0
    options = {"forest": {"trees": 20, "leaf": 5}, "boosting": {"iterations": 10}}.get(method, {})
    shares = [
        make(method, Task.BINARY, (False, False), balance=b, **options).fit(x, y).predict_proba(x[y == 1])[:, 1].mean()
        for b in ("none", balance)
    ]
    # Distance-weighted neighbours are sure of the rows they have learnt from.
    assert shares[1] >= shares[0] if method == "knn" else shares[1] > shares[0] + 0.1


def test_what_cannot_be_made_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInput, match="not known"):
        make("oracle", Task.BINARY, [False])
    with pytest.raises(InvalidInput, match="no option of method tree") as caught:
        make("tree", Task.BINARY, [False], trees=3)
    assert "leaf" in caught.value.hint
    with pytest.raises(InvalidInput, match="no classes"):
        make("tree", Task.REGRESSION, [False], balance="weights")
    with pytest.raises(InvalidInput, match="several labels"):
        make("tree", Task.MULTILABEL, [False], balance="oversample")
    with pytest.raises(InvalidInput, match="Balance"):
        make("tree", Task.BINARY, [False], balance="magic")
    x = np.arange(20.0).reshape(10, 2)
    with pytest.raises(InvalidInput, match="0 or 1"):
        make("tree", Task.MULTILABEL, [False] * 2).fit(x, np.full((10, 2), 2))
    with pytest.raises(InvalidInput, match="constant"):
        make("tree", Task.MULTILABEL, [False] * 2).fit(x, np.ones((10, 2), int))
    with pytest.raises(InvalidInput, match="rows, targets"):
        make("tree", Task.MULTITARGET, [False] * 2).fit(x, np.ones(10))
    with pytest.raises(InvalidInput, match="3 classes"):
        make("linear", Task.BINARY, [False] * 2).fit(x, np.arange(10) % 3)


def test_every_method_has_its_label() -> None:
    assert list(METHODS) == ["mlp", "conv1d", "linear", "knn", "tree", "forest", "boosting", "svm"]
    assert METHODS["linear"].name(Task.BINARY) == "logistic regression"
    assert METHODS["linear"].name(Task.MULTITARGET) == "ridge regression"


def opposed(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes that follow the first column in the first half of the rows, and the other way round in the second."""
    rng = np.random.default_rng(seed)
    x, first = rng.normal(size=(rows, 2)), np.arange(rows) < rows // 2
    return x, np.where(first, x[:, 0] > 0, x[:, 0] < 0).astype(int), first


@pytest.mark.parametrize("method", [m for m in CLASSICAL if METHODS[m].weighable])
def test_rows_that_weigh_more_are_followed(method: str) -> None:
    x, y, first = opposed(400, 0)
    x_test = np.random.default_rng(1).normal(size=(200, 2))
    for heavy in (first, ~first):
        model: Any = make(method, Task.BINARY, (False,) * 2, 1, **QUICK.get(method, {}))
        got = model.fit(x, y, sample_weight=np.where(heavy, 1.98, 0.02)).predict(x_test)
        assert np.mean(got == ((x_test[:, 0] > 0) == heavy[0])) > 0.8
        number: Any = make(method, Task.REGRESSION, (False,) * 2, 1, **QUICK.get(method, {}))
        z = np.where(first, x[:, 0], -x[:, 0])
        slope = np.corrcoef(number.fit(x, z, sample_weight=np.where(heavy, 1.98, 0.02)).predict(x_test), x_test[:, 0])
        assert abs(slope[0, 1] - (1 if heavy[0] else -1)) < 0.6


def test_weights_are_rows_repeated_and_neighbours_take_none() -> None:
    x, y, _ = opposed(100, 2)
    times = np.arange(100) % 3 + 1
    again = np.repeat(np.arange(100), times)
    weighed = Linear("binary", scaling="none").fit(x, y, sample_weight=times).predict_proba(x)
    assert weighed == pytest.approx(Linear("binary", scaling="none").fit(x[again], y[again]).predict_proba(x), abs=1e-4)
    near = SVM("binary", exact_rows=50, components=20, scaling="none").fit(x, y, sample_weight=np.ones(100))
    plain = SVM("binary", exact_rows=50, components=20, scaling="none").fit(x, y)
    assert near.predict_proba(x) == pytest.approx(plain.predict_proba(x))
    assert not METHODS["knn"].weighable
    assert METHODS["mlp"].weighable
    with pytest.raises(InvalidInput, match="cannot weigh"):
        Neighbours("binary").fit(x, y, sample_weight=times)
