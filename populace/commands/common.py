"""What the commands share: data to standard output, everything else to standard error, one line per failure."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from populace.errors import ApiError

if TYPE_CHECKING:
    from populace.client import Client

EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130

Url = Annotated[
    str | None, typer.Option("--url", help="Address of the service.", envvar="POPULACE_URL", show_default=False)
]
ApiKey = Annotated[
    str | None,
    typer.Option("--key", help="API key; better in the environment.", envvar="POPULACE_API_KEY", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


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


def emit(text: str) -> None:
    """Data, or part of it."""
    print(text, flush=True)


def emit_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii="utf" not in sys.stdout.encoding.lower(), default=str), flush=True)


def explain(error: Explained, places: Iterable[Any] = ()) -> None:
    say(f"error: {error.message}")
    for place in list(places)[:10]:
        hint = f" {place['hint']}" if place.get("hint") and place["hint"] != error.hint else ""
        say(f"  {' '.join(map(str, place.get('loc', ())))}: {place.get('msg', '')}{hint}")
    if error.hint:
        say(f"hint: {error.hint}")


class Group(TyperGroup):
    """Turns what goes wrong in a command into a line with a hint and an exit code; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except ApiError as error:
            explain(error, error.errors)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: stay quiet
        except OSError as error:
            say(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        except Exception as error:
            if not isinstance(error, Explained):
                raise
            explain(error)
        raise typer.Exit(EXIT_FAILURE)


def group(help: str) -> typer.Typer:
    """A Typer whose sub-commands are shown in the order in which they are written."""
    return typer.Typer(
        help=help, no_args_is_help=True, cls=Group, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def connect(url: str | None, key: str | None) -> Client:
    from populace.client import Client

    client = Client(url, key)
    if not client.has_key:
        client.close()
        raise CommandError(
            "No API key.", hint="Set POPULACE_API_KEY, or start an embedded service with `populace serve`."
        )
    return client


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


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """`steps=300` and the like. Values are JSON where they can be, texts otherwise."""
    out: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--option")
        try:
            out[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            out[name.strip()] = value
    return out


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
