"""The perceptron and the convolution as estimators: tasks, options, scikit-learn's own checks, save and load."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.artifacts import read_bundle, write_bundle
from models.classifiers.conv import Conv1D
from models.classifiers.mlp import MLP
from models.classifiers.preparation import Preparation
from models.errors import InvalidArtifact, InvalidInput

QUICK = {"epochs": 12, "members": 1, "hidden": (32,)}


def rows(count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and three labels that depend on one of them each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6))
    return x, (x[:, :3] + 0.2 * rng.normal(size=(count, 3)) > 0).astype(int)


XFAIL = {
    "check_sample_weight_equivalence_on_dense_data": "a row twice and a row of weight 2 fall into other batches",
}


@parametrize_with_checks(
    [MLP("multiclass", epochs=25, members=1), MLP("regression", epochs=25, members=1, hidden=(32,))],
    expected_failed_checks=lambda estimator: XFAIL,
)
def test_scikit_learns_own_checks(estimator, check) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_tasks_are_known_to_scikit_learn() -> None:
    assert is_classifier(MLP("binary"))
    assert is_classifier(Conv1D("multilabel"))
    assert is_regressor(MLP("multitarget"))


@pytest.mark.parametrize("loss", [None, "binary_crossentropy", "hinge", "squared_hinge", "mse", "mae"])
def test_several_labels_are_learnt_together(loss: str | None) -> None:
    x, y = rows()
    model = MLP("multilabel", loss=loss, epochs=30, members=1, hidden=(32,)).fit(x[:200], y[:200])
    p = model.predict_proba(x[200:])
    assert p.shape == (100, 3)
    assert ((p >= 0) & (p <= 1)).all()
    assert np.array_equal(model.predict(x[200:]), (p > 0.5).astype(int))
    assert np.mean(model.predict(x[200:]) == y[200:]) > 0.85


@pytest.mark.parametrize(
    "options",
    [{}, {"loss": "mae"}, {"loss": "msle"}, {"target": "log"}, {"target": "minmax", "output": "sigmoid"}],
    ids=lambda o: "-".join(map(str, o.values())) or "default",
)
def test_several_numbers_are_learnt_together(options: dict) -> None:
    x, _ = rows(400)
    y = np.exp(0.5 * x[:, :2]) * [1, 2]
    model = MLP("multitarget", epochs=30, members=1, hidden=(32,), **options).fit(x[:300], y[:300])
    assert model.predict(x[300:]).shape == (100, 2)
    assert model.score(x[300:], y[300:]) > 0.7


@pytest.mark.parametrize(
    "loss", [None, "categorical_crossentropy", "kl_divergence", "hinge", "squared_hinge", "mse", "mae"]
)
def test_losses_of_classes_can_be_overridden(loss: str | None) -> None:
    x, y = rows(400)
    for task, target in (("binary", y[:, 0]), ("multiclass", y[:, :2].sum(axis=1))):
        model = MLP(task, loss=loss, epochs=25, members=1, hidden=(32,), learning_rate=5e-3).fit(x[:300], target[:300])
        p = model.predict_proba(x[300:])
        assert p.sum(axis=1) == pytest.approx(np.ones(100))
        assert np.mean(model.predict(x[300:]) == target[300:]) > 0.75


def test_shares_of_classes_can_be_learnt() -> None:
    x, _ = rows(400)
    shares = np.exp(x[:, :3])
    shares /= shares.sum(axis=1, keepdims=True)
    for loss in ("kl_divergence", "categorical_crossentropy"):
        model = MLP("multiclass", loss=loss, epochs=30, members=2, hidden=(32,)).fit(x[:300], shares[:300])
        assert np.abs(model.predict_proba(x[300:]) - shares[300:]).mean() < 0.06
    with pytest.raises(InvalidInput, match="one class per row"):
        MLP("multiclass", **QUICK).fit(x, shares)
    with pytest.raises(InvalidInput, match="sum to 1"):
        MLP("multiclass", loss="kl_divergence", **QUICK).fit(x, 2 * shares)


def test_penalties_shrink_the_weights_and_l1_makes_them_sparse() -> None:
    x, y = rows()
    options = {"epochs": 40, "members": 1, "hidden": (32,), "validation": 0.0, "numbers": "plain", "weight_decay": 0.0}
    plain, first, second = (
        MLP("binary", dropout=0.0, **options, **o).fit(x, y[:, 0]).net_[0].weight.detach().abs()
        for o in ({}, {"l1": 3e-3}, {"l2": 3e-3})
    )
    assert first.mean() < plain.mean()
    assert second.square().sum() < 0.8 * plain.square().sum()
    assert (first < 0.02).double().mean() > 2 * (plain < 0.02).double().mean()


def test_weights_of_rows_and_classes_move_the_predictions() -> None:
    rng = np.random.default_rng(0)
    x, y = np.zeros((400, 1)), np.repeat([0, 1], 200)
    x[:, 0] = rng.normal(size=400)
    for heavy in ({"sample_weight": np.where(y == 1, 9.0, 1.0)}, {}):
        options = {} if heavy else {"class_weight": {0: 1, 1: 9}}
        p = MLP("binary", dropout=0.0, **QUICK, **options).fit(x, y, **heavy).predict_proba(x)[:, 1]
        assert p.mean() == pytest.approx(0.9, abs=0.06)
    noisy = np.where(np.arange(400) % 2, 5.0, 100.0)
    model = MLP("regression", **QUICK).fit(x, noisy, sample_weight=np.arange(400) % 2)
    assert model.predict(x).mean() < 20
    with pytest.raises(InvalidInput, match="non-zero"):
        MLP("binary", **QUICK).fit(x, y, sample_weight=np.zeros(400))
    with pytest.raises(InvalidInput, match="Class weights"):
        MLP("regression", class_weight="balanced", **QUICK).fit(x, noisy)


def test_members_differ_and_their_average_is_better_than_most_of_them() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 8))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=600)
    model = MLP("regression", epochs=25, members=4).fit(x[:300], y[:300])
    together = model.score(x[300:], y[300:])
    state = {k: v.clone() for k, v in model.net_.state_dict().items()}
    alone = []
    for m in range(4):
        model.net_.load_state_dict({k: v[[m] * 4] if v.dim() and v.shape[0] == 4 else v for k, v in state.items()})
        alone.append(model.score(x[300:], y[300:]))
    assert len(set(alone)) == 4
    assert together > sorted(alone)[-2]


def test_learning_rate_test_rises_and_suggests_a_rate_that_learns() -> None:
    x, y = rows()
    model = MLP("binary", optimizer="sgd", momentum=0.0, **QUICK)
    found = model.learning_rates(x, y[:, 0], low=1e-5, high=100.0, steps=60)
    assert np.all(np.diff(found.rates) > 0)
    assert len(found.rates) == len(found.losses) <= 60
    assert 1e-4 < found.suggestion < 50
    assert not hasattr(model, "net_")
    learnt = MLP("binary", optimizer="sgd", learning_rate=found.suggestion, **QUICK).fit(x, y[:, 0])
    assert learnt.score(x, y[:, 0]) > 0.85
    with pytest.raises(InvalidInput, match="tested"):
        model.learning_rates(x, y[:, 0], low=1.0, high=0.1)


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two channels of 16 steps; the class is the shape of a bump, wherever it stands; and one feature of noise."""
    rng = np.random.default_rng(seed)
    y, at = rng.integers(0, 2, count), rng.integers(0, 12, count)
    x = 0.2 * rng.normal(size=(count, 33))
    for row in range(count):
        x[row, at[row] : at[row] + 4] += [1, 1, -1, -1] if y[row] else [1, -1, 1, -1]
    return x, y


