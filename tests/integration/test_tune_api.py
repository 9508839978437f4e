"""/v1/jobs of kind tune: checks, the result of a search, and training with what it found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.db.session import Database
from service.db.tables import Dataset, Job
from service.jobs import lifecycle

SPACE = {"steps": {"low": 20, "high": 200, "log": True}, "hidden": [16, 32]}
TRIALS = [
    {"number": 0, "parameters": {}, "state": "succeeded", "score": 0.5, "seconds": 1.0, "reason": ""},
    {"number": 1, "parameters": {"steps": 90, "hidden": 32}, "state": "succeeded", "score": 0.7, "seconds": 1.0},
]
FOUND = {"objective": "detection", "score": "c2st", "better": "higher", "real": 0.9, "ended": "trials", "best": 1}
FOUND |= {"options": {"steps": 90, "hidden": 32, "batch": 64}, "trials": TRIALS}


@pytest.fixture
def dataset(mine: Any) -> str:
    return str(mine.dataset())


def order(client: TestClient, dataset: str, **more: Any) -> Any:
    return client.post("/v1/jobs", json={"kind": "tune", "dataset_id": dataset, **more})


def finish(database: Database) -> None:
    """A worker's part: claim the oldest job and publish FOUND."""
    with database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("gpu",), lease_seconds=60)
    assert held is not None
    with database.write() as session:
        lifecycle.publish(session, held, {"tuning": FOUND}, {})


def test_a_search_is_queued_with_its_whole_spec(client: TestClient, dataset: str) -> None:
    made = order(client, dataset, target="sex", objective="utility", trials=7, space=SPACE, options={"batch": 64})
    assert made.status_code == 202, made.text
    job = made.json()
    assert [s["name"] for s in job["steps"]] == ["read", "profile", "tune", "publish"]
    spec = job["spec"]
    assert (spec["objective"], spec["trials"], spec["target"], spec["space"]) == ("utility", 7, "sex", SPACE)
    assert (spec["max_time"], spec["validation"], spec["holdout"]) == (None, 0.2, 0.1)
    assert spec["options"]["batch"] == 64
    assert spec["options"]["seed"] == spec["seed"] >= 0
    assert client.get("/v1/jobs", params={"kind": "tune"}).json()["total"] == 1
    plan = client.post("/v1/jobs?dry_run=true", json={"kind": "tune", "dataset_id": dataset, "max_time": 2}).json()
    assert plan["queue"] == "gpu"
    assert 2 <= plan["estimates"]["seconds"] < 20
    assert plan["estimates"]["seconds_high"] > plan["estimates"]["seconds"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"trials": 1}, "invalid_input", "trials"),
    ({"trials": 501}, "invalid_input", "trials"),
    ({"trials": "many"}, "invalid_input", "trials"),
    ({"max_time": 0}, "invalid_input", "max_time"),
    ({"max_time": "10m"}, "invalid_input", "max_time"),
    ({"objective": "beauty"}, "invalid_input", "objective"),
    ({"objective": "utility"}, "invalid_target", "target"),
    ({"target": "height"}, "invalid_target", "target"),
    ({"target": "key"}, "invalid_target", "target"),
    ({"validation": 0.9}, "invalid_input", "validation"),
    ({"space": {}}, "invalid_input", "space"),
    ({"space": {"layers": [1, 2]}}, "invalid_input", "layers"),
    ({"space": {"steps": [0, 5]}}, "invalid_input", "steps"),
    ({"space": {"steps": {"low": 9, "high": 3}}}, "invalid_input", "steps"),
    ({"space": SPACE, "options": {"steps": 5}}, "invalid_input", "space"),
    ({"objective": "likelihood", "space": {"fine": [4, 8]}}, "invalid_input", "space"),
    ({"options": {"seed": 1}}, "invalid_input", "seed"),
    ({"options": {"steps": 0}}, "invalid_input", "steps"),
    ({"privacy": {"epsilon": 1}}, "invalid_input", "privacy"),
    ({"rows": 10}, "invalid_input", "rows"),
]


@pytest.mark.parametrize(("change", "code", "place"), BAD, ids=lambda v: str(v)[:50])
def test_bad_searches_are_refused(
    client: TestClient, dataset: str, check_problem: Any, change: dict[str, Any], code: str, place: str
) -> None:
    problem = check_problem(order(client, dataset, **change), 422, code)
    assert problem["hint"]
    assert place in json.dumps(problem["errors"])
    assert client.get("/v1/jobs", params={"kind": "tune"}).json()["total"] == 0


