"""Blobs as chunks in the database: one stateful thing to back up, no shared disk (DESIGN.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from models.errors import Conflict, NotFound
from service.db.base import epoch_now, new_id
from service.db.session import Database
from service.db.tables import Blob, BlobChunk
from service.storage.base import CHUNK_BYTES, BlobInfo, BlobReader, Gather, WholeWriter
from service.storage.references import unreferenced

ERASED_AT_ONCE = 4
"""Chunks deleted by one transaction."""
CHECKPOINT_EVERY = 16
"""Chunks written or deleted between two checkpoints."""
PSYCOPG_CHUNK = "SELECT data FROM blob_chunks WHERE blob_id = %s AND seq = %s"


class DatabaseWriter:
    """Each chunk is a short transaction of its own, so that a long upload never blocks other writers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gather = Gather()
        self._seq = 0
        self._id = new_id("blob")
        with database.write() as session:
            session.add(Blob(id=self._id, state="writing", bytes=0))

    def append(self, data: bytes) -> None:
        for chunk in self._gather.feed(data):
            self._store(chunk)

    def commit(self) -> BlobInfo:
        if rest := self._gather.rest():
            self._store(rest)
        with self._database.write() as session:
            values = {"state": "complete", "bytes": self._gather.bytes, "sha256": self._gather.sha256}
            done = session.execute(update(Blob).where(Blob.id == self._id, Blob.state == "writing").values(**values))
            if done.rowcount != 1:  # type: ignore[attr-defined]
                raise Conflict("The upload took so long that it was swept away.", hint="Upload it again.")
        return BlobInfo(self._id, self._gather.bytes, self._gather.sha256)

    def abort(self) -> None:
        _erase(self._database, [self._id])

    def _store(self, chunk: bytes) -> None:
        with self._database.write() as session:
            session.execute(insert(BlobChunk).values(blob_id=self._id, seq=self._seq, data=chunk))
        self._seq += 1
        if self._seq % CHECKPOINT_EVERY == 0:
            self._database.checkpoint()


class DatabaseStore(WholeWriter):
    """The default BlobStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def writer(self) -> DatabaseWriter:
        return DatabaseWriter(self._database)

    def open(self, blob_id: str) -> BlobReader:
        return BlobReader(_Ranges(self._database, blob_id, self._size(blob_id)))

    def chunks(self, blob_id: str) -> Iterator[bytes]:
        size = self._size(blob_id)
        return (_chunk(self._database, blob_id, seq) for seq in range(-(-size // CHUNK_BYTES)))

    def delete(self, ids: Sequence[str]) -> None:
        with self._database.write() as session:
            _hide(session, ids)
        _erase(self._database, ids)

    def sweep(self, older_than: float) -> int:
        with self._database.write() as session:
            old = Blob.created_at < epoch_now() - older_than
            ids = session.scalars(select(Blob.id).where(old, unreferenced())).all()
            _hide(session, ids)
        _erase(self._database, ids)
        return len(ids)

    def _size(self, blob_id: str) -> int:
        with self._database.read() as session:
            size = session.scalar(select(Blob.bytes).where(Blob.id == blob_id, Blob.state == "complete"))
        if size is None:
            raise NotFound("These bytes are not stored (any more).")
        return size


def _hide(session: Session, ids: Sequence[str]) -> None:
    """No reader finds these blobs any more; should their deletion break off, the sweep ends it."""
    for start in range(0, len(ids), 500):
        session.execute(update(Blob).where(Blob.id.in_(ids[start : start + 500])).values(state="writing"))


def _erase(database: Database, ids: Sequence[str]) -> None:
    """Delete in short transactions: in one, a blob of 1 GB would hold up all writers and double the disk it needs."""
    erased = 0
    for blob_id in ids:
        own, count = BlobChunk.blob_id == blob_id, ERASED_AT_ONCE
        while count == ERASED_AT_ONCE:
            with database.write() as session:
                seqs = session.scalars(select(BlobChunk.seq).where(own).limit(ERASED_AT_ONCE)).all()
                count = len(seqs)
                session.execute(delete(BlobChunk).where(own, BlobChunk.seq.in_(seqs)))
                if count < ERASED_AT_ONCE:
                    session.execute(delete(Blob).where(Blob.id == blob_id))
            erased += count
            if erased >= CHECKPOINT_EVERY:
                database.checkpoint()
                erased = 0


def _chunk(database: Database, blob_id: str, seq: int) -> bytes:
    with database.read() as session:
        if database.sqlite:
            query = select(BlobChunk.data).where(BlobChunk.blob_id == blob_id, BlobChunk.seq == seq)
            data = session.scalar(query)
        else:  # asked for as bytes: psycopg's default is hexadecimal text, which takes three times the memory
            driver: Any = session.connection().connection.driver_connection
            row = driver.execute(PSYCOPG_CHUNK, (blob_id, seq), binary=True).fetchone()
            data = row[0] if row else None
    if data is None:
        raise NotFound("These bytes were deleted while they were read.")
    return bytes(data)


@dataclass
class _Ranges:
    """Random access through the chunk read last: Parquet reads mostly forwards."""

    database: Database
    blob_id: str
    size: int
    _seq: int = -1
    _data: bytes = field(default=b"", repr=False)

    def read_range(self, start: int, length: int) -> bytes:
        seq, offset = divmod(start, CHUNK_BYTES)
        if seq != self._seq:
            self._data, self._seq = _chunk(self.database, self.blob_id, seq), seq
        return self._data[offset : offset + length]
