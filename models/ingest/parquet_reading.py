"""Parquet file -> Arrow table of strings in canonical spelling. The footer is checked, not believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import Detail, InvalidData, TooLarge
from models.ingest.csv_reading import check_rows, check_size, too_wide
from models.ingest.limits import Limits
from models.ingest.sniffing import check_header
from models.progress import Progress

_DAMAGED = "Write the file again with a current Parquet writer, or upload CSV."


def read_parquet(path: Path, limits: Limits, progress: Progress) -> tuple[pa.Table, dict[str, str]]:
    """(strings, null where the file has null; Parquet storage type of each column).

    Raises InvalidData for a damaged or lying file, nested types, infinities and texts that are no UTF-8; TooLarge.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    storages: dict[str, str] = {}
    for done, name, column in columns_of(path, limits):
        progress.check()
        progress.update(done, name)
        columns[name], storages[name] = spell(name, column)
    return pa.table(columns), storages


def columns_of(path: Path, limits: Limits) -> Iterator[tuple[float, str, pa.ChunkedArray]]:
    """(fraction done, name, typed column) one after the other, once the footer has been checked."""
    check_footer_length(path, limits)
    try:
        with pq.ParquetFile(
            path,
            pre_buffer=False,
            thrift_string_size_limit=limits.max_footer_bytes,
            thrift_container_size_limit=limits.max_columns * 100_000,
        ) as file:
            _check_metadata(file.metadata, path.stat().st_size, limits)
            names = tuple(file.schema_arrow.names)
            check_header(names)
            for i, name in enumerate(names):
                refuse_nested(name, file.schema_arrow.field(i).type)
                column = file.read(columns=[name], use_threads=False).column(name)
                if len(column) != file.metadata.num_rows:
                    raise damaged("its footer names another number of rows than it holds")
                yield i / len(names), name, column
    except (pa.ArrowException, OSError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        raise InvalidData(f"The Parquet file is damaged ({type(error).__name__}).", hint=_DAMAGED) from None


def damaged(what: str) -> InvalidData:
    return InvalidData(f"The Parquet file is damaged: {what}.", hint=_DAMAGED)


def check_footer_length(path: Path, limits: Limits) -> None:
    """Raises InvalidData or TooLarge for a file whose end shows that it is cut short or lies about its footer."""
    size = path.stat().st_size
    if size < 12:
        raise damaged("it is too short")
    with path.open("rb") as file:
        file.seek(size - 8)
        tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1":
        raise damaged("it does not end as it should, and may be cut short")
    if length > size - 12:
        raise damaged("its footer claims to be longer than the file")
    if length > limits.max_footer_bytes:
        raise TooLarge(f"The Parquet footer is longer than {limits.max_footer_bytes:,} bytes.", hint="Upload CSV.")


def _check_metadata(meta: pq.FileMetaData, size: int, limits: Limits) -> None:
    """Raises before anything is allocated on the footer's word."""
    if meta.num_columns > limits.max_columns:
        raise too_wide(meta.num_columns, limits)
    if meta.num_rows < 0:
        raise damaged("its footer names a negative number of rows")
    check_size(meta.num_rows, meta.num_columns, limits)
    rows = unpacked = 0
    for g in range(meta.num_row_groups):
        group = meta.row_group(g)
        rows += group.num_rows
        if group.num_rows < 0:
            raise damaged("its footer names a negative number of rows")
        for c in range(group.num_columns):
            chunk = group.column(c)
            start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            packed, full = chunk.total_compressed_size, chunk.total_uncompressed_size
            if start is None or start < 4 or packed < 0 or full < 0 or start + packed > size:
                raise damaged("its footer points outside the file")
            if not chunk.path_in_schema.endswith(".element") and chunk.num_values < 0:
                raise damaged("its footer names a negative number of values")
            unpacked += full
            if full > limits.ratio_floor and full > limits.max_ratio * max(packed, 1):
                raise TooLarge(
                    "A column unpacks to more than is allowed.",
                    hint=f"The limit is {limits.max_ratio:g} times its size in the file.",
                )
    if rows != meta.num_rows:
        raise damaged("its footer contradicts itself about the number of rows")
    if unpacked > limits.max_bytes:
        raise TooLarge(
            f"The table unpacks to more than {limits.max_bytes:,} bytes.",
            hint="Upload fewer rows or columns, or ask the operator to raise the limit.",
        )
    check_rows(meta.num_rows, limits)


def refuse_nested(name: str, kind: pa.DataType) -> None:
    """Raises InvalidData for types that do not fit into a cell."""
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) or pa.types.is_duration(kind):
        hint = "Flatten it into plain columns: numbers, texts, dates."
        raise InvalidData(
            f"Column {name!r} holds values of type {str(kind).split('<')[0][:40]}, which do not fit into a cell.",
            hint=hint,
            errors=[Detail(("column", name), "nested or foreign type", hint)],
        )


