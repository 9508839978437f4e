"""populace jobs tune, populace jobs trials: search training options and look at what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect, parse_options, read_json, seconds
from populace.commands.jobs import Holdout, Option, Seed, Target, Wait
from populace.commands.nouns import Id
from populace.console import CommandError, emit, emit_json, say, write_json
from populace.trials import trials_table

Objective = Annotated[
    str | None,
    typer.Option(help="What trials are judged by: detection (the default), utility (needs --target) or likelihood."),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="Search the options of this method in place of a training's: mlp, conv1d, linear, knn, tree, forest, "
        "boosting, svm; needs --target."
    ),
]
SearchBy = Annotated[
    Literal["bayes", "random", "grid"] | None, typer.Option(help="With --method: how to search; by default bayes.")
]


def tune(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.")],
    trials: Annotated[int | None, typer.Option(help="Try at most so many; by default 20.", min=2, max=500)] = None,
    max_time: Annotated[str | None, typer.Option(help="Try no more after this long, e.g. 90s, 10m, 1h30m.")] = None,
    objective: Objective = None,
    target: Target = None,
    method: Method = None,
    search: SearchBy = None,
    space: Annotated[
        Path | None,
        typer.Option(help="JSON file of what is tried: {option: {low, high, log} or [values]}.", exists=True),
    ] = None,
    option: Option = None,
    seed: Seed = None,
    holdout: Holdout = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the best options here, for `--options`.")
    ] = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Search training options on rows held out inside the training part; prints the job's id.

    The trials go to standard error as a table. The first one has the defaults. The rows of the final evaluation take
    no part.

    Examples:

      populace jobs tune DATASET --trials 20 --max-time 10m --objective utility --target income --output best.json

      populace jobs synthesize DATASET --options-from JOB    or    populace synth census.csv --options best.json
    """
    if output is not None and not wait:
        raise typer.BadParameter("needs to wait for the result.", param_hint="--output")
    limit = seconds(max_time, "--max-time")
    with connect(url, key) as client:
        job = client.jobs.tune(
            dataset,
            trials=trials,
            max_time=limit,
            objective=objective,
            target=target,
            method=method,
            search=search,
            space=None if space is None else read_json(space),
            options=parse_options(option or ()),
            seed=seed,
            holdout=holdout,
        )
        if wait:
            say(f"Job {job.id}")
            job = client.jobs.wait(job.id, progress=True)
    if wait:
        show_trials(job.result)
        if output is not None:
            write_json(output, job.result["options"])
            say(f"Best options: {output}")
    if json:
        emit_json(dict(job.raw))
    else:
        emit(job.id)


def trials(id: Id, url: Url = None, key: ApiKey = None, json: AsJson = False) -> None:
    """Print what a search has tried so far, one line per trial; * marks the best one."""
    with connect(url, key) as client:
        job = client.jobs.get(id)
        if job.kind != "tune":
            raise CommandError(f"Job {id} is no search.", hint="`populace jobs list` shows each job's kind.")
        found = client.jobs.trials(job)
    if json:
        emit_json([dict(t) for t in found])
    else:
        emit(trials_table(found, job.result.get("best"), str(job.result.get("score", "score"))))


def show_trials(result: Mapping[str, Any]) -> None:
    """The trials of a search that has ended, for people."""
    for line in trials_table(result["trials"], result["best"], result["score"]).splitlines():
        say(line)
    if result.get("method"):
        say(str(result["verdict"]))
        return
    rows, real = result["rows"], result["real"]
    known = "" if real is None else f" Real rows read {real:.4g}."
    if result.get("error") is not None:
        known += f" Standard error of a score: {result['error']:.2g}; smaller differences may be chance."
    ended = {"time": " The time was over.", "space": " Nothing new was left to try."}.get(result["ended"], "")
    say(f"{result['score']}, {result['better']} is better, on {rows['judged']:,} held-out rows.{known}{ended}")
