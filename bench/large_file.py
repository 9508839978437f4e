"""Peak memory of the API process while a large CSV goes in and comes out again.

    python -m bench.large_file [--gigabytes 1.0] [--columns 10]

Starts the API as `populace serve` does, but without its worker, as its own process in an empty home, uploads a CSV made
on the fly (never on disk or whole in memory), downloads it again and compares hashes; then stores a sample of the same
size and downloads it as CSV and as Parquet. Prints one JSON line: resident megabytes before and at the peak of each
phase, and megabytes per second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa

from models.schema import Column, Kind, Schema
from models.table import StoredWriter
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Dataset, Job, Sample, Synthesizer, Tenant
from service.settings import Settings
from service.storage import open_store

API = """
import uvicorn
from service.db import migrate
from service.main import create_app
from service.settings import get_settings

settings = get_settings()
migrate.upgrade(settings)
uvicorn.run(create_app(settings), port=settings.port, log_level="warning")
"""


def block(columns: int) -> pa.Table:
    """Some 80,000 numbers of nine digits, as texts, in so many columns c0, c1, ..."""
    numbers = np.random.default_rng(1).integers(0, 10**9, (80_000 // columns, columns))
    return pa.table({f"c{i}": pa.array(numbers[:, i]).cast(pa.string()) for i in range(columns)})


def csv_text(size: int, columns: int) -> Iterator[bytes]:
    """About `size` bytes of CSV."""
    rows = block(columns)
    body = "\n".join(",".join(row) for row in zip(*(c.to_pylist() for c in rows.columns), strict=True)) + "\n"
    text, sent = body.encode(), 0
    yield (",".join(rows.column_names) + "\n").encode()
    while sent < size:
        yield text
        sent += len(text)


class Watch:
    """Highest resident memory of a process since the last `peak()`, sampled every 20 ms."""

    def __init__(self, pid: int) -> None:
        self._process, self._peak = psutil.Process(pid), 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while self._process.is_running():
            self._peak = max(self._peak, self._process.memory_info().rss)
            time.sleep(0.02)

    def peak(self) -> float:
        time.sleep(0.1)
        out, self._peak = self._peak / 1e6, 0
        return round(out, 1)


def store_sample(settings: Settings, size: int, columns: int) -> str:
    """A sample of about `size` bytes of CSV, put into the database as a worker would."""
    database = Database(settings)
    store = open_store(settings, database)
    with tempfile.TemporaryFile() as file:
        table = block(columns)
        with StoredWriter(file, table.column_names) as writer:
            written = rows = 0
            while written < size:
                writer.write(table.to_batches()[0])
                written, rows = written + table.nbytes, rows + len(table)
        file.seek(0)
        blob = store.write(iter(lambda: file.read(4 << 20), b""))
    schema = Schema(
        tuple(Column(n, Kind.INTEGER, minimum=0, maximum=1e9, storage="int64") for n in table.column_names)
    ).to_json()
    ids = {p: new_id(p) for p in ("ds", "job", "syn", "smp")}
    with database.write() as session:
        tenant = session.query(Tenant).first()
        assert tenant is not None
        own = {"tenant_id": tenant.id}
        session.add(
            Dataset(id=ids["ds"], name="bench", bytes=0, sha256="", media_type="text/csv", state="ready", **own)
        )
        session.flush()
        session.add(
            Job(
                id=ids["job"],
                kind="sample",
                state="succeeded",
                spec={},
                dataset_id=ids["ds"],
                ended_at=time.time(),
                **own,
            )
        )
        session.flush()
        refs = {"dataset_id": ids["ds"], "job_id": ids["job"], "schema": schema, **own}
        session.add(Synthesizer(id=ids["syn"], artifact_blob_id=blob.id, manifest={}, **refs))
        session.flush()
        session.add(
            Sample(
                id=ids["smp"],
                synthesizer_id=ids["syn"],
                row_count=rows,
                where=[],
                seed=0,
                table_blob_id=blob.id,
                **refs,
            )
        )
    return ids["smp"]


def drain(client: httpx.Client, url: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with client.stream("GET", url) as response:
        response.raise_for_status()
        for piece in response.iter_raw():
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def timed(call: Callable[[], object], size: int) -> float:
    began = time.perf_counter()
    call()
    return round(size / 1e6 / (time.perf_counter() - began), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--columns", type=int, default=10)
    given = parser.parse_args()
    size, columns = int(given.gigabytes * 1e9), given.columns
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {**os.environ, "POPULACE_HOME": folder, "POPULACE_PORT": "8467"}
        command = [sys.executable, "-c", API]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            base = "http://127.0.0.1:8467"
            for _ in range(200):
                try:
                    httpx.get(f"{base}/ready").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            headers = {"Authorization": f"Bearer {(home / 'key').read_text().strip()}", "Content-Type": "text/csv"}
            client = httpx.Client(base_url=base, headers=headers, timeout=600)
            watch = Watch(server.pid)
            out: dict[str, object] = {"gigabytes": size / 1e9, "columns": columns, "idle_mb": watch.peak()}
            digest = hashlib.sha256()

            def body() -> Iterator[bytes]:
                for piece in csv_text(size, columns):
                    digest.update(piece)
                    yield piece

            answers: list[httpx.Response] = []
            out["upload_mb_per_s"] = timed(lambda: answers.append(client.post("/v1/datasets", content=body())), size)
            out["upload_peak_mb"] = watch.peak()
            dataset = answers[0].raise_for_status().json()
            back: list[tuple[str, int]] = []
            url = f"/v1/datasets/{dataset['id']}/download"
            out["download_mb_per_s"] = timed(lambda: back.append(drain(client, url)), size)
            out["download_peak_mb"] = watch.peak()
            out["same_bytes"] = back[0][0] == digest.hexdigest() == dataset["sha256"]
            sample = store_sample(Settings(home=home), size, columns)
            for form in ("csv", "parquet"):
                url, got = f"/v1/samples/{sample}/download?format={form}", []
                began = time.perf_counter()
                got.append(drain(client, url))
                out[f"sample_{form}_mb"] = round(got[0][1] / 1e6, 1)
                out[f"sample_{form}_mb_per_s"] = round(got[0][1] / 1e6 / (time.perf_counter() - began), 1)
                out[f"sample_{form}_peak_mb"] = watch.peak()
            print(json.dumps(out))
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
