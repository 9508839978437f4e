"""What every encoding of a column has in common: value cells first, then one cell per missing code.

A column takes one slot (a cell) or two (a coarse cell, and a fine cell inside it); a slot is what the generator draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.conditions import Condition
from models.errors import InvalidArtifact
from models.schema import Column, Kind
from models.table import Values

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Restriction:
    """What a condition leaves of a column's cells.

    mass (coarse, fine): share of each cell's values that meet it, 0 to 1; fine is 1 for a column of one slot.
    condition: what decoded values must meet beside; None where the cells say it all.
    """

    condition: Condition | None
    mass: Array


class Codec(Protocol):
    """Values that are present <-> cells.

    fine (coarse,): how many fine cells each coarse cell has, at least 1.
    """

    @property
    def fine(self) -> Array: ...

    @property
    def exact(self) -> bool:
        """Whether every cell is one value."""

    def knows(self, values: Array) -> Array:
        """Which values (N,) have a cell: bool (N,)."""

    def encode(self, values: Array) -> Array:
        """Values (N,) -> cells (N, 2): coarse, fine. Raises InvalidData where a value has no cell."""

    def decode(self, cells: Array, uniforms: Array, condition: Condition | None) -> Array:
        """Cells (N, 2) and uniforms (N, 2) -> values (N,) that meet the condition."""

    def mass(self, condition: Condition) -> Array:
        """Share of each cell's values that meets the condition: (coarse, max fine)."""

    def to_json(self) -> dict[str, Any]: ...

    def tensors(self) -> dict[str, Array]: ...


@dataclass(frozen=True, eq=False)
class ColumnCells:
    """One modelled column: its codec and the missing codes that occur in the training rows."""

    column: Column
    codec: Codec
    missing: tuple[int, ...]

    @property
    def fine(self) -> Array:
        """Fine cells of each coarse cell, missing codes included: (coarse,)."""
        return np.concatenate([self.codec.fine, np.ones(len(self.missing), np.int64)])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each slot: (coarse,) or (coarse, fine); () for a constant column, which needs no slot."""
        coarse, fine = len(self.fine), int(self.fine.max(initial=1))
        return (coarse, fine) if fine > 1 else (coarse,) if coarse > 1 else ()

    @property
    def ordered(self) -> tuple[int, ...]:
        """Cells of each slot that follow each other in order, the first ones; 0 where they are mere labels."""
        sizes = self.sizes
        if self.column.labelled and (self.column.kind is not Kind.ORDINAL or len(sizes) > 1):
            return (0,) * len(sizes)
        return (len(self.codec.fine), *sizes[1:])[: len(sizes)]

    def encode(self, values: Values) -> Array:
        """Values -> cells (N, slots)."""
        present = values.missing < 0
        cells = np.zeros((len(present), 2), np.int64)
        cells[present] = self.codec.encode(values.values[present])
        first = len(self.codec.fine)
        for i, code in enumerate(self.missing):
            cells[values.missing == code, 0] = first + i
        return cells[:, : len(self.sizes)]

    def decode(self, cells: Array, uniforms: Array, condition: Condition | None = None) -> Values:
        """Cells (N, slots) and uniforms (N, 2) -> Values that meet the condition."""
        full = np.zeros((len(cells), 2), np.int64)
        full[:, : cells.shape[1]] = cells
        first = len(self.codec.fine)
        present = full[:, 0] < first
        missing = np.full(len(cells), -1, np.int16)
        missing[~present] = np.array(self.missing, np.int16)[full[~present, 0] - first]
        labelled = self.column.labelled
        values: Array = np.full(len(cells), -1 if labelled else np.nan, np.int32 if labelled else np.float64)
        if present.any():
            values[present] = self.codec.decode(full[present], uniforms[present], condition)
        return Values(values, missing)

    def restrict(self, condition: Condition) -> Restriction:
        """The cells that meet the condition, missing ones included."""
        mass = np.zeros((len(self.fine), int(self.fine.max(initial=1))))
        first = len(self.codec.fine)
        if condition.missing:
            mass[first:, 0] = 1
        else:
            found = self.codec.mass(condition)
            mass[:first, : found.shape[1]] = found
            if condition.missing is None:
                mass[first:, 0] = 1
        return Restriction(condition, mass)


def need(raw: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    """raw[key], of this type. Raises InvalidArtifact."""
    value = raw.get(key)
    if not isinstance(value, kind):
        raise InvalidArtifact(
            f"The synthesizer's encoding lacks a proper {key!r}.", hint="The files are damaged: train again."
        )
    return value


def plain(condition: Condition | None) -> Condition | None:
    """None instead of a condition that lets every present value through."""
    if condition is None or condition == replace(Condition(condition.column), missing=condition.missing):
        return None
    return condition
