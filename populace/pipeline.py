"""The whole way through the API, as `populace synth` and `populace demo` go it: upload, train, download, report. Its
steps serve `populace evaluate`, `compare` and `tune`, too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from populace.client import Client
from populace.console import say, size
from populace.errors import ApiError
from populace.records import Dataset, Job, Report

CANCEL_SECONDS = 15.0


@dataclass(frozen=True)
class Order:
    """What is asked for. None: the service's default. schema: overrides, or a whole schema if it has a version.
    evaluation: options of the evaluation. search: how to search training options first (trials, max_time, objective).
    privacy: of the job; budget: that is set for it before (resources.budgets).
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


@dataclass(frozen=True)
class Outcome:
    """seconds: wall clock by stage. tuning: the job that searched training options, if one was asked for."""

    dataset: Dataset
    job: Job
    report: Report
    seconds: Mapping[str, float]
    tuning: Job | None = None

    @property
    def sample_id(self) -> str:
        return str(self.job.result["sample_id"])


def run(client: Client, order: Order, output: Path | IO[bytes], report: Path | None) -> Outcome:
    """Run `order` and write the sample to `output` and the page to `report`.

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
    worked = time.monotonic()
    client.samples.download(str(job.result["sample_id"]), output)
    found = client.reports.get(str(job.result["report_id"]))
    if report is not None:
        client.reports.download(found.id, report)
    ended = time.monotonic()
    seconds = {"profile": profiled - began, "job": worked - tuned, "download": ended - worked, "all": ended - began}
    if tuning is not None:
        seconds["tune"] = tuned - profiled
    return Outcome(dataset, job, found, {k: round(v, 2) for k, v in seconds.items()}, tuning)


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
