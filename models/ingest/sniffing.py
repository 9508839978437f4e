"""What a file is, told by its first bytes: never by its name."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from itertools import pairwise

from models.errors import Detail, InvalidData, UnsupportedMedia
from models.table import parse_number

SAMPLE = 1 << 20
"""Bytes that are looked at; the header must end within them."""

DELIMITERS = (",", ";", "\t", "|")

_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an Office document (.xlsx, .ods)", "Unpack it, or save the sheet as CSV."),
    (b"%PDF", "a PDF document", "Export the table itself as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)", "Save the sheet as CSV."),
    (b"BZh", "a bzip2 archive", "Decompress it, or compress with gzip."),
    (b"\xfd7zXZ\x00", "an xz archive", "Decompress it, or compress with gzip."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Decompress it, or compress with gzip."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it."),
    (b"Rar!", "a RAR archive", "Unpack it."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
    (b"ARROW1", "an Arrow/Feather file", "Save it as Parquet."),
    (b"ORC", "an ORC file", "Save it as Parquet."),
    (b"\x89HDF", "an HDF5 file", "Save the table as CSV or Parquet."),
    (b"<stata_dta>", "a Stata file", "Save the table as CSV or Parquet."),
    (b"$FL2", "an SPSS file", "Save the table as CSV."),
    (b"\x89PNG", "a picture", "Upload the table that it shows, as CSV."),
    (b"\xff\xd8\xff", "a picture", "Upload the table that it shows, as CSV."),
    (b"GIF8", "a picture", "Upload the table that it shows, as CSV."),
    (b"\x7fELF", "a program", "Upload a table, as CSV, CSV.gz or Parquet."),
    (b"\x80\x04\x95", "a Python pickle", "Pickles are never read. Save the table as CSV or Parquet."),
    (b"{\\rtf", "a rich text document", "Save it as CSV."),
)
_MARKUP = re.compile(rb"\s*(<!doctype\s+html|<html|<head|<body|<table|<\?xml|<!--)", re.IGNORECASE)
_READABLE = "Upload CSV (comma, semicolon, tab or bar), gzipped CSV, or Parquet."


def container(head: bytes) -> str:
    """`gzip`, `parquet` or `text` by magic bytes. Raises UnsupportedMedia for known other kinds of file."""
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] == b"PAR1":
        return "parquet"
    refuse_foreign(head)
    return "text"


def refuse_foreign(head: bytes) -> None:
    """Raises UnsupportedMedia if these first bytes belong to a kind of file that is not a table of text."""
    for magic, what, hint in _FOREIGN:
        if head.startswith(magic):
            raise UnsupportedMedia(f"The file is {what}, whatever its name says.", hint=f"{hint} {_READABLE}")
    if head[257:262] == b"ustar":
        raise UnsupportedMedia("The file is a tar archive.", hint=f"Unpack it and upload one table. {_READABLE}")
    bare = head.removeprefix(b"\xef\xbb\xbf")
    if _MARKUP.match(bare):
        hint = "It may be an error or login page saved under the name of a table: download the table again."
        raise UnsupportedMedia("The file is an HTML or XML page.", hint=f"{hint} {_READABLE}")
    if _is_json(bare):
        raise UnsupportedMedia("The file is JSON.", hint=f"Convert it to a table with one line per record. {_READABLE}")


def _is_json(head: bytes) -> bool:
    start = head.lstrip()[:1]
    if start not in (b"{", b"["):
        return False
    if re.match(rb"\s*(\{\s*(\"|\})|\[\s*([\[{\"]|\]\s*$))", head):
        return True
    try:
        json.loads(head.splitlines()[0])
    except ValueError:
        return False
    return True


def encoding_of(head: bytes) -> str:
    """`utf-8`, `utf-8-sig`, `utf-16-le` or `utf-16-be` from the byte order mark or the pattern of NUL bytes."""
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise UnsupportedMedia("The text is UTF-32.", hint="Save it as UTF-8.")
    if head.startswith(b"\xff\xfe"):
        return "utf-16-le"
    if head.startswith(b"\xfe\xff"):
        return "utf-16-be"
    some = head[:4096]
    if len(some) >= 8 and some[1::2].count(0) > 0.4 * len(some) and not some[::2].count(0):
        return "utf-16-le"
    if len(some) >= 8 and some[::2].count(0) > 0.4 * len(some) and not some[1::2].count(0):
        return "utf-16-be"
    return "utf-8"


@dataclass(frozen=True)
class Layout:
    """How a CSV text is laid out. skip_space: blanks follow the delimiters; quoting: as in schema.Dialect."""

    delimiter: str
    header: tuple[str, ...]
    quoting: str
    skip_space: bool


def layout_of(sample: str, *, complete: bool, max_columns: int) -> Layout:
    """Delimiter, header and quoting of the first characters (complete: they are the whole text).

    Raises InvalidData for an empty text, a header without rows, and empty or repeated column names.
    """
    if not sample.strip():
        raise InvalidData("The file is empty.", hint="Upload a table with a header line and at least two rows.")
    text = sample if complete else sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1]
    if not text:
        raise InvalidData(
            "The first line is longer than 1 MiB.",
            hint="Check that the file is a table with a header line.",
            errors=[Detail(("line", 1), "too long")],
        )
    delimiter = max(DELIMITERS, key=lambda d: _fit(text, d))
    skip_space = _blanks_follow(text, delimiter)
    records = _records(text, delimiter, skip_space)
    header = tuple(records[0])
    if len(header) > max_columns:
        return Layout(delimiter, header, "minimal", skip_space)
    check_header(header)
    if complete and len(records) < 2:
        raise InvalidData("There is a header but no row.", hint="Upload a table with at least two rows.")
    if _looks_like_data(header):
        raise InvalidData(
            "The first line holds numbers, not column names.",
            hint="Put a line with the columns' names on top.",
            errors=[Detail(("line", 1), "no header")],
        )
    return Layout(delimiter, header, _quoting(text, delimiter), skip_space)


def check_header(header: tuple[str, ...]) -> None:
    """Raises InvalidData where column names are empty or repeated, naming all such places."""
    empty = [i + 1 for i, name in enumerate(header) if not name.strip()]
    if empty:
        hint = "Name every column in the first line"
        hint += "; the first one looks like a row index: write the file without it." if empty == [1] else "."
        raise InvalidData(
            f"Column{'s' if len(empty) > 1 else ''} {', '.join(map(str, empty[:20]))} of {len(header)} has no name.",
            hint=hint,
            errors=[Detail(("line", 1, "column", i), "empty name", hint) for i in empty[:20]],
        )
    places: dict[str, list[int]] = {}
    for i, name in enumerate(header):
        places.setdefault(name, []).append(i + 1)
    repeated = {n: p for n, p in places.items() if len(p) > 1}
    if repeated:
        some = list(repeated.items())[:10]
        listed = "; ".join(f"{n[:60]!r} (columns {', '.join(map(str, p[:10]))})" for n, p in some)
        hint = "Column names must be unique: rename or remove one of each."
        raise InvalidData(
            f"Repeated column names: {listed}.",
            hint=hint,
            errors=[Detail(("line", 1, "column", n), "repeated name", hint) for n in list(repeated)[:20]],
        )


def _records(text: str, delimiter: str, skip_space: bool = False, most: int = 200) -> list[list[str]]:
    """The first records that are not blank lines. A first record too large for the csv module reads as one cell."""
    out: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skip_space)
    try:
        for record in reader:
            if record:
                out.append(record)
            if len(out) == most:
                break
    except csv.Error:
        return out or [[text]]
    return out or [[""]]


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    """How well a delimiter explains the text: share of records as wide as the header, then width; 0 for width 1."""
    records = _records(text, delimiter)
    width = len(records[0])
    if width == 1:
        return 0.0, 0
    rows = records[1:] or records
    share = sum(len(r) == width for r in rows) / len(rows)
    return round(0.05 + share, 1), width


def _blanks_follow(text: str, delimiter: str) -> bool:
    lines = [line for line in text.splitlines()[1:101] if delimiter in line]
    after = sum(line.count(delimiter + " ") for line in lines)
    return delimiter != "\t" and bool(lines) and after > 0.9 * sum(line.count(delimiter) for line in lines)


def _looks_like_data(header: tuple[str, ...]) -> bool:
    """At least half of the names are numbers, and they do not simply count up."""
    numbers = [parse_number(n) for n in header]
    found = [n for n in numbers if n == n]
    counting = all(b - a == 1 for a, b in pairwise(found))
    return len(header) > 1 and len(found) * 2 >= len(header) and not (counting and len(found) > 1)


def _quoting(text: str, delimiter: str) -> str:
    """`all` if every cell that is not blank is quoted, `text` if every one but numbers is, else `minimal`."""
    d = re.escape(delimiter)
    quoted = plain = words = 0
    for line in text.splitlines()[1:201]:
        if line.count('"') % 2:
            continue  # part of a cell with line breaks
        for cell in re.findall(rf'(?:^|{d})("(?:[^"]|"")*"|[^{d}]*)', line):
            if cell.startswith('"'):
                quoted += cell != '""'
            elif cell.strip():
                plain += 1
                words += parse_number(cell) != parse_number(cell) and cell not in ("NA", "NULL", "NaN")
    if not quoted or words:
        return "minimal"
    return "text" if plain else "all"
