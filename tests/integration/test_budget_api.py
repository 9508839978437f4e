"""/v1/datasets/{id}/budget and /ledger."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.accounting import epsilon, gaussian
from models.errors import Forbidden
from service.db.session import Database
from service.jobs import lifecycle
from service.privacy.schemas import BudgetIn
from service.privacy.service import set_budget
from service.security.bootstrap import create_tenant_key
from service.security.principal import Principal
from service.settings import Settings
from tests.conftest import client_of
from tests.resilience.private_jobs import FIT, submit

Check = Callable[..., dict[str, Any]]
BUDGET = {"epsilon": 3.0, "delta": 1e-9, "rows_at_most": 1000}


@pytest.fixture
def dataset(mine: Any) -> str:
    return str(mine.dataset())


@pytest.fixture
def budgeted(client: TestClient, dataset: str) -> str:
    assert client.put(f"/v1/datasets/{dataset}/budget", json=BUDGET).status_code == 200
    return dataset


def spend(database: Database, settings: Settings, mine: Any, dataset: str, times: int = 1) -> list[str]:
    """Jobs with reservations; the last one is cancelled."""
    ids = [submit(database, settings, mine.tenant_id, dataset, schema_version=1) for _ in range(times)]
    with database.write() as session:
        lifecycle.cancel(session, ids[-1])
    return ids


def test_a_budget_is_set_and_shown(client: TestClient, dataset: str, check_problem: Check) -> None:
    url = f"/v1/datasets/{dataset}/budget"
    problem = check_problem(client.get(url), 404, "no_budget")
    assert "PUT" in problem["hint"]
    check_problem(client.get(f"/v1/datasets/{dataset}/ledger"), 404, "no_budget")
    made = client.put(url, json=BUDGET | {"unit": {"column": "key", "rows": 4}})
    assert made.status_code == 200
    shown = client.get(url).json()
    assert shown == made.json()
    assert shown["unit"] == {"column": "key", "rows": 4}
    assert (shown["spent"], shown["settled"], shown["entries"], shown["closed_at"]) == (0, 0, 1, None)
    assert 2.9 < shown["remaining"] <= 3.0
    assert shown["accounts"]["fit"] == {"reserved": 0, "settled": 0}
    assert shown["set_by"].startswith("key_")
    events = client.get("/v1/audit-events").json()["items"]
    assert (events[0]["action"], events[0]["object_id"]) == ("dataset.budget", dataset)


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"epsilon": 0}, "invalid_privacy", "epsilon"),
        ({"epsilon": -1}, "invalid_privacy", "epsilon"),
        ({"delta": 0}, "invalid_privacy", "delta"),
        ({"delta": 0.001}, "invalid_privacy", "delta"),
        ({"delta": 1}, "invalid_privacy", "delta"),
        ({"rows_at_most": 1}, "invalid_input", "rows_at_most"),
        ({"rows_at_most": 0}, "invalid_input", "rows_at_most"),
        ({"rows_at_most": None}, "invalid_input", "rows_at_most"),
        ({"unit": {"column": "nobody", "rows": 2}}, "invalid_privacy", "column"),
        ({"unit": {"column": "key"}}, "invalid_input", "rows"),
        ({"unit": {"column": "key", "rows": 0}}, "invalid_input", "rows"),
        ({"cap": 1}, "invalid_input", "cap"),
    ],
    ids=str,
)
def test_bad_budgets_are_refused(
    client: TestClient, dataset: str, check_problem: Check, change: dict[str, Any], code: str, place: str
) -> None:
    problem = check_problem(client.put(f"/v1/datasets/{dataset}/budget", json=BUDGET | change), 422, code)
    assert place in str(problem["errors"])
    check_problem(client.get(f"/v1/datasets/{dataset}/budget"), 404, "no_budget")


def test_who_may_set_it(client: TestClient, app: FastAPI, database: Database, mine: Any, dataset: str) -> None:
    with database.write() as session:
        token = create_tenant_key(session, "default", "custodian", role="custodian")
    assert client_of(app, token).put(f"/v1/datasets/{dataset}/budget", json=BUDGET).status_code == 200
    with pytest.raises(Forbidden):
        set_budget(database, Principal(mine.tenant_id, "key_x", "analyst"), dataset, BudgetIn(**BUDGET))


def test_a_dataset_that_is_being_read_has_none(client: TestClient, mine: Any, check_problem: Check) -> None:
    pending = mine.dataset("pending")
    check_problem(client.put(f"/v1/datasets/{pending}/budget", json=BUDGET), 409, "dataset_pending")


def test_the_unit_stays_once_something_is_spent(
    client: TestClient, database: Database, settings: Settings, mine: Any, budgeted: str, check_problem: Check
) -> None:
    url, keyed = f"/v1/datasets/{budgeted}/budget", BUDGET | {"unit": {"column": "key", "rows": 4}}
    assert client.put(url, json=keyed).status_code == 200
    assert client.put(url, json=BUDGET).status_code == 200
    spend(database, settings, mine, budgeted, 2)
    check_problem(client.put(url, json=keyed), 409, "unit_in_use")
    assert client.put(url, json=BUDGET | {"epsilon": 4}).json()["spent"] == epsilon(FIT["fit"], 1e-9)


def test_the_ledger_is_paged_and_exported(
    client: TestClient, database: Database, settings: Settings, mine: Any, budgeted: str
) -> None:
    jobs = spend(database, settings, mine, budgeted, 3)
    url = f"/v1/datasets/{budgeted}/ledger"
    whole = client.get(url).json()
    assert (whole["total"], [i["seq"] for i in whole["items"]]) == (5, [5, 4, 3, 2, 1])
    assert [i["kind"] for i in whole["items"]] == ["release", "reserve", "reserve", "reserve", "budget"]
    assert (whole["items"][0]["ends"], whole["items"][0]["job_id"], whole["items"][0]["key_id"]) == (4, jobs[-1], None)
    assert whole["items"][-1]["epsilon"] == 3.0
    assert whole["items"][0]["epsilon_after"] == epsilon((gaussian(60.0, steps=2),), 1e-9)
    paged, cursor = [], ""
    while cursor is not None:
        page = client.get(url, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == whole["items"]
    assert client.get(url, params={"cursor": "x"}).status_code == 422

    answer = client.get(f"{url}/export")
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert "attachment" in answer.headers["content-disposition"]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == [{"dataset_id": budgeted, **item} for item in reversed(whole["items"])]
    rows = list(csv.DictReader(io.StringIO(client.get(f"{url}/export", params={"format": "csv"}).text)))
    assert [r["kind"] for r in rows] == ["budget", "reserve", "reserve", "reserve", "release"]
    for row, line in zip(rows, lines, strict=True):
        assert (row["job_id"], float(row["epsilon_after"])) == (line["job_id"] or "", line["epsilon_after"])
        assert json.loads(row["history"] or "[]") == line["history"]
    assert client.get(f"{url}/export", params={"format": "xml"}).status_code == 422


def test_long_exports_come_in_pieces(
    client: TestClient,
    database: Database,
    settings: Settings,
    mine: Any,
    budgeted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spend(database, settings, mine, budgeted, 4)
    monkeypatch.setattr("service.privacy.export.BATCH", 2)
    text = client.get(f"/v1/datasets/{budgeted}/ledger/export").text
    assert [json.loads(line)["seq"] for line in text.splitlines()] == [1, 2, 3, 4, 5, 6]


def test_a_deleted_dataset_leaves_its_ledger_and_no_value(
    client: TestClient,
    other_client: TestClient,
    database: Database,
    settings: Settings,
    mine: Any,
    budgeted: str,
    check_problem: Check,
) -> None:
    spend(database, settings, mine, budgeted, 1)
    assert client.delete(f"/v1/datasets/{budgeted}").status_code == 204
    check_problem(client.get(f"/v1/datasets/{budgeted}"), 404, "not_found")
    shown = client.get(f"/v1/datasets/{budgeted}/budget").json()
    assert (shown["remaining"], shown["closed_at"] is None) == (0, False)
    text = client.get(f"/v1/datasets/{budgeted}/ledger/export").text
    assert [json.loads(line)["kind"] for line in text.splitlines()] == ["budget", "reserve", "release", "close"]
    for value in ("people.csv", "Female", '"a1"', "0" * 64):  # quoted: random names hold any two letters
        assert value not in text
    check_problem(client.put(f"/v1/datasets/{budgeted}/budget", json=BUDGET), 404, "not_found")
    for end in ("budget", "ledger", "ledger/export"):
        check_problem(other_client.get(f"/v1/datasets/{budgeted}/{end}"), 404, "not_found")


def test_a_private_job_needs_a_budget_and_a_domain(client: TestClient, dataset: str, check_problem: Check) -> None:
    body = {"kind": "synthesize", "dataset_id": dataset, "privacy": {"epsilon": 1}}
    check_problem(client.post("/v1/jobs", json=body), 409, "no_budget")
    assert client.put(f"/v1/datasets/{dataset}/budget", json=BUDGET).status_code == 200
    problem = check_problem(client.post("/v1/jobs", json=body), 422, "domain_unknown")
    assert "public" in problem["hint"]
    assert client.get("/v1/jobs").json()["total"] == 0


def test_with_a_planner_jobs_are_checked_and_reserved(
    client: TestClient, budgeted: str, check_problem: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the way that turning it on opens: dry run, refusals, the reservation with the job, the same key again."""
    monkeypatch.setattr("service.privacy.plans.planner", lambda *_: {"fit": (gaussian(2.5),)})
    body = {"kind": "synthesize", "dataset_id": budgeted, "privacy": {"epsilon": 2.9}}
    for wrong, place in (({"epsilon": 0}, "epsilon"), ({"epsilon": 1, "delta": 0.01}, "delta")):
        problem = check_problem(client.post("/v1/jobs", json=body | {"privacy": wrong}), 422, "invalid_privacy")
        assert problem["errors"][0]["loc"] == ["body", "privacy", place]
    plan = client.post("/v1/jobs", params={"dry_run": True}, json=body).json()
    cost = epsilon((gaussian(2.5),), 1e-9)
    told = {"spent": 0, "spent_after": cost, "epsilon": 3, "delta": 1e-9, "accounts": {"fit": cost}}
    assert plan["privacy"] == told
    made = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert made.status_code == 202, made.text
    assert made.json()["spec"]["privacy"]["epsilon"] == 2.9
    items = client.get(f"/v1/datasets/{budgeted}/ledger").json()["items"]
    assert [(i["kind"], i["job_id"]) for i in items] == [("reserve", made.json()["id"]), ("budget", None)]
    for dry_run in (True, False):
        answer = client.post("/v1/jobs", params={"dry_run": dry_run}, json=body)
        assert "fits" in check_problem(answer, 409, "budget_exceeded")["detail"]
    again = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    client.post(f"/v1/jobs/{made.json()['id']}/cancel")
    assert client.get(f"/v1/datasets/{budgeted}/budget").json()["spent"] == 0
