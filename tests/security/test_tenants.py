"""No route answers without a key, and none shows, changes or names what belongs to another tenant.

The routes are those that the application describes: a new one is covered as soon as it exists.
"""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.db.tables import ApiKey, Base

OPEN = {("get", "/health"), ("get", "/ready")}
NO_LISTS = {"/v1/reports/compare", "/v1/schemas/report"}
"""The first has its own tests of other tenants' ids (test_report_charts_api.py); the second holds no data."""
METHODS = {"get", "post", "put", "patch", "delete"}

BODIES: dict[tuple[str, str], Any] = {
    ("patch", "/v1/datasets/{dataset_id}/schema"): {"columns": [{"name": "age", "maximum": 50}]},
    ("put", "/v1/datasets/{dataset_id}/schema"): {"columns": [{"name": "age", "kind": "text"}]},
    ("put", "/v1/datasets/{dataset_id}/budget"): {"epsilon": 1, "delta": 1e-9, "rows_at_most": 10},
}

Check = Callable[..., dict[str, Any]]


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of all that the application answers to."""
    return [(m, path) for path, item in app.openapi()["paths"].items() for m in item if m in METHODS]


def with_ids(app: FastAPI) -> list[tuple[str, str]]:
    return [(m, path) for m, path in operations(app) if "{" in path]


def state(owner: Any) -> dict[str, int]:
    return owner.count(*(m.class_ for m in Base.registry.mappers))


def key_of(owner: Any) -> str:
    with owner.database.read() as session:
        return session.scalars(sa.select(ApiKey.id).where(ApiKey.tenant_id == owner.tenant_id)).first() or ""


def test_the_walk_finds_the_routes(app: FastAPI) -> None:
    found = operations(app)
    assert len(found) >= 25
    assert len(with_ids(app)) >= 15
    assert set(found) >= OPEN


def test_nothing_but_health_answers_without_a_key(app: FastAPI, anonymous: TestClient, check_problem: Check) -> None:
    for method, path in operations(app):
        if (method, path) in OPEN:
            assert anonymous.request(method, path).status_code == 200
        else:
            check_problem(anonymous.request(method, path.replace("{", "").replace("}", "")), 401, "unauthenticated")


def test_other_tenants_things_do_not_exist(
    app: FastAPI, client: TestClient, mine: Any, theirs: Any, check_problem: Check
) -> None:
    ids = {**theirs.everything(), "key_id": key_of(theirs), "name": "scorecard"}
    ids["job_id"] = theirs.job(ids["dataset_id"], state="queued")
    before = state(mine)
    for method, path in with_ids(app):
        body = BODIES.get((method, path))
        answers = []
        for known in (ids, {name: value[:-4] + "0000" for name, value in ids.items()}):
            answer = client.request(method, path.format(**known), json=body)
            problem = check_problem(answer, 404, "not_found")
            for name in ("instance", "request_id"):
                problem.pop(name)
            answers.append(problem)
        assert answers[0] == answers[1], "another tenant's thing can be told from one that does not exist"
    assert state(mine) == before


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "synthesize", "dataset_id": "{dataset_id}"},
        {"kind": "sample", "synthesizer_id": "{synthesizer_id}", "rows": 5},
        {"kind": "evaluate", "sample_id": "{sample_id}"},
    ],
    ids=lambda b: b["kind"],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_no_job_works_on_other_tenants_things(
    client: TestClient, mine: Any, theirs: Any, check_problem: Check, body: dict[str, Any], dry_run: bool
) -> None:
    ids = theirs.everything()
    filled = {k: v.format(**ids) if isinstance(v, str) else v for k, v in body.items()}
    before = state(mine)
    check_problem(client.post("/v1/jobs", params={"dry_run": dry_run}, json=filled), 404, "not_found")
    assert state(mine) == before


def test_lists_hold_ones_own_only(app: FastAPI, client: TestClient, mine: Any, theirs: Any) -> None:
    ids = set(theirs.everything().values())
    for method, path in operations(app):
        if method == "get" and path.startswith("/v1/") and "{" not in path and path not in NO_LISTS:
            page = client.get(path).json()
            assert ids.isdisjoint(str(item.get("id")) for item in page["items"]), path
            assert page["total"] == (1 if path == "/v1/keys" else 0), path
            assert theirs.tenant_id not in str(page)
    assert "populace_datasets 0\n" in client.get("/metrics").text


def test_idempotency_keys_of_tenants_are_apart(
    client: TestClient, other_client: TestClient, mine: Any, theirs: Any
) -> None:
    answers = [
        c.post("/v1/jobs", json={"kind": "synthesize", "dataset_id": o.dataset()}, headers={"Idempotency-Key": "k"})
        for c, o in ((client, mine), (other_client, theirs))
    ]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[0].json()["id"] != answers[1].json()["id"]
