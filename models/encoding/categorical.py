"""Labelled columns as cells; the tail of very many categories in a second stage, so that the width stays bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.conditions import Condition
from models.encoding.cells import Array
from models.errors import Detail, InvalidData
from models.schema import Column

MAX_CELLS = 512
"""Categories up to which every one has a cell of its own."""
FREQUENT = 256
"""Beyond MAX_CELLS: so many frequent ones keep a cell, the rest share groups (two stages)."""


@dataclass(frozen=True, eq=False)
class Categories:
    """cell_of (categories, 2): coarse and fine cell, -1 where a category never occurs in the training rows."""

    column: Column
    cell_of: Array
    fine: Array
    exact = True

    def knows(self, values: Array) -> Array:
        return np.asarray(self.cell_of[values.astype(np.int64), 0] >= 0)

    def encode(self, values: Array) -> Array:
        cells = self.cell_of[values.astype(np.int64)]
        if (cells < 0).any():
            message = f"Column {self.column.name!r} holds labels that the training rows do not."
            raise InvalidData(
                message, hint="Encode the training rows.", errors=[Detail(("column", self.column.name), message)]
            )
        return cells

    def decode(self, cells: Array, uniforms: Array, condition: Condition | None) -> Array:
        return self._inverse()[cells[:, 0], cells[:, 1]]

    def mass(self, condition: Condition) -> Array:
        inverse = self._inverse()
        if condition.values is None:
            return (inverse >= 0).astype(np.float64)
        allowed = np.isin(
            np.array([*(self.column.categories or ()), ""], dtype=object), np.array(condition.values, dtype=object)
        )
        allowed[-1] = False
        return allowed[inverse].astype(np.float64)

    def _inverse(self) -> Array:
        """Category of every cell: (coarse, max fine), -1 where there is none."""
        out = np.full((len(self.fine), int(self.fine.max(initial=1))), -1, np.int64)
        known = np.flatnonzero(self.cell_of[:, 0] >= 0)
        out[self.cell_of[known, 0], self.cell_of[known, 1]] = known
        return out

    def to_json(self) -> dict[str, Any]:
        return {"type": "categories"}

    def tensors(self) -> dict[str, Array]:
        return {"cell_of": self.cell_of.astype(np.int32)}


def categories_from(column: Column, tensors: Mapping[str, Array]) -> Categories:
    """Inverse of to_json and tensors."""
    cell_of = tensors["cell_of"].astype(np.int64)
    fine = np.zeros(int(cell_of[:, 0].max(initial=-1)) + 1, np.int64)
    np.maximum.at(fine, cell_of[cell_of[:, 0] >= 0, 0], cell_of[cell_of[:, 0] >= 0, 1] + 1)
    return Categories(column, cell_of, fine)


def fit_categories(codes: Array, column: Column) -> Categories:
    """codes (N,): indices into column.categories of the present training values."""
    counts = np.bincount(codes.astype(np.int64), minlength=len(column.categories or ()))
    cell_of = np.full((len(counts), 2), -1, np.int64)
    seen = np.flatnonzero(counts)
    if len(seen) <= MAX_CELLS:
        cell_of[seen] = np.stack([np.arange(len(seen)), np.zeros(len(seen), np.int64)], 1)
    else:
        ranked = seen[np.argsort(-counts[seen], kind="stable")]
        frequent, tail = ranked[:FREQUENT], ranked[FREQUENT:]
        cell_of[frequent] = np.stack([np.arange(FREQUENT), np.zeros(FREQUENT, np.int64)], 1)
        # Neighbours in the list of labels (often alike: codes, places) share a group.
        tail = np.sort(tail)
        groups = max(2, int(np.ceil(np.sqrt(len(tail)))))
        group = np.arange(len(tail)) * groups // len(tail)
        first = np.searchsorted(group, np.arange(groups))
        cell_of[tail] = np.stack([FREQUENT + group, np.arange(len(tail)) - first[group]], 1)
    return categories_from(column, {"cell_of": cell_of})
