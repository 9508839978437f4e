"""What commands share that do a job on files, on a private service that lives as long as the command."""

from __future__ import annotations

import json as json_module
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from populace.console import CommandError, emit, emit_json, say, write_json

if TYPE_CHECKING:
    from populace.client import Client
    from populace.records import Job, Report

ReportFile = Annotated[Path | None, typer.Option(help="Write the report here, as one HTML page.")]
ReportJson = Annotated[
    Path | None, typer.Option("--json", help="Write all figures here, as JSON; - for standard output.", allow_dash=True)
]
Analyses = Annotated[
    Path | None,
    typer.Option(
        help="JSON list of your own models and tables for the report (docs/evaluation.md).", exists=True, dir_okay=False
    ),
]
JudgedTargets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Column to measure usefulness on; may be repeated: the first is the headline, each costs as much again.",
    ),
]
Home = Annotated[Path | None, typer.Option(help="Keep database and models here instead of a temporary place.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the temporary place and say where it is.")]
DASH = Path("-")


def table_file(name: str, help: str) -> Any:
    """An argument that is a table in a file."""
    return typer.Argument(metavar=name, help=help, exists=True, dir_okay=False)


def shown(text: str, json: Path | None) -> None:
    """The result to standard output; to standard error where that is given to the JSON."""
    for line in text.splitlines():
        say(line) if json == DASH else emit(line)


def check_folders(*files: Path | None) -> None:
    """That files can be written where they shall be. Raises CommandError."""
    for file in files:
        if file is not None and file != DASH and not file.absolute().parent.is_dir():
            raise CommandError(f"There is no folder {file.absolute().parent}.", hint="Make it first.")


def read_list(file: Path) -> list[Any]:
    """A JSON list out of a file. Raises CommandError."""
    try:
        found = json_module.loads(file.read_text(encoding="utf-8"))
    except (json_module.JSONDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is not JSON: {error}.") from None
    if not isinstance(found, list):
        raise CommandError(f"{file} does not hold a JSON list.")
    return found


def with_targets(evaluation: dict[str, Any], targets: Sequence[str] | None) -> str | None:
    """The first of the targets; the others become those of the evaluation's options."""
    if targets is None or len(targets) < 2:
        return targets[0] if targets else None
    evaluation["targets"] = list(dict.fromkeys([*targets[1:], *evaluation.get("targets", [])]))
    return targets[0]


def save(client: Client, job: Job, page: Path | None, data: Path | None) -> Report:
    """The report that a job made, written where it is asked for."""
    found = client.reports.get(str(job.result["report_id"]))
    if page is not None:
        client.reports.download(found.id, page)
        say(f"Report: {page}")
    if data == DASH:
        emit_json(dict(found.raw))
    elif data is not None:
        write_json(data, dict(found.raw))
        say(f"Figures: {data}")
    return found


@contextmanager
def local(home: Path | None, keep: bool) -> Iterator[Client]:
    """A client of a service of its own."""
    from populace.client import Client
    from populace.embedded import EmbeddedService

    with (
        terminated(),
        place(home, keep) as folder,
        EmbeddedService(folder) as service,
        Client(service.url, service.key) as client,
    ):
        yield client


@contextmanager
def place(home: Path | None, keep: bool) -> Iterator[Path]:
    """The folder that holds the service's state: `home`, or a private temporary one that is removed."""
    if home is not None:
        yield home
        return
    folder = Path(tempfile.mkdtemp(prefix="populace-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"Kept: {folder}")
        else:
            shutil.rmtree(folder)


@contextmanager
def terminated() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: jobs are cancelled, files removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
