"""A table in the source's own spelling, and its columns as numbers and codes.

Stored form: one Arrow string column per column of the source, null where a Parquet source had null. Nothing is lost by
it (missing codes, zero padding, date formats), and all readers and writers share it. `read_values` turns a column into
numbers or codes under its schema; `write_values` is the inverse; models/streaming.py writes it out for users. No torch;
pandas only inside functions (the service imports this module and must stay small).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.dates import FRACTION, plain_format, second_decimals, seconds_of
from models.errors import Detail, InvalidSchema
from models.schema import Column, Kind, Schema

GROUP_CELLS = 4 * 1024**2
"""Cells per Parquet row group: each adds a few hundred bytes per column to the footer, which readers hold whole."""
GROUP_ROWS = 65_536
"""Rows per row group of a narrow table."""
BATCH_CELLS = 64 * 1024
"""Cells per batch, the unit of streaming: counted in cells, a wide table needs no more memory than a long one."""
PAGES_BYTES = 1024**2
"""Of one page of every column."""


@dataclass(frozen=True, eq=False)
class Values:
    """One column as numbers.

    values: float64 (N,), seconds since 1970 for datetimes, NaN where missing; for labelled kinds int32 codes into
    `categories`, -1 where missing. missing: int16 (N,), -1 where present, else the index into `missing_codes`.
    """

    values: npt.NDArray[Any]
    missing: npt.NDArray[np.int16]

    def numbers(self) -> npt.NDArray[np.float64]:
        """float64 (N,), NaN where missing."""
        return np.where(self.missing < 0, self.values, np.nan).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class Table:
    """A schema and its rows in stored form."""

    schema: Schema
    data: pa.Table

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def names(self) -> list[str]:
        """Columns that the rows have, in order."""
        return list(self.data.column_names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Column `name` in stored form."""
        return self.data.column(name)

    def values(self, name: str) -> Values:
        """Column `name` as numbers or codes. Raises InvalidSchema where a cell does not fit the schema."""
        return self.read(self.schema[name])

    def read(self, column: Column) -> Values:
        """The column of that name as this description has it. Raises InvalidSchema where a cell does not fit it."""
        return read_values(self.column(column.name), column)

    def take(self, rows: npt.NDArray[Any] | slice) -> Table:
        """The rows at these positions (a slice is free of copies)."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return replace(self, data=self.data.slice(start, stop - start))
        return replace(self, data=self.data.take(pa.array(rows)))

    def part(self, rows: npt.NDArray[Any]) -> Table:
        """The rows at these ascending positions, without a second copy of a long table in memory."""
        return self if len(rows) == len(self) else Selection(self, rows)

    def select(self, names: Sequence[str]) -> Table:
        """These columns only, in this order."""
        schema = replace(self.schema, columns=tuple(self.schema[n] for n in names))
        return Table(schema, self.data.select(list(names)))


SPARSE = 20
"""Rows to read for one that is wanted, from which the wanted ones are taken out first."""


class Selection(Table):
    """Rows of another table, taken column by column as they are asked for."""

    def __init__(self, whole: Table, rows: npt.NDArray[Any]) -> None:
        """rows: ascending positions in `whole`."""
        for name, value in (("schema", whole.schema), ("_whole", whole), ("_rows", rows)):
            object.__setattr__(self, name, value)

    _whole: Table
    _rows: npt.NDArray[Any]

    @property
    def data(self) -> pa.Table:
        """A copy of the rows."""
        return self._whole.data.take(pa.array(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> list[str]:
        return self._whole.names

    def column(self, name: str) -> pa.ChunkedArray:
        return self._whole.column(name).take(pa.array(self._rows))

    def read(self, column: Column) -> Values:
        first, end = (int(self._rows[0]), int(self._rows[-1]) + 1) if len(self) else (0, 0)
        if end - first > SPARSE * len(self):
            return super().read(column)
        # Numbers are smaller than texts: the span is read as it lies, and then thinned out.
        found = read_values(self._whole.column(column.name).slice(first, end - first), column)
        at = self._rows - first
        return Values(found.values[at], found.missing[at])

    def take(self, rows: npt.NDArray[Any] | slice) -> Table:
        at = self._rows[rows]
        ascending = isinstance(rows, slice) or bool((np.diff(at) > 0).all())
        return Selection(self._whole, at) if ascending else self._whole.take(at)

    def part(self, rows: npt.NDArray[Any]) -> Table:
        return Selection(self._whole, self._rows[rows])

    def select(self, names: Sequence[str]) -> Table:
        return Selection(self._whole.select(names), self._rows)


def _contradiction(column: Column, what: str, hint: str) -> InvalidSchema:
    message = f"Column {column.name!r}: {what}."
    return InvalidSchema(message, hint=hint, errors=[Detail(("column", column.name), what, hint)])


def _line(raw: pa.ChunkedArray, bad_values: pa.Array) -> int:
    """Number of the first line of the source that holds one of the values (the header is line 1)."""
    hits = pc.indices_nonzero(pc.is_in(pc.fill_null(raw, ""), value_set=bad_values))
    return int(hits[0].as_py()) + 2 if len(hits) else 0


def read_values(raw: pa.ChunkedArray | pa.Array, column: Column) -> Values:
    """Stored column (N strings) -> Values. Raises InvalidSchema naming column and line, never the value."""
    raw = raw if isinstance(raw, pa.ChunkedArray) else pa.chunked_array([raw])
    dictionary = pc.dictionary_encode(pc.fill_null(raw.cast(pa.string()), "")).combine_chunks()
    if isinstance(dictionary, pa.ChunkedArray):
        dictionary = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    words, codes = dictionary.dictionary, dictionary.indices.to_numpy(zero_copy_only=False)
    missing_of = pc.index_in(words, value_set=pa.array(column.missing_codes, pa.string()))
    missing_of = pc.fill_null(missing_of, -1).to_numpy(zero_copy_only=False).astype(np.int16)
    present = missing_of < 0
    kept = words.filter(pa.array(present))
    out: npt.NDArray[Any]
    if column.labelled:
        out = np.full(len(words), -1, np.int32)
        found = pc.index_in(kept, value_set=pa.array(column.categories or (), pa.string()))
        if found.null_count:
            line = _line(raw, kept.filter(pc.is_null(found)))
            raise _contradiction(
                column,
                f"{found.null_count} distinct value(s) are neither categories nor missing codes (first at line {line})",
                "Add them to `categories` or `missing_codes`, or set the kind to text.",
            )
        out[present] = found.to_numpy(zero_copy_only=False)
    elif column.numeric or column.kind is Kind.DATETIME:
        out = np.full(len(words), np.nan)
        numbers = parse_numbers(kept) if column.numeric else parse_datetimes(kept, column.datetime_format or "%Y-%m-%d")
        wrong = ~np.isfinite(numbers)
        if wrong.any():
            line = _line(raw, kept.filter(pa.array(wrong)))
            what = "finite number" if column.numeric else f"date of the format {column.datetime_format}"
            raise _contradiction(
                column,
                f"{int(wrong.sum())} distinct value(s) are no {what} (first at line {line})",
                "Correct them, name them in `missing_codes`, or change the column's kind.",
            )
        if column.kind is Kind.INTEGER and (fractional := numbers != np.round(numbers)).any():
            line = _line(raw, kept.filter(pa.array(fractional)))
            raise _contradiction(
                column, f"holds fractions (first at line {line}) but is declared integer", "Set its kind to decimal."
            )
        out[present] = numbers
    else:
        out = np.where(present, np.arange(len(words)), -1).astype(np.int32)
    return Values(out[codes], missing_of[codes])


def parse_numbers(words: pa.Array) -> npt.NDArray[np.float64]:
    """Texts -> float64, NaN where a text is no number."""
    if not len(words):
        return np.zeros(0)
    try:
        cast = pc.cast(words, pa.float64())
        # Not to_numpy, which imports pandas.
        return np.frombuffer(cast.buffers()[1], np.float64)[cast.offset : cast.offset + len(cast)]
    except pa.ArrowInvalid:
        return np.array([parse_number(w) for w in words.to_pylist()], dtype=np.float64)


def parse_number(word: str) -> float:
    """One text -> float, NaN if it is no plain decimal number (no `_`, `nan`, hex or blanks inside)."""
    try:
        return float(word) if word.strip() and "_" not in word else float("nan")
    except ValueError:
        return float("nan")


def parse_datetimes(words: pa.Array, form: str) -> npt.NDArray[np.float64]:
    """Texts -> seconds since 1970-01-01 (float64), NaN where a text does not match the strptime format."""
    import pandas as pd

    stamps = pd.to_datetime(words.to_pandas(), format=plain_format(form), errors="coerce", utc=True)
    seconds = np.array((stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)
    lost = np.flatnonzero(np.isnan(seconds))
    for i, word in zip(lost, words.take(pa.array(lost)).to_pylist(), strict=True):
        # pandas holds no date outside 1678 to 2261, e.g. 9999-12-31.
        seconds[i] = seconds_of(word, form)
    return seconds


def format_datetimes(seconds: npt.NDArray[np.float64], form: str) -> list[str]:
    """Seconds since 1970-01-01 -> texts in the strptime format (`%-d`: without zero padding, `%3f`: milliseconds)."""
    import datetime as dt

    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    digits = second_decimals(form)
    if not digits:
        return [(epoch + dt.timedelta(seconds=float(s))).strftime(form) for s in seconds]
    scale, out = 10**digits, []
    for whole, part in (divmod(round(float(s) * scale), scale) for s in seconds):
        out.append((epoch + dt.timedelta(seconds=whole)).strftime(FRACTION.sub(f"{part:0{digits}d}", form)))
    return out


def format_numbers(numbers: npt.NDArray[np.float64], column: Column) -> list[str]:
    """Numbers -> texts with the column's decimals; the caller has rounded and bounded them."""
    if column.decimals == 0 and not column.fixed_decimals:
        return [str(int(v)) for v in np.round(numbers)]
    texts = [f"{v:.{column.decimals}f}" for v in numbers]
    if column.fixed_decimals:
        return texts
    spare = max(0, column.decimals - column.least_decimals)
    return [(t[: len(t) - spare] + t[len(t) - spare :].rstrip("0")).rstrip(".") for t in texts]


