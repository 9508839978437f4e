"""Streaming a response into a file: constant memory, and no half-written file under the final name."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

from populace.errors import ApiError
from populace.transport import Transport

CHUNK = 1 << 18
TRIES = 3

Target = str | os.PathLike[str] | IO[bytes]

FORMATS = {".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".pq": "parquet"}


def format_of(name: str) -> str:
    """csv or parquet, by the ending of a file name. Raises ValueError."""
    for ending, found in FORMATS.items():
        if name.lower().endswith(ending):
            return found
    raise ValueError(f"{name}: name the file .csv, .csv.gz or .parquet.")


def save(
    transport: Transport, url: str, to: Target, *, params: Mapping[str, Any] | None = None, compress: bool = False
) -> None:
    """Stream GET `url` into `to`. A path is written beside itself and renamed when complete, and a broken connection
    starts it again; a file object is written once. compress: gzip on the way. Raises ApiError, OSError.
    """
    if not isinstance(to, str | os.PathLike):
        _copy(transport, url, to, params, compress)
        return
    path = Path(to)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        for attempt in range(TRIES):
            try:
                with part.open("wb") as file:
                    _copy(transport, url, file, params, compress)
                break
            except ApiError as error:
                if error.code not in ("unreachable", "timeout") or attempt == TRIES - 1:
                    raise
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _copy(transport: Transport, url: str, file: IO[bytes], params: Mapping[str, Any] | None, compress: bool) -> None:
    with ExitStack() as stack:
        sink = file
        if compress:
            sink = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="")))
        response = stack.enter_context(transport.stream(url, params=params, headers={"Accept": "*/*"}))
        for chunk in response.iter_bytes(CHUNK):
            sink.write(chunk)
