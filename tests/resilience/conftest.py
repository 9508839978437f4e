"""A migrated database (SQLite and Postgres), jobs in it, and workers whose children work to plan (standin.py)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from service.db import migrate
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Dataset, Job, Tenant
from service.jobs import repository
from service.settings import Settings
from service.storage import open_store
from worker.supervisor import Supervisor

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))


@dataclass
class Bench:
    """A tenant with one dataset, and the means to work on it."""

    settings: Settings
    database: Database
    tenant_id: str = "ten_a"
    dataset_id: str = "ds_a"

    def __post_init__(self) -> None:
        self.store = open_store(self.settings, self.database)

    def fill(self) -> Bench:
        table = self.store.write([b"table"]).id
        with self.database.write() as session:
            session.add(Tenant(id=self.tenant_id, name="a"))
            session.flush()
            session.add(
                Dataset(
                    id=self.dataset_id,
                    tenant_id=self.tenant_id,
                    name="a.csv",
                    state="ready",
                    bytes=5,
                    sha256="0",
                    media_type="text/csv",
                    table_blob_id=table,
                    row_count=3,
                    schema={"columns": []},
                )
            )
        return self

    def upload(self) -> str:
        """A pending dataset and its profile job -> job id."""
        blob = self.store.write([b"age\n1\n2\n"]).id
        with self.database.write() as session:
            dataset = Dataset(
                id=new_id("ds"),
                tenant_id=self.tenant_id,
                name="b.csv",
                state="pending",
                bytes=8,
                sha256="0",
                media_type="text/csv",
                upload_blob_id=blob,
            )
            session.add(dataset)
            session.flush()
            return self.add("profile", session=session, dataset_id=dataset.id)

    def add(self, kind: str = "synthesize", *, session: Any = None, **spec: Any) -> str:
        """A queued job -> its id."""
        if session is None:
            with self.database.write() as own:
                return self.add(kind, session=own, **spec)
        links = {k: spec.pop(k) for k in ("dataset_id", "synthesizer_id", "sample_id") if k in spec}
        links.setdefault("dataset_id", self.dataset_id)
        whole = {"seed": 1, "where": [], "schema": {"columns": []}, **spec}
        return repository.add(session, self.tenant_id, kind, whole, max_attempts=3, **links).id

    def job(self, job_id: str) -> Job:
        with self.database.read() as session:
            job = session.get_one(Job, job_id)
            session.expunge_all()
            return job

    def rows(self, table: type, **equal: Any) -> list[Any]:
        with self.database.read() as session:
            found = list(session.execute(sa.select(table).filter_by(**equal)).scalars())
            session.expunge_all()
            return found

    def wait(self, job_id: str, *states: str, seconds: float = 60.0) -> Job:
        """The job once it is in one of the states."""
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id)).state not in states:
            assert time.monotonic() < deadline, (
                f"{job_id} is {job.state} after {seconds} s, not {states}: {job.problem}"
            )
            time.sleep(0.05)
        return job

    def supervisor(self, **changes: Any) -> Supervisor:
        """A worker with stand-in children."""
        settings = self.settings.model_copy(update=changes)
        return Supervisor(settings, self.database, self.store, command=STANDIN, name=new_id("w"))


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, Any]:
    """Settings whose times suit a test."""
    return {
        "home": tmp_path / "home",
        "lease_seconds": 3.0,
        "heartbeat_seconds": 0.5,
        "poll_seconds": 1.0,
        "checkpoint_seconds": 0.1,
        "kill_seconds": 1.0,
        "threads": 1,
    }


@pytest.fixture
def sqlite_bench(quick: dict[str, Any], migrated: Path) -> Iterator[Bench]:
    settings = Settings(**quick)
    settings.home.mkdir(parents=True)
    shutil.copy(migrated, settings.home / "populace.db")
    yield from _bench(settings)


@pytest.fixture
def postgres_bench(quick: dict[str, Any], postgres_url: str) -> Iterator[Bench]:
    settings = Settings(**quick, mode="full", database_url=postgres_url)
    migrate.upgrade(settings)
    yield from _bench(settings)


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """On each kind of database."""
    return request.getfixturevalue(f"{request.param}_bench")


def _bench(settings: Settings) -> Iterator[Bench]:
    database = Database(settings)
    yield Bench(settings, database).fill()
    database.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """until(check, seconds): poll until it is true."""

    def poll(check: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    return poll


class Workers:
    """Worker processes of one test, run by `command`."""

    def __init__(self, bench: Bench, broker_url: str, folder: Path) -> None:
        self.bench, self.broker_url, self.folder = bench, broker_url, folder
        self.command = [sys.executable, str(Path(__file__).with_name("celery_worker.py"))]
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
            "checkpoint_seconds": 0.3,
            "kill_seconds": 2,
            "threads": 1,
            **changes,
        }
        env = {**os.environ, **{f"POPULACE_{k.upper()}": str(v) for k, v in given.items() if v}}
        log = (self.folder / f"worker-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(self.command, env=env, stdout=log, stderr=log)
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
def workers(postgres_bench: Any, valkey_url: str, tmp_path: Path) -> Iterator[Workers]:
    out = Workers(postgres_bench, valkey_url, tmp_path)
    yield out
    out.stop()
