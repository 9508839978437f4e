"""Datasets: confidential tables, uploaded as a stream and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from populace.download import Target, save
from populace.records import Dataset
from populace.resources.base import Deletable
from populace.sources import Source, open_source
from populace.transport import Transport

ANSWER_SECONDS = 600.0
"""How long the service may take to hash and store the end of a large upload."""


MAX_NAME = 200
"""Characters of a name that the service takes."""


class Datasets(Deletable[Dataset]):
    path = "/v1/datasets"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Dataset)

    def upload(self, source: Source, *, name: str | None = None, target: str | None = None) -> Dataset:
        """Upload a CSV, CSV.gz or Parquet table; it is profiled by the job `job_id` before it is `ready`.

        source: path, bytes, binary file or DataFrame; streamed in 1 MiB pieces. target: column to predict; the profile
        then tells how balanced it is and which columns give it away.
        Raises ApiError (`too_large`, `unsupported_media`, ...), OSError when the source cannot be read.
        """
        with open_source(source, name) as opened:
            headers = {"Content-Type": opened.media}
            if opened.size is not None:
                headers["Content-Length"] = str(opened.size)
            raw = self._transport.json(
                "POST",
                self.path,
                params={"name": opened.name[-MAX_NAME:]} | ({} if target is None else {"target": target}),
                headers=headers,
                content=opened.chunks(),
                read_timeout=ANSWER_SECONDS,
            )
        return Dataset.from_json(raw)

    def schema(self, id: str) -> dict[str, Any]:
        """Kind, domain and evidence of every column. Raises ApiError while the dataset is pending."""
        return dict(self._transport.json("GET", self._url(id, "schema")))

    def set_schema(self, id: str, schema: Mapping[str, Any], *, replace: bool = False) -> dict[str, Any]:
        """Override the inferred schema, e.g. {"columns": [{"name": "note", "kind": "text"}]}.

        replace: `schema` is a whole schema and takes the old one's place. Answers the new schema.
        """
        return dict(self._transport.json("PUT" if replace else "PATCH", self._url(id, "schema"), json=dict(schema)))

    def profile(self, id: str) -> dict[str, Any]:
        """Gaps, ranges, outliers, imbalance, duplicates, likely leaks and identifiers."""
        return dict(self._transport.json("GET", self._url(id, "profile")))

    def download(self, id: str, to: Target) -> None:
        """The bytes as they were uploaded, streamed into a path or binary file."""
        save(self._transport, self._url(id, "download"), to)
