"""A table as features of the classification core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.matrix import Floats, Matrix


@dataclass(frozen=True, eq=False)
class Features:
    """x: float64 (N, F); sources: the column of each feature; categorical: (F,) which features are codes."""

    x: Floats
    sources: tuple[int, ...]
    categorical: tuple[bool, ...]


def features(matrix: Matrix, columns: Sequence[int] | None = None) -> Features:
    """Numbers as they are (NaN missing), labels as codes with each missing code a further label. A number with several
    missing codes brings a second feature that tells them apart."""
    chosen = range(len(matrix.columns)) if columns is None else columns
    parts: list[Floats] = []
    sources: list[int] = []
    categorical: list[bool] = []
    for j in chosen:
        column = matrix.columns[j]
        state = matrix.missing[:, j].astype(np.float64)
        if column.labelled:
            parts.append(np.where(state < 0, matrix.values[:, j], len(column.categories or ()) + state))
        else:
            parts.append(matrix.values[:, j])
        sources.append(j)
        categorical.append(column.labelled)
        if not column.labelled and len(column.missing_codes) > 1:
            parts.append(state)
            sources.append(j)
            categorical.append(True)
    x = np.stack(parts, axis=1) if parts else np.empty((len(matrix), 0))
    return Features(x, tuple(sources), tuple(categorical))
