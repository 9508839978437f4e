"""Privacy budgets from Python and from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from models.accounting import epsilon
from populace import ApiError, Client
from populace.cli import app as command_line
from service.db.session import Database
from service.jobs import lifecycle
from service.settings import Settings
from tests.resilience.private_jobs import FIT, submit


@pytest.fixture
def dataset(mine: Any) -> str:
    return str(mine.dataset())


def spend(database: Database, settings: Settings, mine: Any, dataset: str) -> None:
    """Two jobs with reservations; the second is cancelled."""
    ids = [submit(database, settings, mine.tenant_id, dataset, schema_version=1) for _ in range(2)]
    with database.write() as session:
        lifecycle.cancel(session, ids[-1])


@pytest.fixture
def python(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The Python client on the application; commands use it too."""

    class Bridge(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            headers = {"Content-Type": "application/json"}
            path = request.url.raw_path.decode()
            answer = client.request(request.method, path, content=request.read(), headers=headers)
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def connect(*_: Any) -> Client:
        return Client("http://127.0.0.1", "pop_a_b", transport=Bridge())

    monkeypatch.setattr("populace.commands.budget.connect", connect)
    return connect()


def test_python_client(
    python: Client, database: Database, settings: Settings, mine: Any, dataset: str, tmp_path: Path
) -> None:
    with pytest.raises(ApiError) as refused:
        python.budgets.get(dataset)
    assert refused.value.code == "no_budget"
    budget = python.budgets.set(dataset, epsilon=2.0, delta=1e-9, rows_at_most=50, unit_column="key", rows_per_unit=3)
    assert (budget.epsilon, budget.unit, budget.entries) == (2.0, {"column": "key", "rows": 3}, 1)
    spend(database, settings, mine, dataset)
    assert python.budgets.get(dataset).spent == epsilon(FIT["fit"], 1e-9)
    page = python.budgets.ledger(dataset, limit=3)
    assert (page.total, [line.seq for line in page], page.next_cursor) == (4, [4, 3, 2], "2")
    assert [line.kind for line in python.budgets.each_line(dataset)] == ["release", "reserve", "reserve", "budget"]
    python.budgets.export(dataset, tmp_path / "ledger.csv")
    assert len((tmp_path / "ledger.csv").read_text().splitlines()) == 5
    python.budgets.export(dataset, tmp_path / "ledger.jsonl")
    assert json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[0])["kind"] == "budget"


def test_command_line(
    python: Client, database: Database, settings: Settings, mine: Any, dataset: str, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    missing = run(command_line, ["budget", "show", dataset])
    assert (missing.exit_code, "hint:" in missing.stderr) == (1, True)
    made = run(command_line, f"budget set {dataset} --epsilon 2 --delta 1e-9 --rows-at-most 50".split())
    assert made.exit_code == 0, made.output
    spend(database, settings, mine, dataset)
    shown = run(command_line, ["budget", "show", dataset])
    assert "epsilon 2 at delta 1e-09" in shown.stderr
    assert json.loads(shown.stdout)["spent"] == epsilon(FIT["fit"], 1e-9)
    listed = run(command_line, ["budget", "ledger", dataset]).stdout.splitlines()
    assert listed[0].split()[:3] == ["seq", "kind", "account"]
    assert [line.split()[1] for line in listed[1:]] == ["release", "reserve", "reserve", "budget"]
    done = run(command_line, ["budget", "export", dataset, str(tmp_path / "ledger.csv")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "ledger.csv").read_text().startswith("dataset_id,seq,kind")
    text = run(command_line, ["budget", "export", dataset, "--format", "jsonl"]).stdout
    assert len(text.splitlines()) == 4
    wrong = run(
        command_line, f"budget set {dataset} --epsilon 2 --delta 1e-9 --rows-at-most 50 --rows-per-unit 2".split()
    )
    assert wrong.exit_code == 2
