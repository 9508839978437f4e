"""CSV text -> Arrow table of strings, block by block."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from models.errors import Detail, InvalidData, TooLarge
from models.ingest.limits import MIB, Limits
from models.ingest.sniffing import SAMPLE, Layout, encoding_of, layout_of, refuse_foreign
from models.ingest.stream import TextStream
from models.progress import Progress
from models.schema import Dialect

Chunks = Callable[[], Iterator[bytes]]
"""Opens the content from its start."""

_ROWS = 100_000
_COMMA_NUMBER = r"^\s*[+-]?\d+(,\d+)?\s*$"
_BLANKS = ("", "NA", "N/A", "NULL", "NaN", "nan", "?", "-", ".")


def read_csv(chunks: Chunks, encoding: str | None, limits: Limits, progress: Progress) -> tuple[pa.Table, Dialect]:
    """The whole text. encoding: declared by the uploader, else found: UTF-8 (mark or not) or UTF-16, never guessed."""
    head = _head(chunks())
    if encoding is None:
        refuse_foreign(head)
    spelled = _codec(encoding) if encoding else encoding_of(head)
    sample = TextStream(iter([head]), spelled, limits, partial=len(head) >= SAMPLE).read().decode()
    refuse_foreign(sample[:4096].encode())
    layout = layout_of(sample, complete=len(head) < SAMPLE, max_columns=limits.max_columns)
    if len(layout.header) > limits.max_columns:
        raise too_wide(len(layout.header), limits)

    def text() -> TextStream:
        return TextStream(chunks(), spelled, limits)

    batches = _spaced_batches(text(), layout, limits) if layout.skip_space else _arrow_batches(text, layout, limits)
    data = _collected(batches, layout, limits, progress)
    data, decimal_point = _decimal_points(data, layout.delimiter)
    return data, Dialect("csv", layout.delimiter, spelled, layout.quoting, decimal_point)


def too_wide(columns: int, limits: Limits) -> TooLarge:
    return TooLarge(
        f"The table has {columns:,} columns.",
        hint=f"The limit is {limits.max_columns:,}. Drop columns or reshape the table to one row per unit.",
    )


def _head(chunks: Iterator[bytes]) -> bytes:
    out = b""
    for piece in chunks:
        out += piece
        if len(out) >= SAMPLE:
            break
    return out[:SAMPLE]


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise InvalidData("The encoding is not known.", hint="e.g. utf-8, utf-16, latin-1, windows-1252.") from None


def _ends_in_breaks(last: pa.RecordBatch | None) -> bool:
    """Whether a cell of the last row holds a line break, as one does that a quote opened and nothing closed."""
    if last is None:
        return False
    return any("\n" in str(cell) for cell in last.slice(last.num_rows - 1).to_pylist()[0].values())


def _arrow_batches(text: Callable[[], TextStream], layout: Layout, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Batches from Arrow's reader. A ragged row is looked up again by its line in the file."""
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    stream, last = text(), None
    try:
        reader = pacsv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pacsv.ReadOptions(use_threads=False, block_size=limits.max_row_bytes),
            parse_options=pacsv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pacsv.ConvertOptions(
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
                null_values=[],
                check_utf8=False,
                column_types=dict.fromkeys(layout.header, pa.string()),
            ),
        )
        for batch in reader:
            yield batch
            last = batch if batch.num_rows else last
    except pa.ArrowInvalid as error:
        if ragged:
            raise _ragged(text(), layout, ragged[0]) from None
        if "straddling" in str(error):
            raise _long_row(limits) from None
        raise InvalidData(
            "The text cannot be split into rows and columns.",
            hint="Check the quotes: a quote inside a quoted cell must be doubled.",
        ) from None
    if stream.quotes % 2 and _ends_in_breaks(last):
        raise _open_quote()


def _long_row(limits: Limits) -> TooLarge:
    return TooLarge(
        f"A row is longer than {limits.max_row_bytes // MIB} MiB.",
        hint="A quote may have been opened and never closed; else shorten the longest texts.",
    )


def _open_quote() -> InvalidData:
    return InvalidData(
        "A quote is opened and not closed before the end of the file.",
        hint="Close it, or double the quotes that belong to the text.",
    )


