"""Talking to people and to programs: messages to standard error, data to standard output."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


class CommandError(Exception):
    """A failure of the command itself. hint: how to fix it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@runtime_checkable
class Explained(Protocol):
    """An error with a message for people: ApiError, CommandError, or the service's own error root."""

    message: str
    hint: str


def clean(text: object) -> str:
    """On one line and without control characters: names of columns and files are not ours, a terminal obeys escapes."""
    return "".join(" " if unicodedata.category(c).startswith("C") else c for c in str(text))


def say(text: str) -> None:
    """A message for people."""
    print(clean(text), file=sys.stderr, flush=True)


def say_warnings(result: Mapping[str, Any]) -> None:
    """Of a job's result, what to know before using its sample."""
    for warning in result.get("warnings") or ():
        say(f"warning: {warning['message']} {warning['hint']}")


def emit(text: str) -> None:
    """Data, or part of it."""
    print(text, flush=True)


def emit_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii="utf" not in sys.stdout.encoding.lower(), default=str), flush=True)


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")


def explain(error: Explained, places: Iterable[Any] = ()) -> None:
    say(f"error: {error.message}")
    for place in list(places)[:10]:
        hint = f" {place['hint']}" if place.get("hint") and place["hint"] != error.hint else ""
        say(f"  {' '.join(map(str, place.get('loc', ())))}: {place.get('msg', '')}{hint}")
    if error.hint:
        say(f"hint: {error.hint}")


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Aligned columns of text; numbers to the right."""
    texts = [[clean("" if c is None else c) for c in row] for row in rows]
    widths = [max(len(h), *(len(r[i]) for r in texts)) if texts else len(h) for i, h in enumerate(header)]
    right = [
        bool(rows) and all(isinstance(r[i], int | float) or r[i] is None for r in rows) for i in range(len(header))
    ]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), *map(line, texts)])


def size(count: int | None) -> str:
    """Bytes for people, decimal prefixes."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    value, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}"
