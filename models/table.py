"""A table in the source's own spelling, and its columns as numbers and codes.

Stored form: one Arrow string column per column of the source, null where a Parquet source had null. Nothing is lost by
it (missing codes, zero padding, date formats), and all readers and writers share it. `read_values` turns a column into
numbers or codes under its schema; `write_values` is the inverse. No torch; pandas only inside functions (the service
imports this module and must stay small).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import Detail, InvalidSchema
from models.schema import Column, Kind, Schema

ROW_GROUP = 8_192
"""Rows per Parquet row group: the unit of streaming, so that a download needs constant memory."""


@dataclass(frozen=True, eq=False)
class Values:
    """One column as numbers.

    values: float64 (N,), seconds since 1970 for datetimes, NaN where missing; for labelled kinds int32 codes into
    `categories`, -1 where missing. missing: int16 (N,), -1 where present, else the index into `missing_codes`.
    """

    values: npt.NDArray[Any]
    missing: npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Table:
    """A schema and its rows in stored form."""

    schema: Schema
    data: pa.Table

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def values(self, name: str) -> Values:
        """Column `name` as numbers or codes. Raises InvalidSchema where a cell does not fit the schema."""
        return read_values(self.data.column(name), self.schema[name])

    def take(self, rows: npt.NDArray[Any] | slice) -> Table:
        """The rows at these positions (a slice is free of copies)."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return replace(self, data=self.data.slice(start, stop - start))
        return replace(self, data=self.data.take(pa.array(rows)))

    def select(self, names: Sequence[str]) -> Table:
        """These columns only, in this order."""
        schema = replace(self.schema, columns=tuple(self.schema[n] for n in names))
        return Table(schema, self.data.select(list(names)))


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
        numbers = _numbers(kept) if column.numeric else parse_datetimes(kept, column.datetime_format or "%Y-%m-%d")
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


def _numbers(words: pa.Array) -> npt.NDArray[np.float64]:
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

    stamps = pd.to_datetime(words.to_pandas(), format=form.replace("%-", "%"), errors="coerce", utc=True)
    seconds = np.array((stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)
    lost = np.flatnonzero(np.isnan(seconds))
    for i, word in zip(lost, words.take(pa.array(lost)).to_pylist(), strict=True):
        seconds[i] = _early_or_late(word, form)
    return seconds


def _early_or_late(word: str, form: str) -> float:
    """Seconds of a date outside 1678 to 2261, which pandas cannot hold, e.g. 9999-12-31; NaN if it is no such date."""
    import datetime as dt

    try:
        moment = dt.datetime.strptime(word, form.replace("%-", "%"))
    except ValueError:
        return float("nan")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds()


def format_datetimes(seconds: npt.NDArray[np.float64], form: str) -> list[str]:
    """Seconds since 1970-01-01 -> texts in the strptime format (`%-d`: without zero padding)."""
    import datetime as dt

    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return [(epoch + dt.timedelta(seconds=float(s))).strftime(form) for s in seconds]


def format_numbers(numbers: npt.NDArray[np.float64], column: Column) -> list[str]:
    """Numbers -> texts with the column's decimals; the caller has rounded and bounded them."""
    if column.decimals == 0 and not column.fixed_decimals:
        return [str(int(v)) for v in np.round(numbers)]
    texts = [f"{v:.{column.decimals}f}" for v in numbers]
    if column.fixed_decimals:
        return texts
    return [t.rstrip("0").rstrip(".") if "." in t else t for t in texts]


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
    codes[~present] = values.missing[~present] + len(words)
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


def write_parquet(table: pa.Table, sink: Any) -> None:
    """Write stored form (path or file) in row groups of ROW_GROUP rows."""
    pq.write_table(table, sink, row_group_size=ROW_GROUP, compression="zstd")


def stored_batches(source: Any) -> Iterator[pa.RecordBatch]:
    """Batches of a stored table (path or file), one row group in memory at a time."""
    with pq.ParquetFile(source, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=ROW_GROUP, use_threads=False)


def words_array(texts: Sequence[str]) -> pa.Array:
    """Texts -> Arrow strings. pa.array and pa.scalar would import pandas, 45 MB that the API process does without."""
    data = [t.encode() for t in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(data), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(data))]
    )


def word(text: str) -> pa.Scalar:
    """One text as an Arrow scalar, without pandas."""
    return words_array([text])[0]


def stream_csv(batches: Iterable[pa.RecordBatch], schema: Schema) -> Iterator[bytes]:
    """CSV text of stored batches in the schema's dialect, UTF-8, header first; one piece per batch."""
    names = pa.schema([(n, pa.string()) for n in schema.names])
    dialect = schema.dialect
    quoted = [
        dialect.quoting == "all" or (dialect.quoting == "text" and c.storage not in ("int64", "double", "bool"))
        for c in schema.columns
    ]
    header = pa.RecordBatch.from_arrays([words_array([n]) for n in schema.names], names=schema.names)
    yield _csv_lines(header, dialect.delimiter, [dialect.quoting != "minimal"] * len(quoted))
    commas = dialect.decimal_point == ","
    for batch in _at_least_one(batches, names):
        if batch.num_rows:
            columns = [
                pc.replace_substring(batch.column(i), ".", ",", max_replacements=1)
                if commas and c.numeric
                else batch.column(i)
                for i, c in enumerate(schema.columns)
            ]
            yield _csv_lines(pa.RecordBatch.from_arrays(columns, schema=names), dialect.delimiter, quoted)


