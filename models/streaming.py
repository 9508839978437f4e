"""Stored batches -> CSV or typed Parquet, piece by piece, for whoever downloads a table.

All cells of a batch that are treated alike are treated at once: 2,000 short columns cost little more than 2 long ones.
No pandas, not even through pa.array: it is 45 MB that the API process does without.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.dates import plain_format
from models.schema import Column, Schema
from models.table import batch_rows, parse_number

TYPED_BATCHES, TYPED_ROWS = 8, 1_024
"""A row group of a typed Parquet file holds at least so many batches and rows."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def words_array(texts: Sequence[str]) -> pa.Array:
    """Texts -> Arrow strings."""
    data = [t.encode() for t in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(data), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(data))]
    )


def word(text: str) -> pa.Scalar:
    """One text as an Arrow scalar."""
    return words_array([text])[0]


def _flags(bits: npt.NDArray[np.bool_]) -> pa.Array:
    packed = np.packbits(bits, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(bits), [None, pa.py_buffer(packed.tobytes())])


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
    texts = pc.fill_null(pa.concat_arrays(batch.columns), blank)
    mask = pc.match_substring_regex(texts, special)
    if any(always):
        wanted = _flags(np.repeat(np.array(always), batch.num_rows))
        mask = pc.or_(mask, pc.and_(wanted, pc.not_equal(texts, blank)))
    if batch.num_columns == 1:
        mask = pc.or_(mask, pc.equal(texts, blank))
    if pc.any(mask).as_py():
        quoted = pc.binary_join_element_wise(quote, pc.replace_substring(texts, '"', '""'), quote, blank)
        texts = pc.if_else(mask, quoted, texts)
    columns = [texts.slice(i * batch.num_rows, batch.num_rows) for i in range(batch.num_columns)]
    lines = pc.binary_join_element_wise(*columns, word(delimiter))
    ends = pa.py_buffer(np.array([0, len(lines)], np.int32).tobytes())
    whole = pa.Array.from_buffers(pa.list_(pa.string()), 1, [None, ends], children=[lines])
    return str(pc.binary_join(whole, word("\n"))[0].as_py()).encode() + b"\n"


def stream_parquet(batches: Iterable[pa.RecordBatch], schema: Schema) -> Iterator[bytes]:
    """Typed Parquet file of stored batches, piece by piece; codes that do not fit the type become null."""
    target = pa.schema([(c.name, ARROW_TYPES[c.storage]) for c in schema.columns])
    names = pa.schema([(n, pa.string()) for n in schema.names])
    sink = _Pipe()
    rows = max(TYPED_BATCHES * batch_rows(len(target)), TYPED_ROWS)
    # A writer keeps a page, a dictionary and its index per column: by default megabytes.
    sizes = {"data_page_size": 128 * 1024, "dictionary_pagesize_limit": 64 * 1024}
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), target, compression="zstd", **sizes) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in _at_least_one(batches, names):
            waiting.append(_typed_batch(batch, schema, target))
            # The footer, kept until the end, grows by 2 kB for each column of each row group.
            if sum(b.num_rows for b in waiting) >= rows:
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


def _typed_batch(batch: pa.RecordBatch, schema: Schema, target: pa.Schema) -> pa.RecordBatch:
    """Columns of one type and one spelling are converted together."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for i, c in enumerate(schema.columns):
        labels = c.categories if c.storage == "bool" else None
        alike.setdefault((c.storage, c.datetime_format, labels, "" in c.missing_codes), []).append(i)
    out: list[Any] = [None] * batch.num_columns
    for group in alike.values():
        values = typed(pa.concat_arrays([batch.column(i) for i in group]), schema.columns[group[0]])
        for k, i in enumerate(group):
            out[i] = values.slice(k * batch.num_rows, batch.num_rows)
    return pa.RecordBatch.from_arrays(out, schema=target)


def typed(raw: pa.Array, column: Column) -> pa.Array:
    """Stored array -> array of the column's Parquet type; missing codes that are no value of the type become null."""
    kind = ARROW_TYPES[column.storage]
    blank = word("")
    if column.storage == "string":
        return raw if "" not in column.missing_codes else _where(pc.not_equal(raw, blank), raw)
    raw = pc.fill_null(raw, blank)
    if column.storage in ("timestamp", "date"):
        return _moments(raw, column.datetime_format or "%Y-%m-%d").cast(kind, safe=False)
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
    plain = pc.match_substring_regex(raw, NUMBER)
    cast = pc.if_else(plain, raw, word("nan")).cast(pa.float64())
    numbers = np.frombuffer(cast.buffers()[1], np.float64)[cast.offset : cast.offset + len(cast)].copy()
    rest = pc.indices_nonzero(pc.and_not(pc.not_equal(raw, word("")), plain))
    odd = np.frombuffer(rest.buffers()[1], np.uint64)[: len(rest)].astype(np.int64) if len(rest) else ()
    for i in odd:
        numbers[i] = parse_number(raw[int(i)].as_py())
    known = np.packbits(np.isfinite(numbers) & (np.abs(numbers) < limit), bitorder="little")
    buffers = [pa.py_buffer(known.tobytes()), pa.py_buffer(numbers.tobytes())]
    return pa.Array.from_buffers(pa.float64(), len(numbers), buffers)


def _moments(raw: pa.Array, form: str) -> pa.Array:
    """Texts -> timestamps in microseconds, null where a text does not match the strptime format."""
    form = plain_format(form)
    if set(re.findall("%.", form)) <= {"%Y", "%m", "%d", "%H", "%M", "%S"}:
        return pc.strptime(raw, format=form, unit="us", error_is_null=True)
    distinct = pc.dictionary_encode(raw)
    micros = words_array([_micros(w, form) for w in distinct.dictionary.to_pylist()])
    known = _where(pc.not_equal(micros, word("")), micros).cast(pa.int64()).cast(pa.timestamp("us"))
    return known.take(distinct.indices)


def _micros(text: str, form: str) -> str:
    """Microseconds since 1970 as digits, "" if the text is no such date."""
    try:
        moment = dt.datetime.strptime(text, form)
    except ValueError:
        return ""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return str((moment - EPOCH) // dt.timedelta(microseconds=1))


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