def _ragged(stream: TextStream, layout: Layout, row: Any) -> InvalidData:
    """Find the line of the first row not as wide as the header: rows can span lines, blank lines are skipped."""
    line, width = row.number or 0, row.actual_columns
    reader = csv.reader(_lines(stream), delimiter=layout.delimiter, strict=False)
    try:
        for record in reader:
            if record and len(record) != len(layout.header):
                line, width = reader.line_num, len(record)
                break
    except csv.Error:
        line, width = row.number or 0, row.actual_columns
    return ragged_row(line, width, len(layout.header))


def ragged_row(line: int, width: int, expected: int) -> InvalidData:
    hint = "Quote cells that hold the delimiter, and give every row as many cells as the header."
    where = f"Line {line}" if line else "A row"
    return InvalidData(
        f"{where} has {width} cells, the header has {expected}.",
        hint=hint,
        errors=[Detail(("line", line), f"{width} cells instead of {expected}", hint)],
    )


def _lines(stream: TextStream) -> Iterator[str]:
    with io.TextIOWrapper(io.BufferedReader(stream, 1 << 20), encoding="utf-8", newline="") as text:
        yield from text


def _spaced_batches(stream: TextStream, layout: Layout, limits: Limits) -> Iterator[pa.RecordBatch]:
    """Batches of a text with blanks after its delimiters: Arrow's reader would keep them and misread quotes."""
    reader = csv.reader(_lines(stream), delimiter=layout.delimiter, skipinitialspace=True)
    width, rows = len(layout.header), list[list[str]]()
    names = pa.schema([(n, pa.string()) for n in layout.header])
    try:
        next(reader)
        for record in reader:
            if not record:
                continue
            if len(record) != width:
                raise ragged_row(reader.line_num, len(record), width)
            rows.append(record)
            if len(rows) == _ROWS:
                yield pa.RecordBatch.from_arrays([pa.array(c) for c in zip(*rows, strict=True)], schema=names)
                rows = []
    except csv.Error:
        raise _long_row(limits) from None
    if rows:
        yield pa.RecordBatch.from_arrays([pa.array(c) for c in zip(*rows, strict=True)], schema=names)


def _collected(batches: Iterator[pa.RecordBatch], layout: Layout, limits: Limits, progress: Progress) -> pa.Table:
    kept, rows = [], 0
    for batch in batches:
        progress.check()
        rows += batch.num_rows
        check_size(rows, len(layout.header), limits)
        progress.update(min(0.99, rows / (rows + 1_000_000)), f"{rows:,} rows read")
        kept.append(batch)
    check_rows(rows, limits)
    return pa.Table.from_batches(kept)


def check_size(rows: int, columns: int, limits: Limits) -> None:
    """Raises TooLarge."""
    if rows > limits.max_rows or rows * columns > limits.max_cells:
        raise TooLarge(
            f"The table has more than {limits.max_rows:,} rows or {limits.max_cells:,} cells.",
            hint="Upload fewer rows or columns, or ask the operator to raise the limit.",
        )


def check_rows(rows: int, limits: Limits) -> None:
    """Raises InvalidData for tables without enough rows."""
    if rows == 0:
        raise InvalidData("There is a header but no row.", hint=f"Upload at least {limits.min_rows} rows.")
    if rows < limits.min_rows:
        raise InvalidData(
            f"The table has {rows} row{'s' if rows > 1 else ''}, too few to learn from.",
            hint=f"Upload at least {limits.min_rows} rows.",
        )


def _decimal_points(data: pa.Table, delimiter: str) -> tuple[pa.Table, str]:
    """Numbers with a decimal comma, respelled with a point, where no column has numbers with a point already."""
    if delimiter == ",":
        return data, "."
    found = []
    for i, name in enumerate(data.column_names):
        some = data.column(i).slice(0, 2_000)
        some = some.filter(pc.invert(pc.is_in(some, value_set=pa.array(_BLANKS))))
        commas = pc.any(pc.match_substring(some, ",")).as_py()
        if len(some) and pc.any(pc.match_substring_regex(some, r"^\s*[+-]?\d+\.\d+\s*$")).as_py():
            return data, "."
        if commas and pc.all(pc.match_substring_regex(some, _COMMA_NUMBER)).as_py():
            found.append(name)
    changed = False
    for name in found:
        column = data[name]
        other = pc.invert(pc.or_(pc.match_substring_regex(column, _COMMA_NUMBER), pc.is_in(column, pa.array(_BLANKS))))
        if not pc.any(other).as_py():
            spelled = pc.replace_substring(column, ",", ".")
            data, changed = data.set_column(data.column_names.index(name), name, spelled), True
    return data, "," if changed else "."