def _csv_lines(batch: pa.RecordBatch, delimiter: str, always: Sequence[bool]) -> bytes:
    """RFC 4180 lines; Arrow's own writer would quote every text. Blank cells stay blank, unless alone on their line.

    always: for each column, whether every cell that is not blank is quoted.
    """
    special = f'["\r\n{re.escape(delimiter)}]|^\\s|\\s$'
    quote, blank = word('"'), word("")
    columns = []
    for column, everything in zip(batch.columns, always, strict=True):
        texts = pc.fill_null(column, blank)
        quoted = pc.binary_join_element_wise(quote, pc.replace_substring(texts, '"', '""'), quote, blank)
        mask = pc.not_equal(texts, blank) if everything else pc.match_substring_regex(texts, special)
        if batch.num_columns == 1:
            mask = pc.or_(mask, pc.equal(texts, blank))
        columns.append(pc.if_else(mask, quoted, texts))
    lines = pc.binary_join_element_wise(*columns, word(delimiter))
    ends = pa.py_buffer(np.array([0, len(lines)], np.int32).tobytes())
    whole = pa.Array.from_buffers(pa.list_(pa.string()), 1, [None, ends], children=[lines])
    return str(pc.binary_join(whole, word("\n"))[0].as_py()).encode() + b"\n"


def stream_parquet(batches: Iterable[pa.RecordBatch], schema: Schema) -> Iterator[bytes]:
    """Typed Parquet file of stored batches, piece by piece; codes that do not fit the type become null."""
    target = pa.schema([(c.name, ARROW_TYPES[c.storage]) for c in schema.columns])
    names = pa.schema([(n, pa.string()) for n in schema.names])
    sink = _Pipe()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), target, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in _at_least_one(batches, names):
            arrays = [typed(batch.column(i), c) for i, c in enumerate(schema.columns)]
            waiting.append(pa.RecordBatch.from_arrays(arrays, schema=target))
            # Typed values are small; a file's footer, kept until the end, grows with the number of row groups.
            if sum(b.num_rows for b in waiting) >= 8 * ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
                yield sink.drain()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
    yield sink.drain()


ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "bool": pa.bool_(),
}


def typed(raw: pa.Array, column: Column) -> pa.Array:
    """Stored array -> array of the column's Parquet type; missing codes that are no value of the type become null."""
    kind = ARROW_TYPES[column.storage]
    blank = word("")
    if column.storage == "string":
        return raw if "" not in column.missing_codes else _where(pc.not_equal(raw, blank), raw)
    raw = pc.fill_null(raw, blank)
    if column.storage in ("timestamp", "date"):
        seconds = parse_datetimes(raw, column.datetime_format or "%Y-%m-%d")
        micros = np.where(np.isfinite(seconds), np.round(seconds * 1e6), 0).astype("int64")
        return pa.array(micros, pa.timestamp("us"), mask=~np.isfinite(seconds)).cast(kind)
    if column.storage == "bool":
        false, true = (column.categories or ("false", "true"))[:2]
        hit = pc.equal(raw, word(true))
        return _where(pc.or_(hit, pc.equal(raw, word(false))), hit)
    if column.storage == "int64":  # not through float64, which would change keys of more than 15 digits
        exact = _where(pc.match_substring_regex(raw, r"^[+-]?[0-9]{1,18}$"), raw).cast(kind)
        return exact if exact.null_count == 0 else pc.coalesce(exact, _floats(raw, 2.0**63).cast(kind, safe=False))
    return _floats(raw, np.inf)


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    """The values where the mask holds, null elsewhere."""
    return pc.if_else(mask, values, pa.nulls(len(values), values.type))


def _floats(raw: pa.Array, limit: float) -> pa.Array:
    """Texts -> float64, null where a text is no finite number below `limit` in size."""
    numbers = _numbers(raw)
    known = np.packbits(np.isfinite(numbers) & (np.abs(numbers) < limit), bitorder="little")
    buffers = [pa.py_buffer(known.tobytes()), pa.py_buffer(numbers.tobytes())]
    return pa.Array.from_buffers(pa.float64(), len(numbers), buffers)


def _at_least_one(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches, or one empty batch: a table without rows still has a header."""
    some = False
    for batch in batches:
        some = True
        yield batch
    if not some:
        yield pa.RecordBatch.from_pylist([], schema=schema)


class _Pipe(io.RawIOBase):
    """What was written since the last drain()."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def drain(self) -> bytes:
        out = b"".join(self._parts)
        self._parts.clear()
        return out
