"""Preparation: gaps, encodings and scalings against scikit-learn's, its state, and its place in a pipeline."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

from models.classifiers import Preparation, Task, make
from models.errors import InvalidInput


def rows(seed: int = 0, count: int = 200) -> np.ndarray:
    """Two numbers with gaps and a category of four codes."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.integers(0, 9, count), rng.normal(5, 2, count), rng.integers(0, 4, count)], axis=1)
    x[rng.random((count, 3)) < 0.1] = np.nan
    x[:, 2] = np.nan_to_num(x[:, 2], nan=2)
    return x


MASK = (False, False, True)


@pytest.mark.parametrize("missing", ["median", "mean", "most_frequent", "constant"])
@pytest.mark.parametrize(
    ("scaling", "theirs"),
    [("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("robust", RobustScaler())],
)
def test_gaps_and_scalings_are_scikit_learns(missing: str, scaling: str, theirs: object) -> None:
    x, new = rows(), rows(1)
    imputer = SimpleImputer(strategy=missing, fill_value=3.0, add_indicator=True)
    known = imputer.fit(x[:, :2]).transform(new[:, :2])
    scaler = clone(theirs).fit(imputer.transform(x[:, :2])[:, :2])
    expected = np.concatenate([scaler.transform(known[:, :2]), known[:, 2:]], axis=1)
    prepared = Preparation(MASK, scaling, missing=missing, constant=3.0).fit(x)
    assert prepared.transform(new)[:, :4] == pytest.approx(expected, abs=1e-5)


def test_encodings_are_scikit_learns_unknown_categories_included() -> None:
    x, new = rows(), rows(1)
    new[:5, 2] = 9
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(x[:, 2:])
    got = Preparation(MASK).fit(x).transform(new)
    assert np.array_equal(got[:, 4:], onehot.transform(new[:, 2:]))
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(x[:, 2:])
    prepared = Preparation(MASK, "none", encoding="ordinal", indicators=False).fit(x)
    assert prepared.width == 3
    assert np.array_equal(prepared.transform(new)[:, 2:], ordinal.transform(new[:, 2:]))


def test_names_of_the_inputs() -> None:
    names = Preparation(MASK).fit(rows()).get_feature_names_out(["age", "pay", "sex"])
    assert names.tolist() == ["age", "pay", "age missing", "pay missing", "sex=0", "sex=1", "sex=2", "sex=3"]
    ranks = Preparation(MASK, encoding="ordinal").fit(rows()).get_feature_names_out()
    assert ranks.tolist() == ["x0", "x1", "x2", "x0 missing", "x1 missing"]


@pytest.mark.parametrize("encoding", ["onehot", "ordinal"])
def test_state_restores_what_was_learnt(encoding: str) -> None:
    prepared = Preparation(MASK, "robust", missing="mean", encoding=encoding).fit(rows())
    again = Preparation.from_state(*prepared.state())
    assert np.array_equal(again.transform(rows(1)), prepared.transform(rows(1)))
    assert again.width == prepared.width
    numbers = Preparation().fit(rows()[:, :2])
    assert np.array_equal(
        Preparation.from_state(*numbers.state()).transform(rows(1)[:, :2]), numbers.transform(rows(1)[:, :2])
    )


def test_a_pipeline_prepares_by_each_training_fold_alone() -> None:
    seen = []

    class Watched(Preparation):
        def fit(self, x, y=None):
            seen.append(len(x))
            return super().fit(x, y)

    x = rows()
    y = (np.nan_to_num(x[:, 1]) > 5).astype(int)
    pipeline = make_pipeline(Watched(MASK), make("linear", Task.BINARY, [False] * 8))
    assert cross_val_score(pipeline, x, y, cv=4).mean() > 0.8
    assert seen == [150] * 4


def test_an_unknown_treatment_is_refused_with_the_known_ones() -> None:
    for options in ({"missing": "guess"}, {"encoding": "hash"}, {"scaling": "log"}):
        with pytest.raises(InvalidInput, match="not known") as caught:
            Preparation(MASK, **options).fit(rows())
        assert caught.value.hint.startswith("One of")
