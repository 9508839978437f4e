"""What the commands share: options, the way to the service, and how a failure becomes a line and an exit code."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from populace.console import CommandError, Explained, explain, say
from populace.errors import ApiError

if TYPE_CHECKING:
    from populace.client import Client

EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

Url = Annotated[
    str | None, typer.Option("--url", help="Address of the service.", envvar="POPULACE_URL", show_default=False)
]
ApiKey = Annotated[
    str | None,
    typer.Option("--key", help="API key; better in the environment.", envvar="POPULACE_API_KEY", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


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


def read_json(file: Path, hint: str = "") -> dict[str, Any]:
    """A JSON object out of a file. Raises CommandError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is not JSON: {error}.", hint=hint) from None
    if not isinstance(found, dict):
        raise CommandError(f"{file} does not hold a JSON object.", hint=hint)
    return found


def seconds(text: str | None, option: str) -> float | None:
    """`90`, `90s`, `10m`, `1h30m` -> seconds."""
    if text is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?[hms])+", text):
        raise typer.BadParameter(f"{text!r} is no duration: write e.g. 90s, 10m or 1h30m.", param_hint=option)
    return sum(float(number) * UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([hms])", text))


def training_options(
    pairs: Iterable[str] | None, file: Path | None, max_time: str | None, model: str | None = None
) -> dict[str, Any]:
    """What a file holds, under what --max-time, --model and --option say."""
    said = {"max_time": seconds(max_time, "--max-time"), "model": model}
    return parse_options(pairs or (), file) | {k: v for k, v in said.items() if v is not None}


def parse_options(pairs: Iterable[str], file: Path | None = None) -> dict[str, Any]:
    """`steps=300` and the like, over what a file of options holds. Values are JSON where they can be, else texts."""
    out = {} if file is None else read_json(file, 'Options look like {"steps": 900, "hidden": 256}.')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--option")
        try:
            out[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            out[name.strip()] = value
    return out
