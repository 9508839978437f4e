"""What every store offers, and a seekable reader over its ranges."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

CHUNK_BYTES = 4 * 1024 * 1024
"""Unit of storing and of streaming (DESIGN.md section 3)."""


@dataclass(frozen=True)
class BlobInfo:
    id: str
    bytes: int
    sha256: str


class BlobWriter(Protocol):
    """Bytes on their way in. Nothing is visible before `commit`; `abort` leaves nothing behind."""

    def append(self, data: bytes) -> None: ...

    def commit(self) -> BlobInfo: ...

    def abort(self) -> None: ...


class BlobStore(Protocol):
    def writer(self) -> BlobWriter: ...

    def write(self, pieces: Iterable[bytes]) -> BlobInfo:
        """All pieces as one complete blob."""

    def open(self, blob_id: str) -> BlobReader:
        """Seekable file. Raises NotFound for an unknown or unfinished blob."""

    def chunks(self, blob_id: str) -> Iterator[bytes]:
        """The bytes in order, at most CHUNK_BYTES in memory. Raises NotFound."""

    def delete(self, ids: Sequence[str]) -> None:
        """Delete; unknown ids are ignored. Rows that refer to them must be gone."""

    def sweep(self, older_than: float) -> int:
        """Delete blobs that were never completed, or that nothing refers to, older than so many seconds -> how many."""


class WholeWriter:
    """Mixin: `write` by means of `writer`."""

    def writer(self) -> BlobWriter:
        raise TypeError("a store defines its writer")

    def write(self, pieces: Iterable[bytes]) -> BlobInfo:
        writer = self.writer()
        try:
            for piece in pieces:
                writer.append(piece)
            return writer.commit()
        except BaseException:
            writer.abort()
            raise


class Gather:
    """Pieces of any size -> chunks of CHUNK_BYTES, with a running SHA-256 and length."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._buffer = bytearray()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self.bytes += len(data)
        self._hash.update(data)
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            with memoryview(self._buffer) as view:  # one copy, where a slice of the buffer would make two
                chunk = bytes(view[:CHUNK_BYTES])
            del self._buffer[:CHUNK_BYTES]
            yield chunk

    def rest(self) -> bytes:
        out = bytes(self._buffer)
        self._buffer.clear()
        return out


class RangeSource(Protocol):
    """Random access to the bytes of one blob."""

    size: int

    def read_range(self, start: int, length: int) -> bytes:
        """At least one and at most `length` bytes from `start`, which lies before the end."""


class BlobReader(io.RawIOBase):
    """A blob as a read-only, seekable file; what Parquet readers need."""

    def __init__(self, source: RangeSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        # Always whole: Arrow takes a read that is shorter than asked for as the end of the file.
        view = memoryview(buffer).cast("B")
        length = min(len(view), max(0, self._source.size - self._position))
        done = 0
        while done < length:
            data = self._source.read_range(self._position + done, length - done)
            view[done : done + len(data)] = data
            done += len(data)
        self._position += done
        return done

    def size(self) -> int:
        return self._source.size
