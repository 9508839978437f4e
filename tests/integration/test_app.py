"""The application as a whole: readiness, metrics, the audit log, its description, memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.main import create_app
from service.settings import Settings

Check = Callable[..., dict[str, Any]]


def test_ready(anonymous: TestClient) -> None:
    assert anonymous.get("/health").json() == {"status": "ok"}
    assert anonymous.get("/ready").json() == {"status": "ready"}


def test_not_ready_at_another_revision(app: FastAPI, anonymous: TestClient, check_problem: Check) -> None:
    with app.state.database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    assert "migrate" in check_problem(anonymous.get("/ready"), 503, "not_ready")["hint"]
    assert anonymous.get("/health").status_code == 200


def test_not_ready_without_a_database(tmp_path: Any, check_problem: Check) -> None:
    settings = Settings(
        mode="full", home=tmp_path, database_url="postgresql+psycopg://app:Xk3-own@127.0.0.1:9/populace"
    )
    app = create_app(settings)
    problem = check_problem(TestClient(app, base_url="http://127.0.0.1").get("/ready"), 503, "not_ready")
    assert "Xk3-own" not in str(problem)
    app.state.database.close()


def test_metrics(client: TestClient, mine: Any) -> None:
    ids = mine.everything()
    mine.job(ids["dataset_id"], "sample", "queued")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['populace_jobs{kind="sample",state="queued"}'] == "1"
    assert values['populace_jobs{kind="synthesize",state="succeeded"}'] == "1"
    assert values["populace_datasets"] == values["populace_samples"] == values["populace_reports"] == "1"
    assert float(values["populace_oldest_queued_seconds"]) < 60
    assert float(values["populace_stored_bytes"]) > 0
    names = {key.partition("{")[0] for key in values}
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == names


def test_audit_pages(client: TestClient, mine: Any, check_problem: Check) -> None:
    for i in range(5):
        client.post("/v1/keys", json={"name": f"k{i}"})
    seen, cursor = [], None
    while True:
        page = client.get("/v1/audit-events", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert page["total"] == 5
        seen += [e["id"] for e in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 5
    for bad in ("x", "-1", "9" * 60, "²"):
        check_problem(client.get("/v1/audit-events", params={"cursor": bad}), 422)


def test_description(client: TestClient) -> None:
    api = client.get("/openapi.json").json()
    assert api["info"]["title"] == "Populace"
    assert all(op.get("summary") for item in api["paths"].values() for op in item.values())
    assert set(api["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}


def test_a_slow_reader_holds_no_connection(app: FastAPI, client: TestClient, mine: Any) -> None:
    """Sessions of a download are given back before the bytes are sent."""
    sample = mine.everything()["sample_id"]
    pool = app.state.database.engine.pool
    held: list[int] = []
    original = app.state.store.open
    app.state.store.open = lambda blob: _Watched(original(blob), lambda: held.append(pool.checkedout()))
    assert client.get(f"/v1/samples/{sample}/download").status_code == 200
    assert held
    assert held[-1] == 0


class _Watched:
    """A file that tells when it is read."""

    def __init__(self, file: Any, seen: Callable[[], None]) -> None:
        self._file, self._seen = file, seen

    def read(self, *size: int) -> bytes:
        self._seen()
        return bytes(self._file.read(*size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


SERVE = """
import uvicorn, sys, socket
from service.main import create_app
from service.settings import get_settings

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(create_app(get_settings()), log_level="error")).run(sockets=[listener])
"""


@pytest.fixture
def process(settings: Settings) -> Iterator[tuple[psutil.Process, str]]:
    """The API in a process of its own, without a worker -> (process, URL)."""
    environment = {**os.environ, "POPULACE_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            yield psutil.Process(server.pid), url
        finally:
            server.terminate()


def test_memory_does_not_grow_with_the_file(process: tuple[psutil.Process, str], settings: Settings) -> None:
    """bench/large_file.py does the same with a gigabyte."""
    server, url = process
    piece, count = b"0123456789,abcdef\n" * 50_000, 70
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            try:
                client.get("/ready").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        client.headers["X-API-Key"] = (settings.home / "key").read_text().strip()
        assert client.get("/v1/datasets").json()["total"] == 0
        idle, peak, ended = server.memory_info().rss, [0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.02):
                peak[0] = max(peak[0], server.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            made = client.post("/v1/datasets", content=(piece for _ in range(count))).raise_for_status().json()
            with client.stream("GET", f"/v1/datasets/{made['id']}/download") as answer:
                received = sum(map(len, answer.iter_raw()))
        finally:
            ended.set()
            watcher.join()
    assert made["bytes"] == received == len(piece) * count > 60_000_000
    assert peak[0] - idle < 60_000_000