def spell(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Typed column -> (texts in canonical spelling with nulls, storage). Numbers carry no spurious digit."""
    while pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_time(kind):
        return _whole_seconds(column).cast(pa.string()), "string"
    if pa.types.is_boolean(kind):
        return column.cast(pa.string()), "bool"
    if pa.types.is_integer(kind):
        return column.cast(pa.string()), "int64"
    if pa.types.is_floating(kind):
        return _spell_floats(name, column), "double"
    if pa.types.is_decimal(kind):
        return column.cast(pa.string()), "double" if kind.scale > 0 else "int64"
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.string()), "date"
    if pa.types.is_timestamp(kind):
        return _spell_timestamps(column), "timestamp"
    try:
        texts = column.cast(pa.string())
    except pa.ArrowException:
        raise InvalidData(
            f"Column {name!r} holds bytes that are no text.",
            hint="Store texts as UTF-8 strings, or drop the column.",
            errors=[Detail(("column", name), "not text")],
        ) from None
    _refuse_nul(name, texts)
    return texts, "string"


def _whole_seconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times of day without the fractions of a second that none of them has."""
    try:
        return column.cast(pa.time32("s"))
    except pa.ArrowInvalid:
        return column


def _refuse_nul(name: str, texts: pa.ChunkedArray) -> None:
    hit = pc.index(pc.match_substring(texts, "\0"), True).as_py()
    if hit >= 0:
        raise InvalidData(
            f"Column {name!r} holds a NUL character in row {hit + 1}.",
            hint="Remove it: it cannot be written to a CSV.",
            errors=[Detail(("column", name, "row", hit + 1), "NUL character")],
        )


def _spell_floats(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type == pa.float16():
        column = column.cast(pa.float32())
    row = pc.index(pc.is_inf(column), True).as_py()
    if row >= 0:
        raise infinity(name, "row", row + 1)
    texts = column.cast(pa.string())
    texts = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.string()), texts)
    odd = pc.match_substring(texts, "e")
    if pc.any(odd).as_py():
        texts = pc.if_else(odd, pa.chunked_array([_plain(c) for c in texts.chunks], pa.string()), texts)
    return texts


def _plain(texts: pa.Array) -> pa.Array:
    """`1e+20` -> `100000000000000000000`: as many digits as the shortest spelling has, without exponent."""
    return pa.array(
        [
            np.format_float_positional(float(t), trim="-") if t is not None and "e" in t else t
            for t in texts.to_pylist()
        ],
        pa.string(),
    )


def infinity(name: str, unit: str, place: int) -> InvalidData:
    """unit: `line` of a text file or `row` of a Parquet file."""
    hint = "Replace infinities by an empty cell or by a finite number."
    return InvalidData(
        f"Column {name!r} holds an infinite number in {unit} {place}.",
        hint=hint,
        errors=[Detail(("column", name, unit, place), "infinite number", hint)],
    )


def _spell_timestamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO texts, in UTC where the type has a zone; microseconds only where some value has a fraction of a second."""
    micros: Any = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.timestamp("us"))
    fractions = pc.any(pc.not_equal(micros, pc.floor_temporal(micros, unit="second"))).as_py()
    return micros.cast(pa.string()) if fractions else micros.cast(pa.timestamp("s"), safe=False).cast(pa.string())
