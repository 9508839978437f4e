"""What an estimator is given, checked as scikit-learn's own tools expect it, with our words for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from models.classifiers.base import Floats, Labels, Task, Unusable, check_rows


def checked(
    model: Any, x: Any, y: Any, sample_weight: Any = None, *, shares: bool = False
) -> tuple[Floats, Labels, Floats]:
    """-> features (N, F) float64, NaN where missing; target (N,) or (N, T); weights (N,), above 0 on average.

    shares: whether a target of classes may be shares (N, K). Records the number and names of the features on the model.
    Raises Unusable, which is both InvalidInput and ValueError.
    """
    task = Task(model.task)
    with _in_our_words("features"):
        x = validate_data(model, x, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
    if y is None:
        raise Unusable(f"{type(model).__name__} requires y to be passed, but the target y is None.", hint="Give y.")
    with _in_our_words("target"):
        y = check_array(y, ensure_2d=False, dtype=None, allow_nd=False, input_name="y", ensure_min_samples=2)
        if y.ndim == 2 and not task.several and (y.shape[1] == 1 or not shares):
            y = column_or_1d(y, warn=True)
        if not task.classes and y.dtype.kind != "f":
            y = y.astype(np.float64)
        if task.classes and y.ndim == 1:
            check_classification_targets(y)
        check_consistent_length(x, y)
    if y.ndim == 2 and not task.several:
        _check_shares(y)
    else:
        check_rows(x, y, task)
    with _in_our_words("weights"):
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not weights.sum() > 0:  # older releases of scikit-learn let it pass
        raise Unusable("All rows weigh nothing.", hint="Give at least one row a weight above 0.")
    return x, y, weights


def checked_inputs(model: Any, x: Any) -> Floats:
    """Features (N, F) to predict from, float64. Raises Unusable where they are not those that were learnt."""
    with _in_our_words("features"):
        return np.asarray(validate_data(model, x, reset=False, dtype=np.float64, ensure_all_finite="allow-nan"))


def _check_shares(y: Labels) -> None:
    if y.dtype.kind not in "fiu" or (y < 0).any() or not np.allclose(y.sum(axis=1), 1, atol=1e-4):
        raise Unusable("Shares of classes must be 0 or more and sum to 1 in every row.", hint="Divide by their sum.")


@contextmanager
def _in_our_words(what: str) -> Iterator[None]:
    """scikit-learn's refusals as ours. Its sentences name shapes, but of a text they repeat the value."""
    try:
        yield
    except Unusable:
        raise
    except ValueError as error:
        text = str(error).split("\n")[0]
        if "could not convert" in text:
            raise Unusable(f"The {what} hold texts.", hint="Give categories as codes, numbers as numbers.") from None
        if "sample(s)" in text:
            raise Unusable(f"There are fewer than two rows to learn from. {text}", hint="Give more rows.") from None
        if "feature(s)" in text:
            raise Unusable(
                f"There is no column to learn from. {text}", hint="Keep at least one column beside the target."
            ) from None
        if "contains NaN" in text or "contains infinity" in text:
            raise Unusable(
                f"The {what} hold missing values or infinity. {text}", hint=f"Drop rows without finite {what} first."
            ) from None
        if "Expected 2D" in text:
            raise Unusable("The features are not (rows, columns). Reshape your data.", hint="Give a table.") from None
        raise Unusable(f"The {what} cannot be used. {text}", hint="See the message for what was expected.") from None
