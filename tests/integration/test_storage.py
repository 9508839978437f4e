"""Both blob stores keep the same promises, on both databases."""

import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from models.errors import NotFound
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Blob, BlobChunk, Dataset, Tenant
from service.settings import Settings
from service.storage import BlobStore, open_store
from service.storage.base import CHUNK_BYTES

BIG = random.Random(7).randbytes(2 * CHUNK_BYTES + 12_345)


@pytest.fixture(params=["database on sqlite", "database on postgres", "folder"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[BlobStore, Database]]:
    """Each kind of store, with its database."""
    settings: Settings = request.getfixturevalue(
        "postgres_settings" if request.param.endswith("postgres") else "settings"
    )
    if request.param == "folder":
        settings = settings.model_copy(update={"storage_url": (tmp_path / "objects").as_uri()})
    database = Database(settings)
    yield open_store(settings, database), database
    database.close()


def rows(database: Database, *tables: type) -> int:
    with database.read() as session:
        return sum(session.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables)


def objects(tmp_path: Path) -> list[Path]:
    return [p for p in (tmp_path / "objects").rglob("*") if p.is_file()] if (tmp_path / "objects").exists() else []


def test_round_trip_of_pieces_of_all_sizes(kept: tuple[BlobStore, Database]) -> None:
    store, _ = kept
    rng, at, pieces = random.Random(1), 0, []
    while at < len(BIG):
        size = rng.choice([1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
        pieces.append(BIG[at : at + size])
        at += size
    info = store.write(pieces)
    assert (info.bytes, info.sha256) == (len(BIG), hashlib.sha256(BIG).hexdigest())
    chunks = list(store.chunks(info.id))
    assert b"".join(chunks) == BIG
    assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_round_trip_around_the_chunk_size(settings: Settings, size: int) -> None:
    database = Database(settings)
    store = open_store(settings, database)
    info = store.write([BIG[:size]])
    assert b"".join(store.chunks(info.id)) == BIG[:size]
    assert store.open(info.id).read() == BIG[:size]
    database.close()


def test_reader_is_a_file_like_any_other(kept: tuple[BlobStore, Database]) -> None:
    store, _ = kept
    reader, plain, rng = store.open(store.write([BIG]).id), io.BytesIO(BIG), random.Random(3)
    for _ in range(60):
        whence = rng.choice([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])
        low = {io.SEEK_SET: 0, io.SEEK_CUR: -plain.tell(), io.SEEK_END: -len(BIG)}[whence]
        offset = rng.randrange(low, low + len(BIG) + 100)
        assert reader.seek(offset, whence) == plain.seek(offset, whence)
        assert reader.tell() == plain.tell()
        # Arrow treats a short read before the end as the end: reads must be whole across chunks.
        size = rng.choice([0, 1, 10_000, CHUNK_BYTES, 2 * CHUNK_BYTES])
        assert reader.read(size) == plain.read(size)


def test_parquet_is_read_from_a_blob_of_several_chunks(kept: tuple[BlobStore, Database]) -> None:
    store, _ = kept
    table = pa.table({"x": [random.Random(i).randbytes(500).hex() for i in range(12_000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    info = store.write([sink.getvalue()])
    assert info.bytes > 2 * CHUNK_BYTES
    with pq.ParquetFile(store.open(info.id), pre_buffer=False) as file:
        assert file.read() == table


def test_nothing_is_visible_before_commit(kept: tuple[BlobStore, Database]) -> None:
    store, database = kept
    writer = store.writer()
    writer.append(BIG)
    with database.read() as session:
        unfinished = session.scalars(sa.select(Blob.id)).one()
    for look in (store.open, store.chunks):
        with pytest.raises(NotFound):
            look(unfinished)
    writer.commit()
    assert store.open(unfinished).read(5) == BIG[:5]


def test_abort_leaves_nothing(kept: tuple[BlobStore, Database], tmp_path: Path) -> None:
    store, database = kept
    writer = store.writer()
    writer.append(BIG)
    writer.abort()
    assert rows(database, Blob, BlobChunk) == 0
    assert objects(tmp_path) == []


def test_failing_source_leaves_nothing(kept: tuple[BlobStore, Database], tmp_path: Path) -> None:
    store, database = kept

    def broken() -> Iterator[bytes]:
        yield BIG
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.write(broken())
    assert rows(database, Blob, BlobChunk) == 0
    assert objects(tmp_path) == []


def test_delete_ignores_unknown_ids_and_leaves_others(kept: tuple[BlobStore, Database], tmp_path: Path) -> None:
    store, database = kept
    gone, stays = store.write([BIG]).id, store.write([b"stays"]).id
    store.delete([gone, "blob_unknown"])
    store.delete([])
    with pytest.raises(NotFound):
        store.open(gone)
    assert store.open(stays).read() == b"stays"
    assert rows(database, Blob) == 1
    assert len(objects(tmp_path)) <= 1


def test_sweep_removes_only_old_blobs_that_nothing_refers_to(kept: tuple[BlobStore, Database], tmp_path: Path) -> None:
    store, database = kept
    used, unused = store.write([b"used"]).id, store.write([b"unused"]).id
    store.writer().append(BIG)
    with database.write() as session:
        session.add(Tenant(id="ten_a", name="a"))
        session.flush()
        common = {"tenant_id": "ten_a", "name": "a", "bytes": 4, "sha256": "0", "media_type": "text/csv"}
        session.add(Dataset(id=new_id("ds"), upload_blob_id=used, **common))
    assert store.sweep(older_than=3600) == 0
    assert rows(database, Blob) == 3
    with database.write() as session:
        session.execute(sa.update(Blob).values(created_at=Blob.created_at - 7200))
    young = store.write([b"young"]).id
    assert store.sweep(older_than=3600) == 2
    assert store.open(used).read() == b"used"
    assert store.open(young).read() == b"young"
    with pytest.raises(NotFound):
        store.open(unused)
    assert len(objects(tmp_path)) in (0, 2)


def test_deleted_while_it_is_read(settings: Settings) -> None:
    """A database store may end a stream early, but never silently."""
    database = Database(settings)
    store = open_store(settings, database)
    blob = store.write([BIG]).id
    chunks = store.chunks(blob)
    next(chunks)
    store.delete([blob])
    with pytest.raises(NotFound):
        next(chunks)
    database.close()
