"""An uploaded file of unknown content -> a table of strings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from models.errors import InvalidData
from models.ingest.csv_reading import read_csv
from models.ingest.limits import Limits
from models.ingest.parquet_probe import rehearse
from models.ingest.parquet_reading import read_parquet
from models.ingest.sniffing import container
from models.ingest.stream import gunzip_chunks, raw_chunks
from models.progress import SILENT, Progress
from models.schema import Dialect


class Upload(NamedTuple):
    """data: a string column per column of the source, in its own spelling. storages: of a Parquet file, else {}."""

    data: pa.Table
    dialect: Dialect
    storages: dict[str, str]


def read_upload(
    path: Path,
    *,
    filename: str | None = None,
    limits: Limits | None = None,
    progress: Progress = SILENT,
    encoding: str | None = None,
) -> Upload:
    """Read CSV, gzipped CSV or Parquet, told apart by content.

    filename: as given by the uploader; only named in messages. encoding: of a CSV that is neither UTF-8 nor UTF-16
    (nothing is guessed: a wrong guess would damage every name with an accent).

    Raises UnsupportedMedia for other kinds of file, TooLarge over a limit, InvalidData for everything that keeps the
    content from being a table, naming line and column but never a cell's content.
    """
    limits = limits or Limits()
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        named = f" {filename[:100]!r}" if filename else ""
        raise InvalidData(f"The file{named} is empty.", hint="Upload a table with a header line and at least two rows.")
    kind = container(head)
    if kind == "parquet":
        rehearse(path, limits, progress)
        data, storages = read_parquet(path, limits, progress)
        return Upload(data, Dialect("parquet"), storages)
    if kind == "gzip":
        return Upload(*read_csv(lambda: gunzip_chunks(path, limits), encoding, limits, progress), {})
    return Upload(*read_csv(lambda: raw_chunks(path), encoding, limits, progress), {})
