"""From raw features to the inputs of a model, learnt from training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from models.classifiers.base import Floats
from models.errors import InvalidInput

SCALINGS = ("standard", "minmax", "robust", "none")
MISSING = ("median", "mean", "most_frequent", "constant")
ENCODINGS = ("onehot", "ordinal")
CLIP = 10.0
"""Scaled numbers are kept within +-10, so that an outlier in the test rows cannot blow up a prediction."""
MOST = float(np.finfo(np.float32).max)
_LEARNT = ("fill", "center", "scale", "gaps")


class Preparation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer: missing numbers are filled, with an indicator column where training rows had gaps;
    numbers are scaled; categories, missing included, become one column each (`onehot`) or their rank among the levels
    (`ordinal`; -1 if unknown). A category that training did not hold, or that was not among its `max_categories` most
    frequent, is all zeros (or -1).

    categorical: (F,) True where a column holds category codes; None: none does. scaling: standard (mean 0, standard
    deviation 1), minmax (0 to 1), robust (median 0, interquartile range 1), none. missing: what a gap becomes: the
    training median, mean, most frequent value, or `constant`.
    """

    def __init__(
        self,
        categorical: Sequence[bool] | None = None,
        scaling: str = "standard",
        max_categories: int = 64,
        missing: str = "median",
        constant: float = 0.0,
        indicators: bool = True,
        encoding: str = "onehot",
    ) -> None:
        self.categorical = categorical
        self.scaling = scaling
        self.max_categories = max_categories
        self.missing = missing
        self.constant = constant
        self.indicators = indicators
        self.encoding = encoding

    def fit(self, x: Floats, y: Any = None) -> Self:
        """Learn from training rows x (N, F), N >= 1."""
        for what, value, known in (
            ("Scaling", self.scaling, SCALINGS),
            ("Treatment of missing values", self.missing, MISSING),
            ("Encoding", self.encoding, ENCODINGS),
        ):
            if value not in known:
                raise InvalidInput(f"{what} {value!r} is not known.", hint=f"One of {', '.join(known)}.")
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or (self.categorical is not None and x.shape[1] != len(self.categorical)):
            raise InvalidInput(
                f"There are {len(self.categorical or ())} features, but the rows do not have as many columns."
            )
        self.n_features_in_ = x.shape[1]
        mask = self._mask()
        self.levels_: list[Floats] = []
        for column in _codes(x[:, mask]):
            levels, counts = np.unique(column, return_counts=True)
            frequent = np.argsort(-counts, kind="stable")[: self.max_categories]
            self.levels_.append(np.sort(levels[frequent]))
        numbers = self._numbers(x)
        present = np.isfinite(numbers)
        self.gaps_ = np.asarray(~present.all(axis=0)) & self.indicators
        self.fill_ = self._fill(numbers, present)
        filled = np.where(present, numbers, self.fill_)
        self.center_, scale = self._scaling(filled)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        return self

    def transform(self, x: Floats) -> npt.NDArray[np.float32]:
        """(N, F) -> float32 (N, `width`)."""
        x = np.asarray(x, np.float64)
        numbers = self._numbers(x)
        present = np.isfinite(numbers)
        scaled = (np.where(present, numbers, self.fill_) - self.center_) / self.scale_
        bound = MOST if self.scaling == "none" else CLIP
        parts = [np.clip(scaled, -bound, bound), ~present[:, self.gaps_]]
        out = np.zeros((len(x), self.width), np.float32)
        at = 0
        for part in parts:
            out[:, at : at + part.shape[1]] = part
            at += part.shape[1]
        if self.encoding == "ordinal":
            return out
        rows = np.arange(len(x))
        for column, levels in zip(_codes(x[:, self._mask()]), self.levels_, strict=True):
            place, known = _places(column, levels)
            out[rows[known], at + place[known]] = 1.0
            at += len(levels)
        return out

    @property
    def width(self) -> int:
        """Number of input columns."""
        onehot = 0 if self.encoding == "ordinal" else sum(map(len, self.levels_))
        return len(self.center_) + int(self.gaps_.sum()) + onehot

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> npt.NDArray[np.object_]:
        """Names of the input columns: `age`, `age missing`, `sex=1`."""
        mask = self._mask()
        names = [f"x{i}" for i in range(len(mask))] if input_features is None else list(input_features)
        labelled = [n for n, m in zip(names, mask, strict=True) if m]
        out = [n for n, m in zip(names, mask, strict=True) if not m]
        out += labelled if self.encoding == "ordinal" else []
        out += [f"{out[i]} missing" for i in np.flatnonzero(self.gaps_)]
        if self.encoding != "ordinal":
            out += [f"{n}={v:g}" for n, levels in zip(labelled, self.levels_, strict=True) for v in levels]
        return np.array(out, dtype=object)

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """What was learnt, as arrays, and the options, as JSON: `from_state` restores both."""
        arrays: dict[str, npt.NDArray[Any]] = {name: np.asarray(getattr(self, f"{name}_")) for name in _LEARNT}
        arrays["gaps"] = arrays["gaps"].astype(np.uint8)
        arrays["levels"] = np.concatenate(self.levels_) if self.levels_ else np.empty(0)
        options = {**self.get_params(), "categorical": [bool(m) for m in self._mask()]}
        return arrays, {"options": options, "levels": [len(levels) for levels in self.levels_]}

    @staticmethod
    def from_state(arrays: dict[str, npt.NDArray[Any]], about: dict[str, Any]) -> Preparation:
        """Inverse of state."""
        out = Preparation(**about["options"])
        for name in _LEARNT:
            setattr(out, f"{name}_", np.asarray(arrays[name]))
        out.gaps_ = out.gaps_.astype(bool)
        out.levels_ = np.split(np.asarray(arrays["levels"]), np.cumsum(about["levels"])[:-1]) if about["levels"] else []
        out.n_features_in_ = len(about["options"]["categorical"])
        return out

    def _mask(self) -> npt.NDArray[np.bool_]:
        return np.zeros(self.n_features_in_, bool) if self.categorical is None else np.asarray(self.categorical, bool)

    def _numbers(self, x: Floats) -> Floats:
        """Numbers, NaN where missing, and after them the ranks of categories where these are numbers too."""
        mask = self._mask()
        if self.encoding != "ordinal":
            return np.asarray(x[:, ~mask])
        ranks = [np.where(known, place, -1.0) for place, known in map(_places, _codes(x[:, mask]), self.levels_)]
        return np.concatenate([x[:, ~mask], *(r[:, None] for r in ranks)], axis=1)

    def _fill(self, numbers: Floats, present: npt.NDArray[np.bool_]) -> Floats:
        """(numbers,) what a gap becomes; 0 where training rows held no value at all."""
        if self.missing == "constant":
            return np.full(numbers.shape[1], float(self.constant))
        out = np.zeros(numbers.shape[1])
        for j in np.flatnonzero(present.any(axis=0)):
            column = numbers[present[:, j], j]
            if self.missing == "most_frequent":
                values, counts = np.unique(column, return_counts=True)
                out[j] = values[counts.argmax()]
            else:
                out[j] = np.median(column) if self.missing == "median" else column.mean()
        return out

    def _scaling(self, filled: Floats) -> tuple[Floats, Floats]:
        """Center and spread of each column."""
        if self.scaling == "standard":
            return filled.mean(axis=0), filled.std(axis=0)
        if self.scaling == "minmax":
            return filled.min(axis=0), np.ptp(filled, axis=0)
        if self.scaling == "robust" and filled.shape[1]:
            low, middle, high = np.percentile(filled, (25, 50, 75), axis=0)
            return middle, high - low
        return np.zeros(filled.shape[1]), np.ones(filled.shape[1])


def _codes(x: Floats) -> Floats:
    """Columns of codes, (C, N), -1 where missing."""
    return np.where(np.isfinite(x), x, -1.0).T


def _places(column: Floats, levels: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Place of each code among the levels, and whether it is one of them."""
    place = np.minimum(np.searchsorted(levels, column), len(levels) - 1)
    return place, levels[place] == column