def test_training_takes_what_a_search_found(client: TestClient, database: Database, dataset: str, mine: Any) -> None:
    tuned = order(client, dataset, seed=5, holdout=0.2, space=SPACE).json()["id"]
    body = {"kind": "synthesize", "dataset_id": dataset, "options_from": tuned}
    early = client.post("/v1/jobs", json=body)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    finish(database)
    result = client.get(f"/v1/jobs/{tuned}").json()["result"]
    assert result == {"dataset_id": dataset, **FOUND}
    spec = client.post("/v1/jobs", json=body | {"options": {"batch": 32}}).json()["spec"]
    assert (spec["seed"], spec["holdout"], spec["options_from"]) == (5, 0.2, tuned)
    options = spec["options"]
    assert (options["steps"], options["hidden"], options["batch"]) == (90, 32, 32)
    assert (options["seed"], options["holdout"]) == (5, 0.2)
    assert client.post("/v1/jobs", json=body | {"seed": 5, "holdout": 0.2}).status_code == 202
    for change in ({"seed": 6}, {"holdout": 0.1}):
        refused = client.post("/v1/jobs", json=body | change)
        assert refused.status_code == 422
        assert "holdout would hold rows" in refused.json()["detail"]
    elsewhere = client.post("/v1/jobs", json=body | {"dataset_id": mine.dataset(), "seed": 9}).json()["spec"]
    assert (elsewhere["seed"], elsewhere["holdout"], elsewhere["options"]["steps"]) == (9, 0.1, 90)


def test_options_from_anything_else_are_refused(
    client: TestClient, other_client: TestClient, database: Database, dataset: str, mine: Any, theirs: Any
) -> None:
    body = {"kind": "synthesize", "dataset_id": dataset}
    assert client.post("/v1/jobs", json=body | {"options_from": "job_none"}).status_code == 404
    assert client.post("/v1/jobs", json=body | {"options_from": mine.job(dataset)}).status_code == 404
    foreign = theirs.dataset()
    with database.read() as session:
        owner = session.get_one(Dataset, foreign).tenant_id
    tuned = theirs.job(foreign, "tune", result=FOUND, spec={"seed": 1, "holdout": 0.1})
    assert client.post("/v1/jobs", json=body | {"options_from": tuned}).status_code == 404
    own = other_client.post("/v1/jobs", json={"kind": "synthesize", "dataset_id": foreign, "options_from": tuned})
    assert own.status_code == 202
    with database.read() as session:
        assert session.get_one(Job, own.json()["id"]).tenant_id == owner
    assert other_client.post("/v1/jobs", json={"kind": "tune", "dataset_id": dataset}).status_code == 404


def test_private_training_takes_no_tuned_options(client: TestClient, dataset: str, mine: Any) -> None:
    tuned = mine.job(dataset, "tune", result=FOUND, spec={"seed": 1, "holdout": 0.1})
    body = {"kind": "synthesize", "dataset_id": dataset, "options_from": tuned, "privacy": {"epsilon": 1}}
    assert client.post("/v1/jobs", json=body).status_code == 422


SEARCH = {"method": "tree", "target": "sex", "search": "grid", "trials": 4, "space": {"depth": [2, 4]}, "seed": 3}


def test_a_search_of_a_methods_options(client: TestClient, database: Database, mine: Any) -> None:
    dataset = mine.dataset(row_count=300)
    made = order(client, dataset, **SEARCH, options={"folds": 3, "scaling": "none"})
    assert made.status_code == 202, made.text
    spec = made.json()["spec"]
    assert (spec["method"], spec["target"], spec["trials"], spec["seed"]) == ("tree", "sex", 4, 3)
    asked = {k: spec["options"][k] for k in ("method", "search", "space", "folds", "scaling", "validation", "seed")}
    assert asked == {
        "method": "tree", "search": "grid", "space": {"depth": [2, 4]}, "folds": 3, "scaling": "none",
        "validation": None, "seed": 3,
    }  # fmt: skip
    plan = client.post("/v1/jobs?dry_run=true", json={"kind": "tune", "dataset_id": dataset, **SEARCH}).json()
    assert 5 <= plan["estimates"]["seconds"] < 60
    tuning = {"method": "tree", "trials": TRIALS, "best": 1, "options": {"depth": 4}}
    with database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("gpu",), lease_seconds=60)
    assert held is not None
    with database.write() as session:
        evaluation = {"version": 2, "metrics": [], "sections": {"search": {}}, "meta": {}}
        lifecycle.publish(session, held, {"tuning": tuning, "evaluation": evaluation}, {})
    result = client.get(f"/v1/jobs/{made.json()['id']}").json()["result"]
    assert (result["options"], result["dataset_id"]) == ({"depth": 4}, dataset)
    assert client.get(f"/v1/reports/{result['report_id']}").json()["kind"] == "comparison"
    refused = client.post(
        "/v1/jobs", json={"kind": "synthesize", "dataset_id": dataset, "options_from": made.json()["id"]}
    )
    assert refused.status_code == 422
    assert "method tree" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"target": None}, "target"),
        ({"target": "key"}, "target"),
        ({"method": "dance"}, "methods"),
        ({"search": "luck"}, "search"),
        ({"objective": "utility"}, "objective"),
        ({"holdout": 0.2}, "holdout"),
        ({"space": {"depth": {"low": 9, "high": 3}}}, "space"),
        ({"options": {"method": "mlp"}}, "method"),
        ({"options": {"hats": 1}}, "hats"),
        ({"options": {"groups": "hat"}}, "groups"),
        ({"method": None}, "search"),
    ],
    ids=str,
)
def test_bad_searches_of_methods_are_refused(
    client: TestClient, mine: Any, check_problem: Any, change: dict[str, Any], place: str
) -> None:
    body = {k: v for k, v in {**SEARCH, **change}.items() if v is not None}
    problem = check_problem(order(client, mine.dataset(row_count=300), **body), 422)
    assert problem["hint"]
    assert place in json.dumps(problem["errors"])
