"""Synthesizers and the samples drawn from them."""

from __future__ import annotations

import os
from pathlib import Path

from populace.download import Target, format_of, save
from populace.records import Sample, Synthesizer
from populace.resources.base import Deletable
from populace.transport import Transport


class Synthesizers(Deletable[Synthesizer]):
    path = "/v1/synthesizers"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Synthesizer)


class Samples(Deletable[Sample]):
    path = "/v1/samples"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Sample)

    def download(self, id: str, to: Target, *, format: str | None = None) -> Path | None:
        """Stream the synthetic table into a path (.csv, .csv.gz or .parquet by its name) or a binary file.

        format: csv or parquet, where the name does not say (a file object defaults to csv).
        Answers the path. Raises ApiError, OSError, ValueError for an unknown ending.
        """
        if isinstance(to, str | os.PathLike):
            path = Path(to)
            chosen = format or format_of(path.name)
            compress = chosen == "csv" and path.name.lower().endswith(".gz")
            save(self._transport, self._url(id, "download"), path, params={"format": chosen}, compress=compress)
            return path
        save(self._transport, self._url(id, "download"), to, params={"format": format or "csv"})
        return None
