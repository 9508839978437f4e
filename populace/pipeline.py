"""The whole way through the API, as `populace synth` and `populace demo` go it: upload, train, download, report. Its
steps serve `populace evaluate`, `compare` and `tune`, too."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from populace.client import Client
from populace.console import say, size
from populace.errors import ApiError
from populace.records import Dataset, Job, Report
from populace.resources.jobs import SEEDS

CANCEL_SECONDS = 15.0


@dataclass(frozen=True)
class Order:
    """What is asked for. None: the service's default. schema: overrides, or a whole schema if it has a version.
    evaluation: options of the evaluation. search: how to search training options first (trials, max_time, objective).
    privacy: of the job; budget: that is set for it before (resources.budgets). samples: how many are drawn;
    combine: and evaluated together.
    """

    source: Path
    rows: int | None = None
    target: str | None = None
    where: tuple[str, ...] = ()
    seed: int | None = None
    holdout: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    balance: str | None = None
    mode: str | None = None
    privacy: Mapping[str, Any] | None = None
    budget: Mapping[str, Any] | None = None
    samples: int = 1
    combine: bool = True


@dataclass(frozen=True)
class Outcome:
    """seconds: wall clock by stage. tuning: the job that searched training options, if one was asked for. sample_ids,
    files: of all samples, the one that the job drew first. combined: the report of all, which is internal under
    differential privacy, beside `report`; else it is `report`."""

    dataset: Dataset
    job: Job
    report: Report
    seconds: Mapping[str, float]
    tuning: Job | None = None
    sample_ids: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    combined: Report | None = None

    @property
    def sample_id(self) -> str:
        return str(self.job.result["sample_id"])


def run(client: Client, order: Order, output: Path | IO[bytes], report: Path | None) -> Outcome:
    """Run `order` and write the sample to `output` and the page to `report`. Several samples go to files of that name
    with their numbers (made-1.csv, made-2.csv, ...), and the report combines them.

    An interrupt cancels the running job and waits for that before it goes on up. Raises ApiError, OSError.
    """
    began = time.monotonic()
    dataset = uploaded(client, order.source, order.schema)
    if order.budget is not None:
        client.budgets.set(dataset.id, **order.budget)
    profiled = time.monotonic()
    tuning = None if order.search is None else _search(client, order, dataset)
    tuned = time.monotonic()
    say(f"{dataset.row_count:,} rows, {dataset.column_count} columns; training" + _privately(order))
    job = client.jobs.synthesize(
        dataset.id,
        rows=order.rows,
        target=order.target,
        where=order.where,
        balance=order.balance,
        mode=order.mode,
        seed=order.seed,
        holdout=order.holdout,
        options=order.options,
        options_from=None if tuning is None else tuning.id,
        evaluation=order.evaluation,
        privacy=order.privacy,
    )
    job = wait(client, job.id)
    found = client.reports.get(str(job.result["report_id"]))
    ids = [str(job.result["sample_id"]), *_drawn(client, order, job)]
    combined = _combined(client, order, ids)
    found = found if combined is None or order.privacy is not None else combined
    worked = time.monotonic()
    files = [output] if len(ids) == 1 else [numbered(Path(str(output)), i) for i, _ in enumerate(ids, 1)]
    for id, file in zip(ids, files, strict=True):
        client.samples.download(id, file)
    if report is not None:
        client.reports.download(found.id, report)
    ended = time.monotonic()
    seconds = {"profile": profiled - began, "job": worked - tuned, "download": ended - worked, "all": ended - began}
    if tuning is not None:
        seconds["tune"] = tuned - profiled
    paths = tuple(file for file in files if isinstance(file, Path))
    rounded = {k: round(v, 2) for k, v in seconds.items()}
    return Outcome(dataset, job, found, rounded, tuning, tuple(ids), paths, combined)


def numbered(file: Path, number: int) -> Path:
    """made.csv.gz -> made-2.csv.gz"""
    stem, dot, endings = file.name.partition(".")
    return file.with_name(f"{stem}-{number}{dot}{endings}")


def _drawn(client: Client, order: Order, job: Job) -> list[str]:
    """Samples beside the job's own, drawn alike by the seeds that follow its seed."""
    if order.samples < 2:
        return []
    say(f"Drawing {order.samples - 1} more samples")
    first = client.samples.get(str(job.result["sample_id"]))
    how: dict[str, Any] = {"where": order.where, "balance": order.balance, "mode": order.mode}
    jobs = client.jobs.samples(
        first.synthesizer_id, first.row_count, order.samples - 1, **how, seed=(first.seed + 1) % SEEDS
    )
    return [str(wait(client, drawn.id).result["sample_id"]) for drawn in jobs]


def _combined(client: Client, order: Order, ids: Sequence[str]) -> Report | None:
    """The report of several samples: of the first, with the analyses of all. It is computed on real rows, and so of the
    internal edition under differential privacy."""
    if len(ids) < 2 or not order.combine:
        return None
    say("Evaluating them together")
    job = wait(client, client.jobs.evaluate(ids[0], replicates=ids[1:]).id)
    edition = None if order.privacy is None else "internal"
    return client.reports.get(str(job.result["report_id"]), edition=edition)


def uploaded(client: Client, source: Path, schema: Mapping[str, Any] | None = None) -> Dataset:
    """Upload a table and wait until it is profiled. schema: as in Order. Raises ApiError, OSError."""
    say(f"Uploading {source.name} ({size(source.stat().st_size)})")
    dataset = client.datasets.upload(source)
    if dataset.job_id is None:
        raise ApiError("unexpected_answer", "The service did not say which job profiles the dataset.")
    wait(client, dataset.job_id)
    if schema is not None:
        client.datasets.set_schema(dataset.id, schema, replace="version" in schema)
    return client.datasets.get(dataset.id)


def _privately(order: Order) -> str:
    if order.privacy is None:
        return ""
    return f" at epsilon {order.privacy['epsilon']:g}, delta {order.privacy['delta']:g}"


def _search(client: Client, order: Order, dataset: Dataset) -> Job:
    """Search training options; the job that trains then takes the search's seed and holdout."""
    say(f"{dataset.row_count:,} rows, {dataset.column_count} columns; searching training options")
    job = client.jobs.tune(
        dataset.id,
        **(order.search or {}),
        target=order.target,
        options=order.options,
        seed=order.seed,
        holdout=order.holdout,
    )
    return wait(client, job.id)


def wait(client: Client, job_id: str) -> Job:
    """Wait for a job with a bar on a terminal; an interrupt cancels it. Raises ApiError if it did not succeed."""
    try:
        return client.jobs.wait(job_id, progress=True)
    except KeyboardInterrupt:
        say("Cancelling; once more to leave at once.")
        try:
            client.jobs.cancel(job_id)
            client.jobs.wait(job_id, timeout=CANCEL_SECONDS, check=False)
        except ApiError as error:
            say(f"error: {error.message}")
        raise
