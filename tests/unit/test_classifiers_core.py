"""The classification core: preparation learns from training rows only, models learn, repeat and refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import confusion_matrix, f1_score, r2_score, roc_auc_score
from sklearn.model_selection import cross_val_score

from models.classifiers import MLP, Boosting, Estimator, Preparation, Task, probabilities_of, task_of
from models.classifiers import scores as score
from models.errors import InvalidInput


def rings(rows: int, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Classes by distance from the middle (no line separates them), a category that helps, and gaps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    radius = np.sqrt(x[:, 0] ** 2 + x[:, 1] ** 2)
    y = np.digitize(radius, [1.1] if classes == 2 else [0.8, 1.4])
    x[:, 2] = np.where(rng.random(rows) < 0.5, y, rng.integers(0, classes, rows))
    x[rng.random(rows) < 0.05, 0] = np.nan
    return x, y


MODELS = [
    lambda task: MLP(task, (False, False, True), seed=1),
    lambda task: Boosting(task, seed=1),
]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("classes", [2, 3])
def test_models_learn_classes_that_no_line_separates(make, classes: int) -> None:
    task = "binary" if classes == 2 else "multiclass"
    x, y = rings(1500, 1, classes)
    x_test, y_test = rings(600, 2, classes)
    model: Estimator = make(task).fit(x, y)
    p = model.predict_proba(x_test)
    assert p.shape == (600, classes)
    assert p.sum(axis=1) == pytest.approx(np.ones(600), abs=1e-5)
    assert np.mean(model.predict(x_test) == y_test) > 0.85


@pytest.mark.parametrize("make", MODELS)
def test_models_learn_a_number(make) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 3))
    y = 1000 + 50 * x[:, 0] * x[:, 1] + 20 * x[:, 2]
    model = make("regression")
    if isinstance(model, MLP):
        model.categorical = None
    model.fit(x[:1000], y[:1000])
    assert r2_score(y[1000:], model.predict(x[1000:])) > 0.85
    with pytest.raises(InvalidInput, match="probabilities"):
        model.predict_proba(x)


@pytest.mark.parametrize("make", MODELS)
def test_scikit_learn_tools_accept_the_models(make) -> None:
    x, y = rings(400, 3)
    model = clone(make("binary"))
    assert model.get_params()["seed"] == 1
    assert np.mean(cross_val_score(model, x, y, cv=2, scoring=lambda m, a, b: np.mean(m.predict(a) == b))) > 0.7


def test_equal_seeds_give_equal_networks_and_leave_torchs_own_stream_alone() -> None:
    x, y = rings(300, 4)
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    first, again, other = (MLP("binary", epochs=3, seed=s).fit(x, y).predict_proba(x) for s in (1, 1, 2))
    assert torch.rand(1) == expected
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_early_stopping_returns_to_the_best_epoch() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 20)), rng.integers(0, 2, 200)
    model = MLP("binary", epochs=200, patience=3, hidden=(64,), dropout=0.0, members=1, seed=0).fit(x, y)
    history = model.history_
    assert len(history.training) == len(history.validation) < 200
    assert history.best_epoch == int(np.argmin(history.validation))
    assert history.training[-1] < history.training[0]


def test_balanced_weights_raise_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.05).astype(int)
    x = rng.normal(size=(2000, 2)) + y[:, None] * 0.7
    plain = MLP("binary", epochs=8, seed=0).fit(x, y).predict(x).mean()
    balanced = MLP("binary", epochs=8, class_weight="balanced", seed=0).fit(x, y).predict(x).mean()
    assert balanced > plain + 0.1


def test_labels_may_be_texts_and_classes_keep_their_order() -> None:
    x, y = rings(300, 5)
    words = np.array(["young", "old"])[y]
    model = MLP("binary", epochs=10).fit(x, words)
    assert model.classes_.tolist() == ["old", "young"]
    assert set(model.predict(x)) <= {"old", "young"}


def test_probabilities_are_aligned_with_classes_that_training_lacked() -> None:
    x, y = rings(300, 6)
    got = probabilities_of(Boosting("binary").fit(x, y + 1), x, np.arange(4))
    assert got.shape == (300, 4)
    assert not got[:, [0, 3]].any()


def test_rows_that_cannot_be_learnt_from_are_refused_with_a_remedy() -> None:
    x, y = rings(50, 7)
    for make in MODELS:
        with pytest.raises(InvalidInput, match="one class"):
            make("binary").fit(x, np.zeros(50))
        with pytest.raises(InvalidInput, match="no column"):
            make("binary").fit(x[:, :0], y)
        with pytest.raises(InvalidInput, match="missing values"):
            make("regression").fit(x, np.full(50, np.nan))
        with pytest.raises(InvalidInput, match="fewer than two"):
            make("regression").fit(x[:1], y[:1])
    with pytest.raises(InvalidInput, match="3 classes"):
        MLP("binary").fit(x, np.arange(50) % 3)
    with pytest.raises(InvalidInput, match="Activation"):
        MLP("binary", activation="magic").fit(x, y)
    with pytest.raises(InvalidInput, match="Class weight"):
        MLP("binary", class_weight="heavy").fit(x, y)


def test_task_follows_from_the_target() -> None:
    assert task_of(np.array([0, 1, 1]), labelled=True) is Task.BINARY
    assert task_of(np.array([0, 1, 2]), labelled=True) is Task.MULTICLASS
    assert task_of(np.array([0.0, 1.0]), labelled=False) is Task.BINARY
    assert task_of(np.array([0.5, 1.0, 2.0]), labelled=False) is Task.REGRESSION


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [("standard", [-1.2247449, 0, 1.2247449]), ("minmax", [0, 0.5, 1]), ("robust", [-1, 0, 1]), ("none", [1, 2, 3])],
)
def test_scalings(scaling: str, expected: list[float]) -> None:
    got = Preparation([False], scaling).fit(np.array([[1.0], [2.0], [3.0]])).transform(np.array([[1.0], [2.0], [3.0]]))
    assert got[:, 0] == pytest.approx(expected)


def test_preparation_learns_from_training_rows_only() -> None:
    training = np.array([[1.0, 5], [2.0, 5], [np.nan, 6], [3.0, np.nan]])
    prepared = Preparation([False, True], "none").fit(training)
    assert prepared.width == 1 + 1 + 3
    got = prepared.transform(np.array([[np.nan, 7], [9.0, 5], [1e9, np.nan]]))
    assert got.tolist() == [[2, 1, 0, 0, 0], [9, 0, 0, 1, 0], [1e9, 0, 1, 0, 0]]


def test_preparation_survives_empty_and_constant_columns_and_bounds_categories() -> None:
    x = np.stack([np.full(50, np.nan), np.full(50, 3.0), np.arange(50.0)], axis=1)
    prepared = Preparation([False, False, True], max_categories=8).fit(x)
    got = prepared.transform(x)
    assert got.shape == (50, 2 + 1 + 8)
    assert np.isfinite(got).all()
    only = Preparation([True]).fit(x[:, 2:]).transform(x[:, 2:])
    assert only.shape == (50, 50)
    with pytest.raises(InvalidInput, match="Scaling"):
        Preparation([False], "log").fit(x[:, :1])


def test_scores_equal_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    p = rng.dirichlet(np.ones(3), 300)
    p[np.arange(300), y] += 0.2
    p /= p.sum(axis=1, keepdims=True)
    assert score.mean_auc(y, p) == pytest.approx(roc_auc_score(y, p, multi_class="ovr", average="macro"))
    rounded = np.round(p[:, 1], 1)
    assert score.auc(y == 1, rounded) == pytest.approx(roc_auc_score(y == 1, rounded))
    guess = p.argmax(axis=1)
    assert score.macro_f1(y, guess, 3) == pytest.approx(f1_score(y, guess, average="macro"))
    assert score.confusion(y, guess, 3).tolist() == confusion_matrix(y, guess).tolist()
    numbers = rng.normal(size=300)
    assert score.r2(numbers, numbers + 0.1) == pytest.approx(r2_score(numbers, numbers + 0.1))
    assert np.isnan(score.auc(np.ones(5, bool), np.arange(5.0)))
    assert np.isnan(score.r2(np.ones(5), np.arange(5.0)))


def test_roc_curve_rises_from_zero_to_one_and_encloses_the_auc() -> None:
    rng = np.random.default_rng(1)
    y = rng.random(2000) < 0.3
    s = rng.normal(size=2000) + y
    curve = score.roc_curve(y, s)
    assert len(curve["fpr"]) <= 103
    assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(curve["fpr"]) >= 0)
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(score.auc(y, s), abs=0.005)


def test_intervals_and_standard_error_agree() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(3000) < 0.4).astype(int)
    s = rng.normal(size=3000) + y
    p = np.stack([-s, s], axis=1)
    low, high = score.interval(score.mean_auc, y, p, rng, rounds=200)
    value = score.mean_auc(y, p)
    assert low < value < high
    width = 2 * 1.96 * score.auc_error(value, int(y.sum()), int((1 - y).sum()))
    assert high - low == pytest.approx(width, rel=0.3)


def test_calibration_of_true_probabilities_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(20_000)
    bins = score.calibration(rng.random(20_000) < p, p)
    assert len(bins) == 10
    assert all(abs(b["predicted"] - b["observed"]) < 0.04 for b in bins)
