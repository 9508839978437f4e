"""CSV files as the matrices that models.evaluation measures.

A column is a number if the training rows parse as numbers with more than 15 distinct values, otherwise a category; so
do the published tables and this project's yardstick, so that figures compare.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.evaluation.matrix import Matrix
from models.schema import Column, Kind

DISTINCT = 15
MISSING = "nan"
CODED = "-9"
"""Below every value of the tables that have a code, as statistical offices write it."""


def read(path: Path | str, code: str | None = None) -> pd.DataFrame:
    """A file to be scored. code: what stands for missing in it; it becomes CODED, so that numbers stay numbers."""
    if code is None:
        return pd.read_csv(path, skipinitialspace=True, low_memory=False)
    cells = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True).replace(code, CODED)
    return pd.read_csv(io.StringIO(cells.to_csv(index=False)), low_memory=False)


def numbers(train: pd.DataFrame) -> list[str]:
    """Names of the columns that are numbers."""
    return [c for c in train if pd.api.types.is_numeric_dtype(train[c]) and train[c].nunique() > DISTINCT]


@dataclass(frozen=True)
class Reader:
    """Reads frames under the columns of the training rows, so that equal values are equal in all of them."""

    types: dict[str, str]
    """Per column: number, code (a short numeric one) or label."""
    known: dict[str, tuple[str, ...]]
    """Labels of the training rows, sorted, per column that is no number."""

    @staticmethod
    def fit(train: pd.DataFrame) -> Reader:
        chosen = set(numbers(train))
        types = {
            c: "number" if c in chosen else "code" if pd.api.types.is_numeric_dtype(train[c]) else "label"
            for c in map(str, train.columns)
        }
        known = {c: tuple(sorted(set(_labels(train[c], types[c])))) for c in types if types[c] != "number"}
        return Reader(types, known)

    def matrices(self, *frames: pd.DataFrame) -> list[Matrix]:
        """One matrix (N, D) per frame, over common columns: labels of the training rows first, then new ones.

        Raises ValueError naming the columns that a frame lacks.
        """
        for frame in frames:
            if absent := [c for c in self.types if c not in frame]:
                raise ValueError(f"The table lacks column(s) {', '.join(absent)}.")
        texts = {c: [_labels(f[c], self.types[c]) for f in frames] for c in self.known}
        columns = []
        for name, kind in self.types.items():
            if kind == "number":
                columns.append(Column(name, Kind.DECIMAL, missing_codes=("",)))
            else:
                new = set().union(*map(set, texts[name])) - set(self.known[name])
                columns.append(Column(name, Kind.CATEGORICAL, categories=(*self.known[name], *sorted(new))))
        out = []
        for i, frame in enumerate(frames):
            values = np.empty((len(frame), len(columns)), order="F")
            for j, column in enumerate(columns):
                if column.labelled:
                    values[:, j] = pd.Index(column.categories or ()).get_indexer(texts[column.name][i])
                else:
                    values[:, j] = pd.to_numeric(frame[column.name], errors="coerce").to_numpy(float)
            out.append(Matrix(tuple(columns), values, np.where(np.isnan(values), 0, -1).astype(np.int16)))
        return out

    def features(self, matrix: Matrix, columns: list[int]) -> np.ndarray:
        """(N, len(columns)) numbers and codes; labels that the training rows do not have are -1, missing is NaN."""
        out = matrix.values[:, columns].copy()
        for k, j in enumerate(columns):
            if matrix.columns[j].labelled:
                known = len(self.known[matrix.columns[j].name])
                out[:, k] = np.where(out[:, k] < known, out[:, k], -1)
        return out


def _labels(series: pd.Series, kind: str) -> list[str]:
    """Codes as the shortest form of their number (2.0 is 2), labels without blanks around them."""
    if kind == "code":
        found = pd.to_numeric(series, errors="coerce")
        return [MISSING if np.isnan(v) else f"{v:g}" for v in found.to_numpy(float)]
    return [MISSING if pd.isna(v) else str(v).strip() for v in series]
