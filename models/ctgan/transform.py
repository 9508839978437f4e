"""A table as the GAN sees it, and back to the cells of its encoding.

Numbers take mode-specific normalisation (Xu et al. 2019, section 4.2): a mode of a Gaussian mixture, and a scalar
inside it. Heavy single values and missing codes are modes of their own, without a scalar. Labelled columns and
numbers of few values are the cells of the encoding. On the way back a number is clamped to the curve of its column
and handed to the same decoding as that of the masked generator, as a cell and a place within it: bounds, grid,
precision, missing codes and labels hold whatever the network puts out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.ctgan.mixture import Mixture
from models.ctgan.numbers import Numbers, fit_numbers
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.encoding.numeric import Curve
from models.progress import SILENT, Progress
from models.rng import stream
from models.table import Table, Values

FEW = 24
"""Cells up to which a number is treated as a category."""
CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Transform:
    """How the columns of an encoding become spans: one choice among cells (or modes) each.

    numbers: by index of the column in encoding.columns. Spans come in the order of columns; a number has one, and one
    scalar beside it; any other column one for each of its slots.
    """

    encoding: TableEncoding
    numbers: Mapping[int, Numbers]

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Index of the column of each span."""
        return tuple(
            i for i, c in enumerate(self.encoding.columns) for _ in range(1 if i in self.numbers else len(c.sizes))
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each span."""
        return tuple(
            size
            for i, c in enumerate(self.encoding.columns)
            for size in ((self.numbers[i].size,) if i in self.numbers else c.sizes)
        )

    @cached_property
    def conditional(self) -> tuple[int, ...]:
        """Spans that a condition vector can name: the first of each column that is no number."""
        return tuple(t for t, i in enumerate(self.columns) if i not in self.numbers and t == self.columns.index(i))

    def encode(self, table: Table, codes: Array, seed: int, progress: Progress = SILENT) -> tuple[Array, Array]:
        """Rows and their cells (N, S) -> span cells (N, T) of the smallest type, scalars (N, A) float32."""
        small = np.uint8 if max(self.sizes, default=0) <= 256 else np.int16
        spans = np.empty((len(table), len(self.sizes)), small)
        scalars = np.empty((len(table), len(self.numbers)), np.float32)
        slots = self._slots
        for t, i in enumerate(self.columns):
            progress.check()
            if i not in self.numbers:
                spans[:, t] = codes[:, slots[t]]
                continue
            values = table.values(self.encoding.columns[i].column.name)
            u = stream(seed, "modes", i).random(len(table))
            a = list(self.numbers).index(i)
            for first in range(0, len(table), CHUNK):
                at = slice(first, first + CHUNK)
                part = Values(values.values[at], values.missing[at])
                spans[at, t], scalars[at, a] = self.numbers[i].encode(part, self.encoding.columns[i].missing, u[at])
        return spans, scalars

    def decode(self, spans: Array, scalars: Array, uniforms: Array) -> tuple[Array, Array]:
        """Span cells (N, T), scalars (N, A), uniforms (N, U) -> cells (N, S) and uniforms for TableEncoding.decode."""
        cells = np.zeros((len(spans), len(self.encoding.layout.sizes)), np.int64)
        uniforms = uniforms.copy()
        slots = self._slots
        for t, i in enumerate(self.columns):
            if i not in self.numbers:
                cells[:, slots[t]] = spans[:, t]
                continue
            column = self.encoding.columns[i]
            a = list(self.numbers).index(i)
            found, place = self.numbers[i].decode(spans[:, t], scalars[:, a].astype(np.float64), column)
            cells[:, self.encoding.slots[column.column.name]] = found
            uniforms[:, 2 * i] = place
        return cells, uniforms

    @cached_property
    def _slots(self) -> tuple[int, ...]:
        """The (first) slot of each span."""
        out = []
        for t, i in enumerate(self.columns):
            first = self.encoding.slots[self.encoding.columns[i].column.name].start
            out.append(first + t - self.columns.index(i))
        return tuple(out)

    def to_json(self) -> dict[str, Any]:
        return {"numbers": list(self.numbers)}

    def tensors(self) -> dict[str, Array]:
        out = {}
        for i, n in self.numbers.items():
            out[f"numbers.{i}.mixture"] = np.stack([n.mixture.mean, n.mixture.deviation, n.mixture.share])
            out[f"numbers.{i}.spikes"] = n.spikes.astype(np.float64)
        return out


def fit_transform(table: Table, encoding: TableEncoding, progress: Progress = SILENT) -> Transform:
    """Fit the modes of every number to the training rows."""
    numbers: dict[int, Numbers] = {}
    for i, cells in enumerate(encoding.columns):
        progress.check()
        if isinstance(cells.codec, Curve) and (len(cells.sizes) > 1 or max(cells.sizes, default=0) > FEW):
            values = table.values(cells.column.name)
            numbers[i] = fit_numbers(values.values[values.missing < 0], cells)
    return Transform(encoding, numbers)


def transform_from(encoding: TableEncoding, raw: Mapping[str, Any], tensors: Mapping[str, Array]) -> Transform:
    """Inverse of to_json and tensors. Raises KeyError, ValueError or TypeError on parts that do not fit."""
    numbers = {}
    for i in map(int, raw["numbers"]):
        mean, deviation, share = tensors[f"numbers.{i}.mixture"]
        if not (deviation > 0).all() or not isinstance(encoding.columns[i].codec, Curve):
            raise ValueError("the modes of a column")
        spikes = tensors[f"numbers.{i}.spikes"]
        numbers[i] = Numbers(Mixture(mean, deviation, share), spikes, len(encoding.columns[i].missing))
    return Transform(encoding, numbers)
