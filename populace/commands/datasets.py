"""populace datasets: upload confidential tables and look at what was understood of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect, read_json
from populace.commands.nouns import Id, noun
from populace.console import emit, emit_json, say, size

app = noun(
    "datasets",
    "Confidential tables: upload them, see and correct what was understood of them.",
    ("id", "name", "state", "row_count", "column_count", "bytes", "created_at"),
)


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="Name to show; by default the file's.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Column to predict: the profile looks at its balance and leaks.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it has been read and profiled.")] = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Upload a table; prints its id.

    Example: populace datasets upload census.csv --target employment
    """
    with connect(url, key) as client:
        dataset = client.datasets.upload(file, name=name, target=target)
        if wait and dataset.job_id:
            client.jobs.wait(dataset.job_id, progress=True)
            dataset = client.datasets.get(dataset.id)
    say(f"{dataset.name}: {size(dataset.bytes)}, {dataset.state}")
    if dataset.row_count is not None:
        say(f"{dataset.row_count:,} rows, {dataset.column_count} columns")
    if json:
        emit_json(dict(dataset.raw))
    else:
        emit(dataset.id)


@app.command()
def schema(
    id: Id,
    set: Annotated[
        Path | None, typer.Option(help="JSON file: {columns: [{name, ...}]} overrides, a whole schema replaces.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Print the schema, after overriding it if asked.

    Example: populace datasets schema ID > schema.json; edit it; populace datasets schema ID --set schema.json
    """
    with connect(url, key) as client:
        if set is None:
            emit_json(client.datasets.schema(id))
        else:
            change = read_schema(set)
            emit_json(client.datasets.set_schema(id, change, replace="version" in change))


def read_schema(file: Path) -> dict[str, object]:
    """A schema file. Raises CommandError."""
    return read_json(file, "Start from `populace datasets schema ID`.")


@app.command()
def profile(id: Id, url: Url = None, key: ApiKey = None) -> None:
    """Print the profile as JSON: gaps, ranges, outliers, imbalance, duplicates, leaks, identifiers."""
    with connect(url, key) as client:
        emit_json(client.datasets.profile(id))


@app.command()
def download(
    id: Id,
    output: Annotated[Path | None, typer.Argument(help="File to write; by default standard output.")] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Get back the bytes that were uploaded."""
    with connect(url, key) as client:
        client.datasets.download(id, output or sys.stdout.buffer)