def write_values(values: Values, column: Column) -> pa.Array:
    """Values -> stored column (N strings). Inverse of read_values up to spelling variants of equal numbers."""
    present = values.missing < 0
    codes = np.empty(len(present), np.int32)
    if column.labelled:
        words = list(column.categories or ())
        codes[present] = values.values[present]
    else:
        numbers, inverse = np.unique(values.values[present].astype(np.float64), return_inverse=True)
        if column.kind is Kind.DATETIME:
            words = format_datetimes(numbers, column.datetime_format or "%Y-%m-%d")
        else:
            words = format_numbers(numbers, column)
        codes[present] = inverse
    codes[~present] = values.missing[~present].astype(np.int32) + len(words)
    out = pa.DictionaryArray.from_arrays(codes, pa.array([*words, *column.missing_codes], pa.string()))
    return out.cast(pa.string())


def to_frame(table: Table) -> Any:
    """pandas DataFrame of the modelled columns: float64 (NaN missing), datetime64, object labels (None missing)."""
    import pandas as pd

    out: dict[str, Any] = {}
    for column in table.schema.modelled:
        got = table.values(column.name)
        if column.labelled:
            words = np.array([*(column.categories or ()), None], dtype=object)
            out[column.name] = words[got.values]
        elif column.kind is Kind.DATETIME:
            out[column.name] = pd.to_datetime(got.values, unit="s")
        else:
            out[column.name] = got.values
    return pd.DataFrame(out)


