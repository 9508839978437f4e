"""A whole ledger as text, oldest line first, in pieces: it may have many lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Literal

from service.db.session import Database
from service.privacy import repository
from service.privacy.schemas import LedgerLine
from service.privacy.views import line_out

Format = Literal["csv", "jsonl"]
MEDIA_TYPES: dict[str, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
BATCH = 500
NESTED = ("unit", "history")
"""Columns of the CSV that hold JSON."""


def pieces(database: Database, dataset_id: str, format: Format) -> Iterator[str]:
    """No connection is held between two pieces."""
    columns = ["dataset_id", *LedgerLine.model_fields]
    if format == "csv":
        yield ",".join(columns) + "\n"
    after = 0
    while True:
        with database.read() as session:
            rows = repository.oldest(session, dataset_id, BATCH, after)
        if not rows:
            return
        lines = [{"dataset_id": dataset_id, **line_out(row).model_dump()} for row in rows]
        if format == "jsonl":
            yield "".join(json.dumps(line) + "\n" for line in lines)
        else:
            out = io.StringIO()
            writer = csv.DictWriter(out, columns, lineterminator="\n")
            for line in lines:
                nested = {name: json.dumps(line[name]) if line[name] else "" for name in NESTED}
                writer.writerow({**line, **nested})
            yield out.getvalue()
        after = rows[-1].seq
