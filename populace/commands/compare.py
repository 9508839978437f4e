"""populace compare: methods of classification and regression side by side, from a file or on a service's sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from populace.commands.common import ApiKey, Url, connect
from populace.commands.comparing import (
    Folds,
    Groups,
    MethodOption,
    MethodOptions,
    Methods,
    Targets,
    Together,
    comparison,
)
from populace.commands.datasets import read_schema
from populace.commands.jobs import Seed
from populace.commands.local import Home, Keep, ReportFile, ReportJson, check_folders, local, save, shown


def compare(
    source: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Id of a sample of a running service, in place of DATA.")] = None,
    target: Targets = None,
    together: Together = None,
    methods: Methods = None,
    folds: Folds = None,
    groups: Groups = None,
    test: Annotated[
        Path | None, typer.Option(help="Table to test on besides, e.g. real rows.", exists=True, dir_okay=False)
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="JSON file of overrides: {columns: [{name, kind, ...}]}.", exists=True, dir_okay=False),
    ] = None,
    option: MethodOption = None,
    options_file: MethodOptions = None,
    seed: Seed = None,
    report: ReportFile = None,
    json: ReportJson = None,
    home: Home = None,
    keep: Keep = False,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Compare methods that predict a column of DATA, by cross-validation; the table goes to standard output.

    Neural network, logistic or linear regression, nearest neighbours, tree, forest, boosting, support vectors: prepared
    and tuned alike, on the same folds, with confidence intervals and a paired test. Exit codes: 0 done, 1 failed,
    2 wrong usage, 130 interrupted.

    Examples:

      populace compare heart.csv --target HeartDisease --report report.html

      populace compare activity.csv --target class --groups user --methods mlp,conv1d,forest --folds 5
    """
    if (source is None) == (sample is None):
        raise typer.BadParameter("give a file, or --sample with an id.", param_hint="DATA")
    for name, value in (("--test", test), ("--schema", schema), ("--home", home)):
        if sample is not None and value is not None:
            raise typer.BadParameter("belongs to a file, not to --sample.", param_hint=name)
    check_folders(report, json)
    asked = comparison(target, together, methods, folds, groups, option, options_file, seed)
    overrides = None if schema is None else read_schema(schema)

    from populace.comparison import comparison_table
    from populace.pipeline import uploaded, wait

    with connect(url, key) if source is None else local(home, keep) as client:
        table = None if source is None else uploaded(client, source, overrides).id
        beside = None if test is None else uploaded(client, test).id
        job = wait(client, client.jobs.compare(table, sample_id=sample, test=beside, **asked).id)
        found = save(client, job, report, json)
    shown(comparison_table(found), json)
