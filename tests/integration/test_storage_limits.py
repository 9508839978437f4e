"""What the store does to the database around it: its log, its file, its locks."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from service.db.session import Database
from service.db.tables import Blob, BlobChunk, Tenant
from service.settings import Settings
from service.storage import base, open_store

CHUNK = 256 * 1024
CHUNKS = 160


@pytest.fixture
def log(settings: Settings) -> Path:
    return settings.home / "populace.db-wal"


@pytest.fixture
def sqlite(settings: Settings) -> Iterator[Database]:
    database = Database(settings)
    yield database
    database.close()


def test_log_stays_small_beside_another_writer(
    sqlite: Database, settings: Settings, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite alone would not start its log anew while another writer waits for each commit."""
    monkeypatch.setattr(base, "CHUNK_BYTES", CHUNK)
    with sqlite.write() as session:
        session.add(Tenant(id="ten_a", name="a", created_at=0.0))
    sizes, ended = [], threading.Event()

    def write() -> None:
        while not ended.is_set():
            with sqlite.write() as session:
                session.execute(sa.update(Tenant).values(created_at=Tenant.created_at + 1))
            sizes.append(log.stat().st_size)
            ended.wait(0.003)  # it must compete for each commit, not fill the log itself

    other = threading.Thread(target=write)
    other.start()
    try:
        store = open_store(settings, sqlite)
        blob = store.write(bytes(CHUNK) for _ in range(CHUNKS))
        store.delete([blob.id])
    finally:
        ended.set()
        other.join()
    assert blob.bytes == CHUNK * CHUNKS
    assert max(sizes) < blob.bytes / 2
    with sqlite.read() as session:
        assert session.scalar(sa.select(Tenant.created_at)) == len(sizes)
        assert session.scalar(sa.select(sa.func.count()).select_from(BlobChunk)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 0


def test_deleted_bytes_are_overwritten(sqlite: Database, settings: Settings) -> None:
    secret = b"Ada Lovelace, 36, 2 St James's Square"
    store = open_store(settings, sqlite)
    blob = store.write([secret * 10_000])
    sqlite.checkpoint()
    file = settings.home / "populace.db"
    assert secret in file.read_bytes()
    store.delete([blob.id])
    sqlite.checkpoint()
    assert all(secret not in path.read_bytes() for path in settings.home.iterdir())


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "open"
    home.mkdir(mode=0o755)
    database = Database(Settings(home=home))
    with database.write() as session:
        session.execute(sa.text("CREATE TABLE t (x)"))
    assert {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()} == dict.fromkeys(
        ("populace.db", "populace.db-queue", "populace.db-wal", "populace.db-shm"), 0o600
    )
    database.close()


def test_postgres_stores_chunks_as_they_are(postgres_settings: Settings) -> None:
    """Compressing each chunk made an upload five times slower, and readers hold a chunk in memory once, as bytes."""
    database = Database(postgres_settings)
    with database.read() as session:
        query = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'blob_chunks'::regclass AND attname = 'data'"
        assert session.scalar(sa.text(query)) == "e"
    data = bytes(range(256)) * 70_000
    store = open_store(postgres_settings, database)
    blob = store.write([data])
    assert b"".join(store.chunks(blob.id)) == data
    database.close()
