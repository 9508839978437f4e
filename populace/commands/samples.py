"""populace samples and populace synthesizers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from populace.commands.common import ApiKey, Url, connect
from populace.commands.nouns import Id, noun

synthesizers = noun(
    "synthesizers", "Trained generators and their manifests.", ("id", "dataset_id", "job_id", "created_at")
)
app = noun(
    "samples",
    "Synthetic tables.",
    ("id", "kind", "synthesizer_id", "row_count", "where", "seed", "created_at"),
)


@app.command()
def download(
    id: Id,
    output: Annotated[
        Path | None, typer.Argument(help="File .csv, .csv.gz or .parquet; by default CSV to standard output.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Download a synthetic table.

    Example: populace samples download SAMPLE synthetic.parquet
    """
    if output is not None:
        check_ending(output)
    with connect(url, key) as client:
        client.samples.download(id, output or sys.stdout.buffer)


def check_ending(output: Path) -> None:
    """Before any work is done. Raises typer.BadParameter."""
    from populace.download import format_of

    try:
        format_of(output.name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
