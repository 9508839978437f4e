"""Workers with real child processes: results, failures, limits, cancellation, shutdown, and who outlives whom."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from service.db.base import epoch_now
from service.db.tables import Blob, Dataset, Job, JobEvent, JobStep, MetricRow, Report, Sample, Synthesizer
from service.jobs import lifecycle
from service.jobs.hints import LocalHint
from worker.supervisor import Pool, Supervisor

SECRET = "do-not-pass-on"


@contextmanager
def working(supervisor: Supervisor) -> Iterator[threading.Thread]:
    """The supervisor at work in a thread."""
    thread = threading.Thread(target=supervisor.work)
    thread.start()
    try:
        yield thread
    finally:
        supervisor.stop()
        thread.join(20)
        assert not thread.is_alive()


def folders(bench: Any) -> list[Path]:
    return sorted(bench.settings.jobs_dir.glob("job_*")) if bench.settings.jobs_dir.exists() else []


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile, or is waited for
            if "standin" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_job_runs_to_its_end(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPULACE_DATABASE_URL", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    job_id = bench.add(tick=0.15)
    assert bench.supervisor().work() == 1
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.problem) == ("succeeded", 1, None)
    synthesizer, sample = bench.rows(Synthesizer)[0], bench.rows(Sample)[0]
    assert b"".join(bench.store.chunks(synthesizer.artifact_blob_id)) == b"synthesizer"
    assert (sample.row_count, sample.seed) == (10, 1)
    assert len(bench.rows(Report)) == len(bench.rows(MetricRow)) == 1
    seen = set(synthesizer.manifest["environment"])
    assert not [name for name in seen if "SECRET" in name or "URL" in name]
    assert "OMP_NUM_THREADS" in seen
    steps = {s.name: s for s in bench.rows(JobStep)}
    for name in ("read", "train", "sample", "evaluate", "publish"):
        assert steps[name].fraction == 1.0
        assert steps[name].started_at <= steps[name].ended_at
    kinds = [e.type for e in bench.rows(JobEvent)]
    assert kinds[:2] == ["state", "state"]
    assert kinds[-1] == "state"
    assert {"step", "progress", "checkpoint"} <= set(kinds)
    assert folders(bench) == []
    blobs = {b.id for b in bench.rows(Blob)}
    table = bench.rows(Dataset)[0].table_blob_id
    assert blobs == {table, synthesizer.artifact_blob_id, sample.table_blob_id}, "checkpoints are gone"


def test_every_kind_of_job(sqlite_bench: Any) -> None:
    bench = sqlite_bench
    upload = bench.upload()
    bench.add()
    assert bench.supervisor().work() == 2
    dataset = bench.rows(Dataset, id=bench.job(upload).dataset_id)[0]
    assert (dataset.state, dataset.row_count, dataset.column_count) == ("ready", 3, 1)
    assert b"".join(bench.store.chunks(dataset.table_blob_id)) == b"age\n1\n2\n"
    synthesizer, sample = bench.rows(Synthesizer)[0].id, bench.rows(Sample)[0].id
    drawn = bench.add("sample", synthesizer_id=synthesizer, where=["age>=65"], seed=7)
    bench.supervisor(max_attempts=1).work()
    problem = bench.job(drawn).problem
    assert problem is not None
    assert problem["code"] == "child_lost", "b'synthesizer' is no archive"
    with bench.database.write() as session:
        session.execute(sa.delete(Job).where(Job.id == drawn))
    again = bench.add("evaluate", synthesizer_id=synthesizer, sample_id=sample)
    bench.supervisor().work()
    assert bench.job(again).state == "succeeded"
    assert {r.job_id for r in bench.rows(Report, sample_id=sample)} >= {again}


def test_a_reported_problem_fails_the_job_at_once(bench: Any) -> None:
    job_id = bench.add(plan="error")
    bench.supervisor().work()
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.problem["code"], job.problem["status"]) == ("failed", 1, "invalid_data", 422)
    assert "Line 3" in job.problem["detail"]
    assert bench.rows(JobEvent)[-1].data["problem"]["code"] == "invalid_data"
    assert folders(bench) == []


def test_an_unforeseen_exception_quotes_no_data(sqlite_bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    job_id = sqlite_bench.add(plan="bug")
    sqlite_bench.supervisor().work()
    problem = sqlite_bench.job(job_id).problem
    assert problem["code"] == "internal"
    assert "secret-cell-value" not in str(problem) + caplog.text
    assert "ValueError" in problem["detail"]
    assert "in misbehave" in caplog.text, "the place is logged"


def test_a_crashed_child_gets_three_attempts(bench: Any) -> None:
    job_id = bench.add(plan="crash")
    assert bench.supervisor().work() == 3
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.problem["code"]) == ("failed", 3, "child_lost")
    assert "signal 9" in job.problem["detail"]


def test_memory_limit(sqlite_bench: Any) -> None:
    job_id = sqlite_bench.add(plan="hog")
    sqlite_bench.supervisor(job_memory_bytes=200 * 1024**2).work()
    job = sqlite_bench.job(job_id)
    assert (job.state, job.attempt, job.problem["code"]) == ("failed", 1, "memory_limit")
    assert job.problem["hint"]
    assert children() == []


def test_a_parser_cannot_outrun_the_memory_limit(sqlite_bench: Any) -> None:
    job_id = sqlite_bench.upload()
    with sqlite_bench.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(spec={"plan": "hog"}))
    sqlite_bench.supervisor(job_memory_bytes=200 * 1024**2).work()
    assert sqlite_bench.job(job_id).problem["code"] == "memory_limit"
    assert sqlite_bench.rows(Dataset, state="rejected")[0].problem["code"] == "memory_limit"


def test_time_limit(sqlite_bench: Any) -> None:
    job_id = sqlite_bench.add(plan="hang")
    sqlite_bench.supervisor(job_seconds=0.5).work()
    assert sqlite_bench.job(job_id).problem["code"] == "time_limit"


@pytest.mark.parametrize("plan", ["ok", "hang"])
def test_cancel_while_running(bench: Any, until: Callable[..., None], plan: str) -> None:
    job_id = bench.add(plan=plan, ticks=10_000, tick=0.05)
    with working(bench.supervisor()):
        bench.wait(job_id, "running")
        until(children)
        with bench.database.write() as session:
            lifecycle.cancel(session, job_id)
        bench.wait(job_id, "cancelled", seconds=8)
        until(lambda: not folders(bench))
    assert children() == []
    assert bench.rows(Synthesizer) == []


def test_a_lost_lease_stops_the_child_and_nothing_is_written(bench: Any, until: Callable[..., None]) -> None:
    job_id = bench.add(ticks=10_000, tick=0.05)
    with working(bench.supervisor()) as thread:
        until(children)
        with bench.database.write() as session:  # as if the worker had been silent for too long
            session.execute(sa.update(Job).where(Job.id == job_id).values(lease_until=epoch_now() - 1))
            lifecycle.reconcile(session, hint_after=60)
        with bench.database.write() as session:
            other = lifecycle.claim(session, worker="other", queues=("gpu",), lease_seconds=60)
        assert other is not None
        until(lambda: not children())
        thread.join(10)
        assert not thread.is_alive(), "the queue is empty for it"
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.worker) == ("running", 2, "other")
    assert not [e for e in bench.rows(JobEvent) if e.attempt == 2 and e.type != "state"]


def test_shutdown_gives_the_job_back_and_it_goes_on_from_its_checkpoint(bench: Any, until: Callable[..., None]) -> None:
    job_id = bench.add(ticks=40, tick=0.05)
    first = bench.supervisor()
    with working(first):
        until(lambda: bench.job(job_id).checkpoint_blob_id)
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.max_attempts) == ("queued", 1, 4)
    assert folders(bench) == []
    bench.supervisor().work()
    job = bench.job(job_id)
    assert (job.state, job.attempt) == ("succeeded", 2)
    manifest = bench.rows(Synthesizer)[0].manifest
    assert manifest["resumed_at"] > 0
    assert len(bench.rows(MetricRow)) == 1


def test_a_childs_own_children_end_with_it(sqlite_bench: Any, until: Callable[..., None]) -> None:
    job_id = sqlite_bench.add(plan="fork")
    with working(sqlite_bench.supervisor()):
        until(lambda: [f for f in folders(sqlite_bench) if (f / "grandchild").exists()])
        pid = int((folders(sqlite_bench)[0] / "grandchild").read_text() or 0)
        assert psutil.pid_exists(pid)
        with sqlite_bench.database.write() as session:
            lifecycle.cancel(session, job_id)
        sqlite_bench.wait(job_id, "cancelled")
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


WORKER = """
import sys, threading
from service.settings import Settings
from worker.supervisor import Supervisor
settings = Settings.model_validate_json(sys.argv[1])
Supervisor(settings, command=sys.argv[2:]).work()
"""


def test_a_child_does_not_outlive_a_killed_worker(sqlite_bench: Any, until: Callable[..., None]) -> None:
    bench = sqlite_bench
    job_id = bench.add(ticks=10_000, tick=0.05)
    bench_command = bench.supervisor()._command
    worker = subprocess.Popen([sys.executable, "-c", WORKER, bench.settings.model_dump_json(), *bench_command])
    try:
        until(lambda: psutil.Process(worker.pid).children())
        child = psutil.Process(worker.pid).children()[0]
        until(lambda: bench.job(job_id).checkpoint_blob_id)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 3)
    assert bench.job(job_id).state == "running", "nobody has noticed yet"
    assert len(folders(bench)) == 1
    supervisor = bench.supervisor()
    supervisor.sweep()
    assert folders(bench) == []
    with bench.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(spec=bench.job(job_id).spec | {"ticks": 3}))
    until(lambda: supervisor.reconcile() == {"gpu"}, 8)
    supervisor.work()
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == ("succeeded", 2)
    assert bench.rows(Synthesizer)[0].manifest["resumed_at"] > 0


def test_folders_of_the_living_are_not_swept(sqlite_bench: Any, until: Callable[..., None]) -> None:
    sqlite_bench.add(ticks=10_000, tick=0.05)
    with working(sqlite_bench.supervisor()):
        until(children)
        sqlite_bench.supervisor().sweep()
        assert len(folders(sqlite_bench)) == 1
        assert oct(folders(sqlite_bench)[0].stat().st_mode)[-3:] == "700"


def test_a_deleted_input_fails_the_job(sqlite_bench: Any) -> None:
    job_id = sqlite_bench.add()
    with sqlite_bench.database.write() as session:
        session.execute(sa.update(Dataset).values(table_blob_id=None))
    sqlite_bench.supervisor().work()
    assert sqlite_bench.job(job_id).problem["code"] == "not_found"


def test_hints_wake_a_pool_at_once_and_slots_work_side_by_side(sqlite_bench: Any, until: Callable[..., None]) -> None:
    hint = LocalHint()
    pool = Pool(sqlite_bench.supervisor(worker_slots=2, poll_seconds=600.0), hint)
    pool.start()
    try:
        time.sleep(0.3)
        jobs = [sqlite_bench.add(ticks=10_000, tick=0.05) for _ in range(2)]
        began = time.monotonic()
        hint.send("gpu")
        for job_id in jobs:
            sqlite_bench.wait(job_id, "running", seconds=3)
        assert time.monotonic() - began < 3
        until(lambda: len(children()) == 2)
    finally:
        assert pool.stop(20)
    assert {sqlite_bench.job(j).state for j in jobs} == {"queued"}
    assert children() == []


def test_supervisors_share_one_queue(bench: Any) -> None:
    jobs = [bench.add(ticks=1) for _ in range(6)]
    workers = [bench.supervisor() for _ in range(2)]
    threads = [threading.Thread(target=w.work) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {bench.job(j).state for j in jobs} == {"succeeded"}
    assert {bench.job(j).attempt for j in jobs} == {1}
    assert len(bench.rows(Synthesizer)) == len(bench.rows(MetricRow)) == 6


def test_a_database_that_drops_connections_costs_no_attempt(postgres_bench: Any) -> None:
    job_id = postgres_bench.add(ticks=60, tick=0.05)
    done = threading.Event()
    engine = sa.create_engine(postgres_bench.settings.sqlalchemy_url, isolation_level="AUTOCOMMIT")
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    drop = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"
    dropped = 0

    def disturb() -> None:
        nonlocal dropped
        with engine.connect() as connection:
            while not done.wait(0.4):
                dropped += connection.exec_driver_sql(drop).scalar_one()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        postgres_bench.supervisor(lease_seconds=60.0).work()
    finally:
        done.set()
        thread.join()
        engine.dispose()
    job = postgres_bench.job(job_id)
    assert dropped > 2
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert len(postgres_bench.rows(MetricRow)) == 1


def test_this_process_is_not_the_group_leader_of_its_children(sqlite_bench: Any, until: Callable[..., None]) -> None:
    sqlite_bench.add(ticks=10_000, tick=0.05)
    with working(sqlite_bench.supervisor()):
        until(children)
        assert os.getpgid(children()[0].pid) == children()[0].pid != os.getpgid(0)
