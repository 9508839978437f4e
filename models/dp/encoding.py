"""The cells of a table whose domain is public: from the schema alone, never from rows.

    encoding = encoding_of(schema)          # sees no table
    codes = codes_of(table, encoding)       # (N, S), for models.dp.release

Labels have a cell each, as have missing codes and numbers of few possible values; other numbers and datetimes are cut
at their public edges, or evenly, and drawn evenly over the values that a bin can hold. A row is mapped to cells by
itself, whatever the other rows hold, and never refused: to refuse it would tell that there is such a row. What the
domain does not know goes to a fixed cell (`lenient`).
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.dates import second_decimals
from models.encoding.categorical import categories_from
from models.encoding.cells import Array, Codec, ColumnCells
from models.encoding.encoding import TableEncoding
from models.encoding.numeric import HEAPS, Curve
from models.encoding.surrogates import Surrogate
from models.privacy.domain import FEW, bounds, check_domain, number, public_part
from models.privacy.points import points_of
from models.progress import SILENT, Progress
from models.schema import Column, Kind, Schema
from models.table import Table, Values, parse_datetimes, parse_numbers

BINS = 32
"""Even bins of a number that has more than FEW possible values and no edges."""


def encoding_of(schema: Schema, bins: int = BINS) -> TableEncoding:
    """The encoding of a public schema; each modelled column takes one slot at most. Its schema is public_part(schema).

    Raises InvalidPrivacy where a modelled column's domain is not public.
    """
    check_domain(schema, discover=False)
    schema = public_part(schema)
    columns = tuple(
        ColumnCells(c, _labels(c) if c.labelled else curve_of(c, bins), tuple(range(len(c.missing_codes))))
        for c in schema.modelled
    )
    return TableEncoding(schema, columns, tuple(_surrogate(c) for c in schema.columns if not c.modelled))


def _labels(column: Column) -> Codec:
    labels = np.arange(len(column.categories or ()))
    return categories_from(column, {"cell_of": np.stack([labels, np.zeros_like(labels)], 1)})


def _surrogate(column: Column) -> Surrogate:
    """Knows nothing of the texts that it stands for: numbers, in an identifier of texts behind the column's name."""
    prefix = [("", letter) for letter in f"{column.name}-"]
    numbered = column.kind is Kind.IDENTIFIER and column.storage == "string"
    return Surrogate(column, tuple(prefix + [("9", "")] * 8) if numbered else (), (0.0,) * len(column.missing_codes))


def curve_of(column: Column, bins: int = BINS) -> Curve:
    """Cells of a public number or datetime: (L,) bins, ascending, each drawn evenly."""
    found = bounds(column)
    assert found is not None  # noqa: S101 - check_domain has seen it
    low, high, grid = _bins(column, *found, bins)
    count, decimals = len(low), second_decimals(column.datetime_format or "")
    return Curve(
        column,
        low,
        high,
        np.ones(count),
        np.arange(count),
        np.zeros(count, np.int64),
        np.zeros((count, len(HEAPS))),
        grid,
        decimals if column.kind is Kind.DATETIME else column.decimals,
    )


