"""populace impute: a table with its missing cells filled in by a trained synthesizer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from populace.commands.common import ApiKey, Url, connect
from populace.commands.jobs import Seed
from populace.commands.samples import check_ending
from populace.console import CommandError, say, say_warnings, size
from populace.errors import ApiError

if TYPE_CHECKING:
    from populace.client import Client

CANCEL_SECONDS = 15.0


def impute(
    source: Annotated[
        Path, typer.Argument(metavar="TABLE", help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)
    ],
    synthesizer: Annotated[str, typer.Option(help="Id of a synthesizer trained on a table with the same columns.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".csv, .csv.gz or .parquet; by default CSV to standard output."),
    ] = None,
    columns: Annotated[str | None, typer.Option(help="Columns to fill, with commas between; by default all.")] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(help='Missing code to fill, "" for blank cells; may be repeated; by default all.'),
    ] = None,
    seed: Seed = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave table and result in the service.")] = False,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Fill the missing cells of TABLE by draws given the rest of their rows; all other cells stay as they are.

    The result holds the REAL records of TABLE: treat it as confidential. Table and result are deleted from the service
    afterwards. Another seed gives another draw: several of them make a multiple imputation.

    Example: populace impute survey.csv --synthesizer SYNTHESIZER --output filled.csv --columns income,occupation
    """
    if output is not None:
        check_ending(output)
        if not output.absolute().parent.is_dir():
            raise CommandError(f"There is no folder {output.absolute().parent}.", hint="Make it first.")
    with connect(url, key) as client:
        client.synthesizers.get(synthesizer)
        say(f"Uploading {source.name} ({size(source.stat().st_size)})")
        dataset = client.datasets.upload(source)
        jobs = [str(dataset.job_id)]
        try:
            client.jobs.wait(jobs[0], progress=True)
            chosen = None if columns is None else [name.strip() for name in columns.split(",")]
            job = client.jobs.impute(synthesizer, dataset.id, columns=chosen, codes=code, seed=seed)
            jobs.append(job.id)
            job = client.jobs.wait(job.id, progress=True)
            client.samples.download(str(job.result["sample_id"]), output or sys.stdout.buffer)
        finally:
            if not keep:
                _forget(client, dataset.id, jobs)
    filled = job.result["filled"]
    say(f"{sum(filled.values()):,} cells filled" + "".join(f"; {name}: {n:,}" for name, n in filled.items()))
    say_warnings(job.result)
    if keep:
        say(f"Kept: dataset {dataset.id}, sample {job.result['sample_id']}")
    if output is not None:
        say(f"Imputed table: {output}")


def _forget(client: Client, dataset: str, jobs: Sequence[str]) -> None:
    """Delete the table and what was made of it; jobs at work are stopped first."""
    try:
        for id in jobs:
            if not client.jobs.get(id).ended:
                client.jobs.cancel(id)
                client.jobs.wait(id, timeout=CANCEL_SECONDS, check=False)
        client.datasets.delete(dataset)
    except ApiError as error:
        say(f"warning: dataset {dataset} is still in the service: {error.message}")
