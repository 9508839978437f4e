"""populace reports: what samples are worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from populace.commands.common import ApiKey, Url, connect
from populace.commands.nouns import Id, noun
from populace.console import emit
from populace.scorecard import scorecard

app = noun("reports", "What samples are worth.", ("id", "sample_id", "dataset_id", "created_at"), deletable=False)


@app.command("score")
def score(id: Id, url: Url = None, key: ApiKey = None) -> None:
    """Print the headline figures of a report beside their yardsticks, and its verdict."""
    with connect(url, key) as client:
        emit(scorecard(client.reports.get(id)))


@app.command()
def download(
    id: Id,
    output: Annotated[
        Path | None, typer.Argument(help="File .html or .json; by default HTML to standard output.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Download a report as one HTML page that needs no network, or as JSON.

    Example: populace reports download REPORT report.html
    """
    format = "json" if output is not None and output.suffix.lower() == ".json" else "html"
    with connect(url, key) as client:
        client.reports.download(id, output or sys.stdout.buffer, format=format)
