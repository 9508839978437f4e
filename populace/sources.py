"""What can be uploaded, as a stream of bytes with a name; nothing is held in memory as a whole."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

CHUNK = 1 << 20

MEDIA = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".txt": "text/csv",
    ".gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet",
    ".pq": "application/vnd.apache.parquet",
}


@runtime_checkable
class Frame(Protocol):
    """A pandas DataFrame, or anything else that writes itself as Parquet."""

    def to_parquet(self, path: Any, /, *, index: bool) -> Any: ...


Source = str | os.PathLike[str] | bytes | IO[bytes] | Frame


@dataclass(frozen=True)
class Opened:
    """file: at its first byte. size: bytes, None when unknown (a pipe). media: Content-Type by the name's ending."""

    file: IO[bytes]
    name: str
    size: int | None
    media: str

    def chunks(self) -> Iterator[bytes]:
        while chunk := self.file.read(CHUNK):
            yield chunk


def media_type(name: str) -> str:
    return MEDIA.get(Path(name).suffix.lower(), "application/octet-stream")


def _size(file: IO[bytes]) -> int | None:
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (OSError, AttributeError):
        return None
    return end - here


@contextmanager
def open_source(source: Source, name: str | None = None) -> Iterator[Opened]:
    """Open a path, bytes, a binary file or a DataFrame for upload. Raises OSError, TypeError."""
    if isinstance(source, bytes):
        yield Opened(io.BytesIO(source), name or "table", len(source), media_type(name or ""))
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        with path.open("rb") as file:
            yield Opened(file, name or path.name, _size(file), media_type(path.name))
    elif isinstance(source, Frame):
        with tempfile.TemporaryFile() as file:  # without a name on disk, readable by nobody else
            source.to_parquet(file, index=False)
            file.seek(0)
            yield Opened(file, name or "table.parquet", _size(file), MEDIA[".parquet"])
    elif hasattr(source, "read"):
        called = name or os.path.basename(str(getattr(source, "name", "table")))
        yield Opened(source, called, _size(source), media_type(called))
    else:
        raise TypeError(f"A path, bytes, a binary file or a DataFrame can be uploaded, not {type(source).__name__}.")