def parquet_bytes(table: pa.Table) -> bytes:
    """Stored form of a small table, in memory."""
    sink = io.BytesIO()
    write_parquet(table, sink)
    return sink.getvalue()


def group_rows(columns: int) -> int:
    """Rows per row group of a table with so many columns."""
    return max(1, min(GROUP_ROWS, GROUP_CELLS // max(columns, 1)))


def batch_rows(columns: int) -> int:
    """Rows per batch of a table with so many columns."""
    return max(1, BATCH_CELLS // max(columns, 1))


def write_parquet(table: pa.Table, sink: Any) -> None:
    """Write stored form (path or file) in row groups of at most GROUP_CELLS cells."""
    with StoredWriter(sink, table.column_names) as writer:
        for batch in table.to_batches(max_chunksize=group_rows(table.num_columns)):
            writer.write(batch)


class StoredWriter:
    """Stored form, batch by batch; a row group in memory. A context manager."""

    def __init__(self, sink: Any, names: Sequence[str]) -> None:
        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._rows = group_rows(len(names))
        self._waiting: list[pa.RecordBatch] = []
        # A reader holds a page and a dictionary per column. Statistics would be of texts, and nothing reads them.
        page = max(4_096, min(1024**2, PAGES_BYTES // max(len(names), 1)))
        self._writer = pq.ParquetWriter(
            sink,
            self._schema,
            compression="zstd",
            write_statistics=False,
            data_page_size=page,
            dictionary_pagesize_limit=page,
        )

    def __enter__(self) -> StoredWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None and self._waiting:
                self._writer.write_table(pa.Table.from_batches(self._waiting))
        finally:
            self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch.cast(self._schema))
        if sum(b.num_rows for b in self._waiting) >= self._rows:
            table = pa.Table.from_batches(self._waiting)
            whole = len(table) - len(table) % self._rows
            self._writer.write_table(table.slice(0, whole), row_group_size=self._rows)
            self._waiting = table.slice(whole).to_batches()


def stored_batches(source: Any) -> Iterator[pa.RecordBatch]:
    """Batches of a stored table (path or file): in memory are one of them, and a row group as it is stored."""
    with pq.ParquetFile(source, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=batch_rows(file.metadata.num_columns), use_threads=False)
