"""populace jobs: order work, watch it, stop it."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect, training_options
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
from populace.commands.local import Analyses, JudgedTargets, read_list, with_targets
from populace.commands.nouns import Id, noun
from populace.commands.private import (
    Asked,
    Delta,
    DomainShare,
    Epsilon,
    EvaluationShare,
    Mechanism,
    PublicRows,
    RowsPerUnit,
    UnitColumn,
)
from populace.commands.replicates import Combining, Samples, check_combining
from populace.console import emit, emit_json, say, say_warnings

if TYPE_CHECKING:
    from populace.client import Client
    from populace.records import Job

app = noun(
    "jobs",
    "Work: train and draw, draw more, evaluate; watch it and stop it.",
    ("id", "kind", "state", "fraction", "attempt", "created_at"),
    deletable=False,
)

Rows = Annotated[int | None, typer.Option(help="Rows of the sample; by default as many as the dataset has.")]
Target = Annotated[str | None, typer.Option(help="Column to measure usefulness on.")]
Where = Annotated[list[str] | None, typer.Option(help='Condition on the rows, e.g. "age>=65"; may be repeated.')]
Balance = Annotated[
    str | None,
    typer.Option(
        help='Shares of one column: "income" (equal ones), or "income:<=50K=0.3,>50K=0.7".', show_default=False
    ),
]
Fast = Annotated[
    bool, typer.Option("--fast", help="Draw by a small network distilled from the generator: quicker, at a loss.")
]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same rows.")]
Holdout = Annotated[float | None, typer.Option(help="Share of rows kept from training, for the evaluation.")]
Option = Annotated[list[str] | None, typer.Option("--option", help="Training option NAME=VALUE; may be repeated.")]
OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", help="JSON file of training options; --option overrides.", exists=True, dir_okay=False),
]
MaxTime = Annotated[str | None, typer.Option("--max-time", help="Train no longer than this, e.g. 90s, 10m, 1h30m.")]
Model = Annotated[
    str | None, typer.Option("--model", help="masked (the default), or ctgan: the classic conditional GAN.")
]
Wait = Annotated[bool, typer.Option(help="Wait until it has ended.")]


def _ordered(client: Client, job: Job, wait: bool, json: bool) -> None:
    if wait:
        say(f"Job {job.id}")
        job = client.jobs.wait(job.id, progress=True)
        say_warnings(job.result)
    if json:
        emit_json(dict(job.raw))
    else:
        emit(job.id)


@app.command()
def synthesize(
    dataset: Annotated[str, typer.Argument(help="Id of a dataset.")],
    rows: Rows = None,
    target: Target = None,
    where: Where = None,
    balance: Balance = None,
    fast: Fast = False,
    seed: Seed = None,
    holdout: Holdout = None,
    option: Option = None,
    options_file: OptionsFile = None,
    max_time: MaxTime = None,
    model: Model = None,
    options_from: Annotated[str | None, typer.Option(help="Id of a tune job; takes its best options.")] = None,
    analyses: Analyses = None,
    epsilon: Epsilon = None,
    delta: Delta = None,
    mechanism: Mechanism = None,
    unit_column: UnitColumn = None,
    rows_per_unit: RowsPerUnit = None,
    public_rows: PublicRows = None,
    domain_share: DomainShare = None,
    evaluation_share: EvaluationShare = None,
    name: Annotated[str | None, typer.Option(help="A name for the job.")] = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Train on a dataset, draw a sample, evaluate it; prints the job's id.

    With --epsilon, under differential privacy, out of the dataset's budget (`populace budget`).

    Example: populace jobs synthesize DATASET --target income --json
    """
    privacy = Asked(
        epsilon, delta, mechanism, unit_column, rows_per_unit, public_rows, domain_share, evaluation_share
    ).request()
    options = training_options(option, options_file, max_time, model)
    with connect(url, key) as client:
        job = client.jobs.synthesize(
            dataset,
            rows=rows,
            target=target,
            where=where or (),
            balance=balance,
            mode="fast" if fast else None,
            seed=seed,
            holdout=holdout,
            options=options,
            options_from=options_from,
            evaluation=None if analyses is None else {"analyses": read_list(analyses)},
            privacy=privacy,
            name=name,
        )
        _ordered(client, job, wait, json)