def test_convolution_finds_a_shape_wherever_it_stands() -> None:
    (x, y), (x_test, y_test) = waves(400, 0), waves(300, 1)
    options = {"epochs": 20, "members": 1, "hidden": (16,)}
    conv = Conv1D("binary", ordered=range(32), channels=2, filters=(16,), pool=4, scaling="none", **options).fit(x, y)
    flat = MLP("binary", numbers="plain", scaling="none", **options).fit(x, y)
    assert conv.score(x_test, y_test) > 0.95
    assert conv.score(x_test, y_test) > flat.score(x_test, y_test)
    assert "Beside" in conv.summary()
    for bad in ({"channels": 2}, {"ordered": (0, 0)}, {"ordered": (99,)}):
        with pytest.raises(InvalidInput):
            Conv1D("binary", **bad).fit(x, y)


def test_searches_and_pipelines_of_scikit_learn_work() -> None:
    x, y = rows(120)
    x[::9, 4] = np.nan
    pipe = make_pipeline(Preparation(), MLP("binary", **QUICK))
    assert cross_val_score(pipe, x, y[:, 0], cv=3).mean() > 0.65
    search = GridSearchCV(MLP("binary", **QUICK), {"learning_rate": [1e-6, 1e-2]}, cv=2).fit(x, y[:, 0])
    assert search.best_params_ == {"learning_rate": 1e-2}


