"""Blobs in an object store (S3, GCS, Azure, a folder) through obstore; the database keeps names, sizes, hashes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update

from models.errors import InvalidInput, NotFound
from service.db.base import epoch_now, new_id
from service.db.session import Database
from service.db.tables import Blob
from service.storage.base import CHUNK_BYTES, BlobInfo, BlobReader, Gather, WholeWriter
from service.storage.references import unreferenced


class ObjectWriter:
    """Multipart upload; an aborted one leaves no object."""

    def __init__(self, remote: Any, database: Database) -> None:
        import obstore

        self._remote, self._database, self._gather = remote, database, Gather()
        self._id = new_id("blob")
        with database.write() as session:
            session.add(Blob(id=self._id, state="writing", bytes=0, location=self._id))
        self._file = obstore.open_writer(remote, self._id)

    def append(self, data: bytes) -> None:
        for chunk in self._gather.feed(data):
            self._file.write(chunk)

    def commit(self) -> BlobInfo:
        if rest := self._gather.rest():
            self._file.write(rest)
        self._file.close()
        with self._database.write() as session:
            values = {"state": "complete", "bytes": self._gather.bytes, "sha256": self._gather.sha256}
            session.execute(update(Blob).where(Blob.id == self._id).values(**values))
        return BlobInfo(self._id, self._gather.bytes, self._gather.sha256)

    def abort(self) -> None:
        if not self._file.closed():
            self._file.close()
        _delete_object(self._remote, self._id)
        with self._database.write() as session:
            session.execute(delete(Blob).where(Blob.id == self._id))


class ObjectStore(WholeWriter):
    """url: s3://bucket/prefix, gs://…, az://… or file:///folder; credentials come from the provider's own variables."""

    def __init__(self, url: str, database: Database) -> None:
        try:
            from obstore.store import from_url
        except ImportError:
            raise InvalidInput(
                "POPULACE_STORAGE_URL needs the package obstore.", hint="pip install 'populace[objects]'."
            ) from None
        options: dict[str, Any] = {"mkdir": True} if url.startswith("file:") else {}
        self._remote, self._database = from_url(url, **options), database

    def writer(self) -> ObjectWriter:
        return ObjectWriter(self._remote, self._database)

    def open(self, blob_id: str) -> BlobReader:
        return BlobReader(_Ranges(self._remote, blob_id, self._size(blob_id)))

    def chunks(self, blob_id: str) -> Iterator[bytes]:
        source = _Ranges(self._remote, blob_id, self._size(blob_id))
        return (source.read_range(at, CHUNK_BYTES) for at in range(0, source.size, CHUNK_BYTES))

    def delete(self, ids: Sequence[str]) -> None:
        for blob_id in ids:
            _delete_object(self._remote, blob_id)
        with self._database.write() as session:
            for start in range(0, len(ids), 500):
                session.execute(delete(Blob).where(Blob.id.in_(ids[start : start + 500])))

    def sweep(self, older_than: float) -> int:
        with self._database.read() as session:
            old = Blob.created_at < epoch_now() - older_than
            ids = session.scalars(select(Blob.id).where(old, unreferenced())).all()
        self.delete(ids)
        return len(ids)

    def _size(self, blob_id: str) -> int:
        with self._database.read() as session:
            size = session.scalar(select(Blob.bytes).where(Blob.id == blob_id, Blob.state == "complete"))
        if size is None:
            raise NotFound("These bytes are not stored (any more).")
        return size


def _delete_object(remote: Any, name: str) -> None:
    import obstore

    try:
        obstore.delete(remote, name)
    except FileNotFoundError:
        return


@dataclass
class _Ranges:
    """Random access, a chunk-sized window at a time (a lock: seekable readers may be shared by Parquet's threads)."""

    remote: Any
    name: str
    size: int
    _start: int = -1
    _window: bytes = b""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def read_range(self, start: int, length: int) -> bytes:
        import obstore

        with self._lock:
            if not self._start <= start < self._start + len(self._window) or self._start < 0:
                end = min(self.size, start + CHUNK_BYTES)
                self._window = bytes(obstore.get_range(self.remote, self.name, start=start, end=end))
                self._start = start
            offset = start - self._start
            return self._window[offset : offset + length]
