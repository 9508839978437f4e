"""The tables of a page as CSV: what a reader sees is what a reader downloads, by construction.

The script of the page does the same for its download buttons (templates/js/tables.js).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"br", "meta", "link", "img", "input", "hr", "wbr"}
ASIDE = {"svg", "details", "button"}
"""Elements of a cell that are no part of its words; so are those of the class `note`."""
FORMULA = re.compile(r"^[=+@\t\r]|^-(?![\d.]+(e-?\d+)?%?$)", re.IGNORECASE)
"""What a spreadsheet would compute (OWASP, CSV injection)."""


@dataclass
class Table:
    """name: unique in its page; section: id of its place. Cells of `head` may hold several names, of `rows` values."""

    name: str
    title: str
    section: str
    head: list[list[str]] = field(default_factory=list)
    rows: list[list[list[str]]] = field(default_factory=list)

    def csv(self) -> str:
        """One column for each value of a cell; numbers unrounded; what a spreadsheet would compute is quoted."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        columns = list(self._columns())
        for cells in zip(*columns, strict=True):
            writer.writerow(guarded(cell) for cell in cells)
        return out.getvalue()

    def _columns(self) -> Iterator[list[str]]:
        """A name and its values; drawings, which are no values, are left out."""
        for k, names in enumerate(self.head):
            cells = [row[k] if k < len(row) else [] for row in self.rows]
            for i in range(max([len(names), *map(len, cells)])):
                name = names[i] if i < len(names) else f"{names[0]} {i + 1}"
                values = [cell[i] if i < len(cell) else "" for cell in cells]
                if any(values) or not values:
                    yield [name, *values]


def guarded(words: str) -> str:
    return f"'{words}" if FORMULA.match(words) else words


def slug(words: Any) -> str:
    """Lower-case letters and digits, the rest as single hyphens; at most 60 characters, never empty."""
    return re.sub(r"[^a-z0-9]+", "-", str(words).lower()).strip("-")[:60].strip("-") or "table"


class _Reader(HTMLParser):
    """Collects the tables of a page in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.open: list[tuple[str, bool]] = []  # tag, whether its words are left out
        self.section = ""
        self.table: Table | None = None
        self.row: list[list[str]] | None = None
        self.words: list[str] | None = None
        self.values: list[str] = []
        self.caption = False
        self.group = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        if tag == "section":
            self.section = given.get("id", "")
        elif tag == "table":
            self.table, self.group = Table(given.get("data-name", ""), "", self.section), ""
        elif tag == "caption":
            self.caption, self.words = True, []
        elif tag == "tr":
            self.row = []
            self.is_group = "group" in given.get("class", "").split()
        elif tag in ("td", "th") and self.row is not None:
            self.words, self.values = [], []
            self.names = [n for n in given.get("data-csv", "").split("|") if n]
        elif tag == "data" and not self._aside():
            self.values.append(given.get("value", ""))
        if tag not in VOID:
            classes = given.get("class", "").split()
            in_cell = self.words is not None and not self.caption and tag not in ("td", "th")
            self.open.append((tag, tag in ASIDE or (in_cell and "note" in classes)))

    def _aside(self) -> bool:
        """Whether something between the table and this place is left out; around the table, it may be folded."""
        tags = [tag for tag, _ in self.open]
        return "table" in tags and any(left_out for _, left_out in self.open[tags.index("table") :])

    def handle_data(self, data: str) -> None:
        if self.words is not None and not self._aside():
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self.open:
            closed, _ = self.open.pop()
            if closed == tag:
                break
        words = " ".join("".join(self.words or ()).split())
        if tag == "caption" and self.table is not None:
            self.table.title, self.caption, self.words = words, False, None
        elif tag in ("td", "th") and self.row is not None and self.words is not None:
            heading = self.table is not None and not self.table.head
            self.row.append(self.names or (self.values if self.values and not heading else [words]))
            self.words = None
        elif tag == "tr" and self.table is not None and self.row is not None:
            if not self.table.head:
                self.table.head = self.row
            elif not self.is_group:
                self.table.rows.append(self.row)
            self.row = None
        elif tag == "table" and self.table is not None:
            self.tables.append(self.table)
            self.table = None


def tables(page: str) -> Iterator[Table]:
    """Every table of a page, with unique names."""
    reader = _Reader()
    reader.feed(page)
    seen: set[str] = set()
    for table in reader.tables:
        base = table.name or slug(table.title or " ".join(n for names in table.head for n in names))
        name, again = base, 2
        while name in seen:
            name, again = f"{base}-{again}", again + 1
        seen.add(name)
        table.name = name
        yield table