def _bins(column: Column, low: float, high: float, bins: int) -> tuple[Array, Array, float]:
    """First and last value of each bin, (L,) and (L,), and the grid that values lie on (0: none)."""
    edges = [low, *(v for e in column.edges or () if (v := number(e, column)) is not None), high]
    if column.edges:
        edges = edges[edges[0] == edges[1] : len(edges) - (edges[-1] == edges[-2])]
    points = points_of(column)
    if not points.grid:
        borders = edges if column.edges else list(np.linspace(low, high, bins + 1 if low < high else 2))
        ends = [(_up(a) if a_open else a, _down(b) if b_open else b) for a, b, a_open, b_open in _spans(borders)]
        return *_ascending(ends), 0.0
    if column.edges:
        spans = _spans(edges)
        places = [(points.first(a, a_open), points.last(b, b_open)) for a, b, a_open, b_open in spans]
    else:
        first, last = points.first(low), points.last(high)
        count = last - first + 1
        cut = [first + i * count // bins for i in range(bins + 1)] if count > FEW else list(range(first, last + 2))
        places = [(a, b - 1) for a, b in itertools.pairwise(cut)]
    places = [(a, b) for a, b in places if a <= b] or [(points.first(low),) * 2]
    ends = [(points.value(a), points.value(a) if a == b else points.until(b)) for a, b in places]
    return *_ascending(ends), points.grid


def _spans(borders: list[float]) -> list[tuple[float, float, bool, bool]]:
    """(from, to, without from, without to) of each bin: a border belongs to the bin above it, the last one to the last
    bin, and one that is written twice to the bin between the two."""
    pairs = list(itertools.pairwise(borders))
    single = [a == b for a, b in pairs]
    return [(a, b, i > 0 and single[i - 1], not single[i] and i < len(pairs) - 1) for i, (a, b) in enumerate(pairs)]


def _ascending(ends: list[tuple[float, float]]) -> tuple[Array, Array]:
    return np.array([a for a, b in ends if a <= b]), np.array([b for a, b in ends if a <= b])


def _up(number: float) -> float:
    """Two units in the last place, so that the middle between neighbouring bins parts them."""
    return math.nextafter(math.nextafter(number, math.inf), math.inf)


def _down(number: float) -> float:
    return math.nextafter(math.nextafter(number, -math.inf), -math.inf)


def codes_of(table: Table, encoding: TableEncoding, progress: Progress = SILENT) -> Array:
    """Cells (N, S) of the rows of a table, each row by itself. Raises nothing that depends on a row."""
    sizes = encoding.layout.sizes
    out = np.empty((len(table), len(sizes)), np.uint8 if max(sizes, default=0) <= 256 else np.int32)
    for i, column in enumerate(encoding.columns):
        progress.check()
        progress.update(i / len(encoding.columns), column.column.name)
        if column.sizes:
            found = lenient(table.column(column.column.name), column.column)
            out[:, encoding.slots[column.column.name]] = column.encode(found)
    return out


def lenient(raw: pa.ChunkedArray | pa.Array, column: Column) -> Values:
    """Stored column (N strings) -> Values of a column's public domain, each by itself, without an error.

    A label that the domain does not know, or a text that is no finite number or date, counts as missing: as a blank
    cell if "" is among the missing codes, else as the first of them. If the column has none, it counts as the first
    label, or as a number below all others (-inf: the lowest cell). Numbers outside of the bounds stay as they are.
    """
    raw = raw if isinstance(raw, pa.ChunkedArray) else pa.chunked_array([raw])
    dictionary = pc.dictionary_encode(pc.fill_null(raw.cast(pa.string()), "")).combine_chunks()
    if isinstance(dictionary, pa.ChunkedArray):  # of no rows
        dictionary = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    words, codes = dictionary.dictionary, dictionary.indices.to_numpy(zero_copy_only=False)
    missing = _index(words, column.missing_codes)
    values: Array
    if column.labelled:
        values = _index(words, column.categories or ()).astype(np.int32)
        known = values >= 0
    else:
        numbers = parse_numbers if column.numeric else functools.partial(parse_datetimes, form=_format(column))
        values = np.asarray(numbers(words), np.float64)
        known = np.isfinite(values)
    lost = ~known & (missing < 0)
    if column.missing_codes:
        missing[lost] = column.missing_codes.index("") if "" in column.missing_codes else 0
    else:
        values[lost] = 0 if column.labelled else -np.inf
    values[missing >= 0] = -1 if column.labelled else np.nan
    return Values(values[codes], missing[codes])


def _format(column: Column) -> str:
    return column.datetime_format or "%Y-%m-%d"


def _index(words: pa.Array, known: tuple[str, ...]) -> Array:
    found = pc.fill_null(pc.index_in(words, value_set=pa.array(known, pa.string())), -1)
    return np.array(found.to_numpy(zero_copy_only=False), np.int16 if len(known) < 32_000 else np.int32)
