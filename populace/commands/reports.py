"""populace reports: what samples are worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from populace.commands.common import ApiKey, Url, connect
from populace.commands.nouns import Id, noun
from populace.console import emit, emit_json
from populace.scorecard import beside, scorecard

app = noun(
    "reports",
    "What samples are worth.",
    ("id", "kind", "sample_id", "dataset_id", "created_at"),
    deletable=False,
    shown=False,
)

Edition = Annotated[
    Literal["public", "internal"] | None,
    typer.Option(help="Of a job under differential privacy: public (the default), or internal, not for release."),
]


@app.command("show")
def show(id: Id, edition: Edition = None, url: Url = None, key: ApiKey = None) -> None:
    """Everything about one, as JSON."""
    with connect(url, key) as client:
        emit_json(dict(client.reports.get(id, edition=edition).raw))


@app.command("score")
def score(id: Id, edition: Edition = None, url: Url = None, key: ApiKey = None) -> None:
    """Print the headline figures of a report beside their yardsticks, and its verdict."""
    with connect(url, key) as client:
        emit(scorecard(client.reports.get(id, edition=edition)))


@app.command()
def download(
    id: Id,
    output: Annotated[
        Path | None, typer.Argument(help="File .html or .json; by default HTML to standard output.")
    ] = None,
    edition: Edition = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Download a report as one HTML page that needs no network, or as JSON.

    Examples: populace reports download REPORT report.html

      populace reports download REPORT internal.html --edition internal
    """
    format = "json" if output is not None and output.suffix.lower() == ".json" else "html"
    with connect(url, key) as client:
        client.reports.download(id, output or sys.stdout.buffer, format=format, edition=edition)


@app.command()
def compare(
    ids: Annotated[list[str], typer.Argument(metavar="REPORT...", help="Two or more reports of the same dataset.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "--out", "-o", help="File .html, .csv or .json; by default a table of text."),
    ] = None,
    edition: Edition = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Put the reports of several samples side by side, the worst figures first.

    Examples: populace reports compare REPORT REPORT

      populace reports compare REPORT REPORT REPORT --out page.html
    """
    with connect(url, key) as client:
        if output is None:
            emit(beside(client.reports.compare(ids, edition=edition)))
            return
        endings = {".json": "json", ".csv": "csv"}
        format = endings.get(output.suffix.lower(), "html")
        client.reports.download_comparison(ids, output, format=format, edition=edition)
