"""populace synth: the whole job in one command, on a private service that lives as long as the command."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated

import typer

from populace.commands.common import seconds, training_options
from populace.commands.datasets import read_schema
from populace.commands.jobs import (
    Balance,
    Fast,
    Holdout,
    MaxTime,
    Model,
    Option,
    OptionsFile,
    Rows,
    Seed,
    Target,
    Where,
)
from populace.commands.local import Analyses, check_folders, place, read_list, terminated
from populace.commands.private import (
    DELTA,
    Asked,
    Delta,
    DomainShare,
    Epsilon,
    EvaluationShare,
    Mechanism,
    PublicRows,
    RowsPerUnit,
    UnitColumn,
    budget_for,
)
from populace.commands.replicates import Samples
from populace.commands.samples import check_ending
from populace.commands.tuning import Objective, show_trials
from populace.console import emit_json, say, say_warnings


def synth(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".csv, .csv.gz or .parquet; by default CSV to standard output."),
    ] = None,
    rows: Rows = None,
    target: Target = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="JSON file of overrides: {columns: [{name, kind, ...}]}.", exists=True, dir_okay=False),
    ] = None,
    where: Where = None,
    balance: Balance = None,
    fast: Fast = False,
    samples: Samples = None,
    seed: Seed = None,
    holdout: Holdout = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report here, as one HTML page; with --epsilon its public edition.")
    ] = None,
    internal_report: Annotated[
        Path | None, typer.Option(help="With --epsilon: write the internal edition here. It is not for release.")
    ] = None,
    analyses: Analyses = None,
    option: Option = None,
    options_file: OptionsFile = None,
    tune: Annotated[
        int | None, typer.Option(help="Search training options first, in so many trials.", min=2, max=500)
    ] = None,
    tune_time: Annotated[str | None, typer.Option(help="Search no longer than this, e.g. 10m.")] = None,
    objective: Objective = None,
    max_time: MaxTime = None,
    model: Model = None,
    epsilon: Epsilon = None,
    delta: Delta = None,
    mechanism: Mechanism = None,
    unit_column: UnitColumn = None,
    rows_per_unit: RowsPerUnit = None,
    public_rows: PublicRows = None,
    rows_at_most: Annotated[
        int | None,
        typer.Option(help="Rows of INPUT at most, a bound that is public; by default what goes with the delta.", min=1),
    ] = None,
    domain_share: DomainShare = None,
    evaluation_share: EvaluationShare = None,
    home: Annotated[
        Path | None, typer.Option(help="Keep database and models here instead of a temporary place.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary place and say where it is.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print figures and paths as JSON; needs --output.")] = False,
) -> None:
    """Make a synthetic table out of INPUT: upload, train, draw, evaluate, download, all on this machine.

    Needs no running service. A short scorecard goes to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,
    130 interrupted (the job is cancelled and temporary files are removed).

    Examples:

      populace synth census.csv --output synthetic.csv --target income --report report.html

      populace synth census.parquet --rows 5000 --where "age>=65" --where "sex=Female" > older_women.csv

      populace synth census.csv --balance "income:<=50K=0.5,>50K=0.5" --max-time 10m --output balanced.csv

      populace synth census.csv --samples 5 --analyses models.json --output made.csv --report report.html

      populace synth census.csv --epsilon 1 --schema public.json --output private.csv
    """
    if output is not None:
        check_ending(output)
    elif json:
        raise typer.BadParameter("needs --output: standard output cannot hold both.", param_hint="--json")
    several = samples is not None and samples > 1
    if several and output is None:
        raise typer.BadParameter("needs --output: each sample is a file of its own.", param_hint="--samples")
    check_folders(output, report, internal_report)
    options = training_options(option, options_file, max_time, model)
    search = {"trials": tune, "objective": objective, "max_time": seconds(tune_time, "--tune-time")}
    if tune is None and (objective or tune_time):
        raise typer.BadParameter("--objective and --tune-time belong to a search.", param_hint="--tune")
    evaluation = None if analyses is None else {"analyses": read_list(analyses)}
    overrides = None if schema is None else read_schema(schema)
    if epsilon is not None:
        delta = DELTA if delta is None else delta
    privacy = Asked(
        epsilon, delta, mechanism, unit_column, rows_per_unit, public_rows, domain_share, evaluation_share
    ).request()
    for name, value in (("--rows-at-most", rows_at_most), ("--internal-report", internal_report)):
        if privacy is None and value is not None:
            raise typer.BadParameter("belongs to --epsilon.", param_hint=name)
    if privacy is not None and tune is not None:
        raise typer.BadParameter(
            "a search looks at rows that nobody pays for: not with --epsilon.", param_hint="--tune"
        )

    from populace.client import Client
    from populace.embedded import EmbeddedService
    from populace.pipeline import Order, run
    from populace.scorecard import scorecard

    order = Order(source, rows, target, tuple(where or ()), seed, holdout, options, overrides)
    order = replace(order, search=search if tune else None, balance=balance, mode="fast" if fast else None)
    order = replace(order, evaluation=evaluation)
    order = replace(order, samples=samples or 1, combine=privacy is None or internal_report is not None)
    if privacy is not None:
        order = replace(order, privacy=privacy, budget=budget_for(privacy, rows_at_most))
    sink: Path | IO[bytes] = output or sys.stdout.buffer
    with (
        terminated(),
        place(home, keep) as folder,
        EmbeddedService(folder) as service,
        Client(service.url, service.key) as client,
    ):
        outcome = run(client, order, sink, report)
        if internal_report is not None:
            whole = outcome.combined or outcome.report
            client.reports.download(whole.id, internal_report, edition="internal")
        sample = client.samples.get(outcome.sample_id)
    if outcome.tuning is not None:
        show_trials(outcome.tuning.result)
    each = f"{len(outcome.files)} samples of " if several else ""
    say(f"{each}{sample.row_count:,} rows in {outcome.seconds['all']:.0f} s")
    say_warnings(outcome.job.result)
    for line in scorecard(outcome.report).splitlines():
        say(line)
    tables = [("Synthetic table", file) for file in outcome.files]
    pages = (("Report", report), ("Internal report, not for release", internal_report))
    for what, file in (*tables, *pages):
        if file is not None:
            say(f"{what}: {file}")
    if json:
        emit_json(
            {
                "output": str(outcome.files[0]),
                "outputs": [str(file) for file in outcome.files],
                "report": None if report is None else str(report),
                "home": str(folder) if keep or home else None,
                "rows": sample.row_count,
                "seconds": dict(outcome.seconds),
                "dataset": dict(outcome.dataset.raw),
                "job": dict(outcome.job.raw),
                "tuning": None if outcome.tuning is None else dict(outcome.tuning.raw),
                "metrics": [dict(m) for m in outcome.report.metrics],
            }
        )