def fitted() -> list[MLP]:
    x, y = rows(100)
    quick = {"epochs": 2, "members": 2, "hidden": (8, 4)}
    letters = np.array(list("abcd"))[y.sum(axis=1)]
    return [
        MLP("multiclass", (False,) * 5 + (True,), numbers="periodic", **quick).fit(np.round(x), letters),
        MLP("multitarget", batch_norm=True, activation="prelu", target="minmax", **quick).fit(x, x[:, :2]),
        Conv1D("multilabel", ordered=(3, 1), **quick).fit(x, y),
    ]


def test_saved_models_predict_as_before(tmp_path: Path) -> None:
    x, _ = rows(50, 1)
    for number, model in enumerate(fitted()):
        model.save(tmp_path / str(number))
        again = type(model).load(tmp_path / str(number))
        assert np.array_equal(again.predict(np.round(x)), model.predict(np.round(x)))
        assert again.summary() == model.summary()
        assert again.get_params().keys() == model.get_params().keys()
        assert again.history_.training == model.history_.training
        other = Conv1D if type(model) is MLP else MLP
        with pytest.raises(InvalidArtifact, match="holds no"):
            other.load(tmp_path / str(number))


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    fitted()[1].save(tmp_path / "a")
    manifest, tensors = read_bundle(tmp_path / "a", "classifier")
    name = next(n for n in tensors if n.endswith("weight"))

    def changed(path: str, value: object) -> dict:
        out = json.loads(json.dumps(manifest))
        at = out
        *parts, last = path.split("/")
        for part in parts:
            at = at[part]
        at[last] = value
        return out

    attacks = [
        (changed("plan/hidden", [10**12]), tensors),
        (changed("plan/members", 10**9), tensors),
        (changed("plan/hidden", [8] * 300), tensors),
        (changed("options/activation", "__import__('os')"), tensors),
        (changed("options/extra", 1), tensors),
        (changed("goal/loss", "magic"), tensors),
        (changed("goal/outputs", 7), tensors),
        (manifest, tensors | {"preparation.center": np.zeros(3)}),
        (changed("classes", None) | {"plan": None}, tensors),
        (manifest, {n: t for n, t in tensors.items() if n != name}),
        (manifest, tensors | {name: tensors[name][:1]}),
        (manifest, tensors | {name: tensors[name].astype(np.float32)}),
        (manifest, tensors | {name: np.full_like(tensors[name], np.nan)}),
        (manifest, {n: t for n, t in tensors.items() if not n.startswith("preparation.")}),
    ]
    for number, (body, arrays) in enumerate(attacks):
        folder = tmp_path / f"bad{number}"
        write_bundle(folder, "classifier", body, arrays)
        with pytest.raises(InvalidArtifact):
            MLP.load(folder)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(InvalidArtifact):
        MLP.load(tmp_path / "a")
