"""populace tune: search the options of a method for one column of a file, on a private service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from populace.commands.common import parse_options, read_json, seconds
from populace.commands.comparing import Folds, Groups, MethodOption, MethodOptions
from populace.commands.datasets import read_schema
from populace.commands.jobs import Seed
from populace.commands.local import Home, Keep, ReportFile, ReportJson, check_folders, local, save, shown, table_file
from populace.commands.tuning import SearchBy
from populace.console import say, write_json


def tune(
    source: Annotated[Path, table_file("DATA", "CSV, CSV.gz or Parquet.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    method: Annotated[
        str, typer.Option(help="mlp, conv1d, linear, knn, tree, forest, boosting or svm.", show_default=True)
    ] = "mlp",
    search: SearchBy = None,
    trials: Annotated[int | None, typer.Option(help="Try at most so many; by default 20.", min=2, max=500)] = None,
    max_time: Annotated[str | None, typer.Option(help="Try no more after this long, e.g. 90s, 10m, 1h30m.")] = None,
    space: Annotated[
        Path | None,
        typer.Option(help="JSON file of what is tried: {option: {low, high, log} or [values]}.", exists=True),
    ] = None,
    folds: Folds = None,
    groups: Groups = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="JSON file of overrides: {columns: [{name, kind, ...}]}.", exists=True, dir_okay=False),
    ] = None,
    option: MethodOption = None,
    options_file: MethodOptions = None,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the best options here, as JSON.")] = None,
    report: ReportFile = None,
    json: ReportJson = None,
    home: Home = None,
    keep: Keep = False,
) -> None:
    """Search the options of a method that predicts a column of DATA; the trials go to standard output.

    Each trial is judged on rows that it has not seen: a part of them, or by --folds. The first one has the defaults.
    `populace jobs tune` searches the options of a synthesizer's training. Exit codes: 0 done, 1 failed, 2 wrong usage,
    130 interrupted.

    Example: populace tune digits.csv --target digit --method mlp --trials 30 --max-time 10m --report search.html
    """
    check_folders(report, json, output)
    options = parse_options(option or (), options_file)
    options |= {name: value for name, value in (("folds", folds), ("groups", groups)) if value is not None}
    limit = seconds(max_time, "--max-time")
    overrides = None if schema is None else read_schema(schema)

    from populace.pipeline import uploaded, wait
    from populace.trials import trials_table

    with local(home, keep) as client:
        table = uploaded(client, source, overrides)
        asked = client.jobs.tune(
            table.id,
            target=target,
            method=method,
            search=search,
            trials=trials,
            max_time=limit,
            space=None if space is None else read_json(space),
            options=options,
            seed=seed,
        )
        job = wait(client, asked.id)
        save(client, job, report, json)
    result = job.result
    shown(f"{trials_table(result['trials'], result['best'], result['score'])}\n{result['verdict']}", json)
    if output is not None:
        write_json(output, result["options"])
        say(f"Best options: {output}")