@app.command()
def sample(
    synthesizer: Annotated[str, typer.Argument(help="Id of a synthesizer.")],
    rows: Annotated[int, typer.Option(help="Rows to draw.")],
    where: Where = None,
    balance: Balance = None,
    fast: Fast = False,
    samples: Samples = None,
    seed: Seed = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """More rows from a trained synthesizer, without training again; prints the job's id, or each job's.

    Example: populace jobs sample SYNTHESIZER --rows 10000 --where "age>=65" --where "sex=Female"
    """
    with connect(url, key) as client:
        how: dict[str, Any] = {"where": where or (), "balance": balance, "mode": "fast" if fast else None, "seed": seed}
        if samples is None:
            _ordered(client, client.jobs.sample(synthesizer, rows, **how), wait, json)
            return
        for job in client.jobs.samples(synthesizer, rows, samples, **how):
            _ordered(client, job, wait, json)


@app.command()
def evaluate(
    sample: Annotated[str, typer.Argument(help="Id of a sample; or of a dataset, with --real.")],
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="MORE", help="Further samples of the same synthesizer, to combine.", show_default=False),
    ] = None,
    real: Annotated[str | None, typer.Option(help="Id of the dataset with the real rows.")] = None,
    holdout: Annotated[str | None, typer.Option(help="Id of a dataset of other real rows.")] = None,
    combining: Combining = None,
    target: JudgedTargets = None,
    analyses: Analyses = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Make a report on a sample, or on an uploaded table against a real one; prints the job's id.

    Examples: populace jobs evaluate SAMPLE --target income

      populace jobs evaluate DATASET --real DATASET --holdout DATASET

      populace jobs evaluate SAMPLE SAMPLE SAMPLE
    """
    check_combining(combining, more)
    if holdout is not None and real is None:
        raise typer.BadParameter("belongs to --real.", param_hint="--holdout")
    what: dict[str, Any] = {"sample_id": sample}
    if real is not None:
        what = {"real": real, "synthetic": sample, "holdout": holdout}
    what |= {"replicates": more or (), "combining": combining}
    evaluation = {} if analyses is None else {"analyses": read_list(analyses)}
    first = with_targets(evaluation, target)
    with connect(url, key) as client:
        _ordered(client, client.jobs.evaluate(**what, target=first, evaluation=evaluation or None), wait, json)


@app.command()
def compare(
    dataset: Annotated[str | None, typer.Argument(help="Id of a dataset.")] = None,
    sample: Annotated[str | None, typer.Option(help="Id of a sample, in place of a dataset.")] = None,
    target: Targets = None,
    together: Together = None,
    methods: Methods = None,
    folds: Folds = None,
    groups: Groups = None,
    test: Annotated[str | None, typer.Option(help="Id of a dataset to test on besides.")] = None,
    option: MethodOption = None,
    options_file: MethodOptions = None,
    seed: Seed = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Compare methods of classification and regression on a dataset or a sample; prints the job's id."""
    asked = comparison(target, together, methods, folds, groups, option, options_file, seed)
    with connect(url, key) as client:
        _ordered(client, client.jobs.compare(dataset, sample_id=sample, test=test, **asked), wait, json)


@app.command("wait")
def wait_for(
    id: Id,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Wait until a job has ended; fails if the job failed."""
    with connect(url, key) as client:
        job = client.jobs.wait(id, timeout=timeout, progress=True)
    if json:
        emit_json(dict(job.raw))


@app.command()
def cancel(id: Id, url: Url = None, key: ApiKey = None) -> None:
    """Ask a job to stop."""
    with connect(url, key) as client:
        say(f"Job {id}: {client.jobs.cancel(id).state}")


@app.command()
def events(
    id: Id,
    after: Annotated[int, typer.Option(help="Only events after this id.")] = 0,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Print a job's events as they come, one JSON object per line, until it has ended."""
    with connect(url, key) as client:
        for event in client.jobs.events(id, after=after):
            emit(json_module.dumps({"id": event.id, "type": event.type, "data": event.data}))
