"""populace evaluate: a report from two files, on a private service that lives as long as the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from populace.commands.common import read_json
from populace.commands.datasets import read_schema
from populace.commands.jobs import Seed
from populace.commands.local import (
    Analyses,
    Home,
    JudgedTargets,
    Keep,
    ReportFile,
    ReportJson,
    check_folders,
    local,
    read_list,
    save,
    shown,
    table_file,
    with_targets,
)
from populace.commands.replicates import Combining, Replicates, check_combining
from populace.console import say


def evaluate(
    real: Annotated[Path, table_file("REAL", "The real table: CSV, CSV.gz or Parquet.")],
    synthetic: Annotated[Path, table_file("SYNTHETIC", "The synthetic table, whatever made it.")],
    replicates: Replicates = None,
    holdout: Annotated[
        Path | None,
        typer.Option(help="Real rows that SYNTHETIC was not made from.", exists=True, dir_okay=False),
    ] = None,
    target: JudgedTargets = None,
    combining: Combining = None,
    weights: Annotated[str | None, typer.Option(help="Column of survey weights.")] = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="JSON file of overrides for REAL, as for synth.", exists=True, dir_okay=False),
    ] = None,
    analyses: Analyses = None,
    sensitive: Annotated[
        str | None, typer.Option(help="Columns that an attacker would learn, with commas between.")
    ] = None,
    known: Annotated[str | None, typer.Option(help="Columns that an attacker knows, with commas between.")] = None,
    subgroups: Annotated[
        str | None, typer.Option(help="Columns whose groups are compared one by one, with commas between.")
    ] = None,
    options_file: Annotated[
        Path | None,
        typer.Option("--options", help="JSON file of options of the evaluation.", exists=True, dir_okay=False),
    ] = None,
    seed: Seed = None,
    report: ReportFile = None,
    json: ReportJson = None,
    home: Home = None,
    keep: Keep = False,
) -> None:
    """Judge SYNTHETIC against REAL: fidelity, usefulness, detection, disclosure; the scorecard goes to standard output.

    REAL's schema is inferred and applied to the others. With a holdout, each attack has a control group; without, what
    needs one is unavailable. MORE synthetic tables are samples of the same synthesizer, drawn alike with other seeds:
    the report is of the first, and combines the analyses of all. Needs no running service. Exit codes: 0 done, 1
    failed, 2 wrong usage, 130 interrupted.

    Examples: populace evaluate census.csv made.csv --holdout held.csv --target income --report report.html

      populace evaluate census.csv made-1.csv made-2.csv made-3.csv --analyses models.json --report report.html
    """
    check_combining(combining, replicates)
    check_folders(report, json)
    evaluation: dict[str, Any] = {} if options_file is None else read_json(options_file)
    lists = {"sensitive": sensitive, "known": known, "subgroups": subgroups}
    evaluation |= {name: _names(text) for name, text in lists.items() if text is not None}
    if analyses is not None:
        evaluation["analyses"] = read_list(analyses)
    first = with_targets(evaluation, target)
    overrides = None if schema is None else read_schema(schema)

    from populace.pipeline import uploaded, wait
    from populace.scorecard import scorecard

    with local(home, keep) as client:
        tables = {"real": uploaded(client, real, overrides), "synthetic": uploaded(client, synthetic)}
        if weights is not None:
            client.datasets.set_schema(tables["real"].id, {"columns": [{"name": weights, "kind": "weight"}]})
        if holdout is not None:
            tables["holdout"] = uploaded(client, holdout)
        more = [uploaded(client, path) for path in replicates or ()]
        named = {**tables, **{f"synthetic {i}": table for i, table in enumerate(more, 2)}}
        say("; ".join(f"{role}: {table.row_count:,} rows" for role, table in named.items()))
        ids: dict[str, Any] = {role: table.id for role, table in tables.items()}
        ids |= {"replicates": [table.id for table in more], "combining": combining}
        job = wait(client, client.jobs.evaluate(**ids, target=first, evaluation=evaluation, seed=seed).id)
        found = save(client, job, report, json)
    shown(scorecard(found), json)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
