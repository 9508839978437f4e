"""/v1/jobs over HTTP: checks before anything is stored, idempotency, cancelling, waiting, events."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from service.db import migrate
from service.db.base import new_id
from service.db.tables import Dataset, Idempotency, Job, Synthesizer, Tenant
from service.jobs import events as sse
from service.jobs import lifecycle, repository
from service.jobs.estimates import estimate
from service.jobs.lifecycle import Event, StepReport
from service.jobs.resolved import Resolved
from service.main import create_app
from service.settings import Settings

SCHEMA = {
    "version": 1,
    "columns": [
        {"name": "id", "kind": "identifier"},
        {"name": "age", "kind": "integer", "minimum": 0, "maximum": 90},
        {"name": "sex", "kind": "categorical", "categories": ["Female", "Male"]},
    ],
}


class World:
    """The application, its client, and a dataset of the client's tenant."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, max_sample_rows=1_000_000)
        home.mkdir()
        migrate.upgrade(self.settings)
        self.app = create_app(self.settings)
        self.database = self.app.state.database
        self.hints: list[str] = []
        self.app.state.hint = self
        key = (home / "key").read_text().strip()
        self.client = TestClient(self.app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"})
        with self.database.read() as session:
            self.tenant_id = session.execute(sa.select(Tenant.id)).scalar_one()
        self.dataset_id = self.dataset()

    def send(self, queue: str, count: int = 1) -> None:
        self.hints.append(queue)

    def dataset(self, **changes: Any) -> str:
        facts = {
            "id": new_id("ds"),
            "tenant_id": self.tenant_id,
            "name": "people.csv",
            "state": "ready",
            "bytes": 1,
            "sha256": "0",
            "media_type": "text/csv",
            "schema": SCHEMA,
            "schema_version": 1,
            "row_count": 500,
            **changes,
        }
        with self.database.write() as session:
            session.add(Dataset(**facts))
        return str(facts["id"])

    def post(self, status: int = 202, *, params: Any = None, headers: Any = None, **body: Any) -> Any:
        whole = {"kind": "synthesize", "dataset_id": self.dataset_id, **body}
        response = self.client.post("/v1/jobs", json=whole, params=params, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    def jobs(self) -> int:
        with self.database.read() as session:
            return session.execute(sa.select(sa.func.count()).select_from(Job)).scalar_one()

    def claim(self) -> lifecycle.Claim:
        with self.database.write() as session:
            held = lifecycle.claim(session, worker="w", queues=("gpu", "cpu"), lease_seconds=60)
        assert held is not None
        return held


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    out = World(tmp_path / "home")
    with out.client:
        yield out


def test_a_job_is_queued_with_its_whole_spec(world: World) -> None:
    response = world.client.post("/v1/jobs", json={"kind": "synthesize", "dataset_id": world.dataset_id})
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["attempt"], job["fraction"]) == ("queued", 0, 0)
    assert [s["name"] for s in job["steps"]] == ["read", "profile", "encode", "train", "sample", "evaluate", "publish"]
    assert {s["state"] for s in job["steps"]} == {"pending"}
    assert job["spec"]["rows"] == 500
    assert job["spec"]["holdout"] == 0.1
    assert 0 <= job["spec"]["seed"] == job["spec"]["options"]["seed"]
    assert "schema" not in job["spec"]
    assert world.hints == ["gpu"]
    assert world.client.get(f"/v1/jobs/{job['id']}").json() == job


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"rows": 0}, "invalid_input", "rows"),
    ({"rows": -5}, "invalid_input", "rows"),
    ({"rows": 10**30}, "invalid_input", "rows"),
    ({"rows": 1_000_001}, "invalid_input", "rows"),
    ({"rows": True}, "invalid_input", "rows"),
    ({"rows": "10"}, "invalid_input", "rows"),
    ({"rows": 1.5}, "invalid_input", "rows"),
    ({"target": "income"}, "invalid_target", "target"),
    ({"target": "id"}, "invalid_target", "target"),
    ({"where": ["height>1"]}, "invalid_condition", ""),
    ({"where": ["age>=65", "age<10"]}, "invalid_condition", ""),
    ({"where": ["age>200"]}, "invalid_condition", ""),
    ({"where": ["sex=Robot"]}, "invalid_condition", ""),
    ({"where": "age>=65"}, "invalid_input", "where"),
    ({"holdout": 0.6}, "invalid_input", "holdout"),
    ({"holdout": -0.1}, "invalid_input", "holdout"),
    ({"holdout": None}, "invalid_input", "holdout"),
    ({"seed": -1}, "invalid_input", "seed"),
    ({"seed": 2**32}, "invalid_input", "seed"),
    ({"options": {"layers": 3}}, "invalid_input", "layers"),
    ({"options": {"steps": 0}}, "invalid_input", "steps"),
    ({"options": {"steps": "many"}}, "invalid_input", "steps"),
    ({"options": {"seed": 1}}, "invalid_input", "seed"),
    ({"options": [1]}, "invalid_input", "options"),
    ({"privacy": {"epsilon": 1, "colour": "red"}}, "invalid_input", "colour"),
    ({"colour": "red"}, "invalid_input", "colour"),
    ({"kind": "profile"}, "invalid_input", ""),
    ({"kind": "dance"}, "invalid_input", ""),
]


@pytest.mark.parametrize(("change", "code", "place"), BAD, ids=lambda v: str(v)[:40])
def test_bad_requests_are_refused_before_anything_is_stored(
    world: World, change: dict[str, Any], code: str, place: str
) -> None:
    problem = world.post(422, **change)
    assert problem["code"] == code
    assert problem["hint"]
    if place:
        assert place in json.dumps(problem["errors"]), problem
    assert world.jobs() == 0
    assert world.hints == []
    assert world.post(422, params={"dry_run": "true"}, **change)["code"] == code


def test_datasets_that_are_not_ready(world: World) -> None:
    pending = world.dataset(state="pending", schema=None)
    with world.database.write() as session:
        from service.jobs.service import enqueue_profile

        job_id = enqueue_profile(session, world.tenant_id, pending, world.settings)
    problem = world.post(409, dataset_id=pending)
    assert problem["code"] == "dataset_pending"
    assert job_id in problem["hint"]
    rejected = world.dataset(
        state="rejected",
        schema=None,
        problem={
            "detail": "Line 3 is bad.",
            "hint": "Fix it.",
            "errors": [{"loc": ["line", 3], "msg": "x", "hint": ""}],
        },
    )
    problem = world.post(409, dataset_id=rejected)
    assert problem["code"] == "dataset_rejected"
    assert "Line 3 is bad." in problem["detail"]
    assert problem["errors"][0]["loc"] == ["line", 3]
    assert world.post(404, dataset_id="ds_unknown")["code"] == "not_found"


def test_other_tenants_see_nothing(world: World) -> None:
    with world.database.write() as session:
        session.add(Tenant(id="ten_other", name="other"))
    theirs = world.dataset(tenant_id="ten_other")
    world.post(404, dataset_id=theirs)
    with world.database.write() as session:
        job_id = repository.add(session, "ten_other", "synthesize", {"seed": 1}, max_attempts=3, dataset_id=theirs).id
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        assert world.client.request(method, f"/v1/jobs/{job_id}{path}").status_code == 404
    assert world.client.get("/v1/jobs").json()["total"] == 0
    assert httpx.Headers(world.client.headers)["authorization"]
    assert world.client.get("/v1/jobs", headers={"Authorization": ""}).status_code == 401


def test_dry_run_stores_nothing(world: World) -> None:
    plan = world.post(200, params={"dry_run": "true"}, rows=1000, target="sex", where=["age>=65"], seed=5)
    assert plan["spec"]["rows"] == 1000
    assert plan["spec"]["seed"] == 5
    assert plan["queue"] == "gpu"
    seconds = plan["estimates"]
    assert 0 < seconds["seconds_low"] < seconds["seconds"] < seconds["seconds_high"]
    assert plan["estimates"]["memory_bytes"] > 0
    assert world.jobs() == 0


def test_the_estimate_respects_a_limit_on_training(world: World) -> None:
    seconds = [
        world.post(200, params={"dry_run": "true"}, rows=1000, options=options)["estimates"]["seconds"]
        for options in ({}, {"max_time": 1}, {"max_time": 100_000})
    ]
    assert seconds[1] < seconds[0] == seconds[2]


@pytest.mark.parametrize(
    ("rows", "columns", "measured"),
    [(32_561, 15, 68), (27_253, 24, 85), (63_388, 17, 75), (119_390, 32, 214), (1_309, 14, 31), (918, 12, 27)],
)
def test_estimates_meet_what_was_measured(rows: int, columns: int, measured: float) -> None:
    """bench/README.md, tables on idle cores."""
    job = Resolved("synthesize", {"options": {}}, rows, columns, table_rows=rows)
    found = estimate(job)
    assert found.seconds == pytest.approx(measured, rel=0.3)
    assert found.seconds_low < measured < found.seconds_high
    few = estimate(Resolved("synthesize", {"options": {"steps": 100}}, rows, columns, table_rows=rows))
    assert few.seconds < found.seconds
    more = estimate(Resolved("synthesize", {"options": {}}, 100 * rows, columns, table_rows=rows))
    assert more.seconds > found.seconds + 98 * rows * columns / 240_000


def test_the_same_key_gives_the_same_job(world: World) -> None:
    key = {"Idempotency-Key": "abc"}
    first = world.post(202, headers=key)
    assert world.post(200, headers=key)["id"] == first["id"]
    assert world.jobs() == 1
    assert world.hints == ["gpu"]
    assert world.post(409, headers=key, rows=7)["code"] == "idempotency_conflict"
    assert world.post(202, headers={"Idempotency-Key": "abd"})["id"] != first["id"]
    world.post(422, headers={"Idempotency-Key": "abe"}, rows=0)
    world.post(422, headers={"Idempotency-Key": "abe"}, target="nope")
    with world.database.read() as session:
        kept = session.execute(sa.select(Idempotency.key).order_by(Idempotency.key)).scalars().all()
    assert kept == ["abc", "abd"], "a refused request leaves no trace"


def test_racing_requests_with_one_key_make_one_job(world: World) -> None:
    ids: list[str] = []

    def send() -> None:
        body = {"kind": "synthesize", "dataset_id": world.dataset_id}
        response = world.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "race"})
        ids.append(response.json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == world.jobs() == 1


def test_lists_have_filters_and_pages(world: World) -> None:
    made = [world.post()["id"] for _ in range(5)]
    world.client.post(f"/v1/jobs/{made[0]}/cancel")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = world.client.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert page["total"] == 5
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    assert world.client.get("/v1/jobs", params={"state": "cancelled"}).json()["items"][0]["id"] == made[0]
    assert world.client.get("/v1/jobs", params={"kind": "sample"}).json()["total"] == 0
    assert world.client.get("/v1/jobs", params={"dataset_id": world.dataset_id}).json()["total"] == 5
    for wrong in ({"state": "done"}, {"limit": 0}, {"limit": 10**9}, {"cursor": "x"}):
        assert world.client.get("/v1/jobs", params=wrong).status_code == 422


def test_cancel(world: World) -> None:
    queued = world.post()["id"]
    response = world.client.post(f"/v1/jobs/{queued}/cancel")
    assert response.status_code == 202
    assert response.json()["state"] == "cancelled"
    assert response.json()["ended_at"]
    running = world.post()["id"]
    world.claim()
    assert world.client.post(f"/v1/jobs/{running}/cancel").json()["state"] == "cancelling"
    failed = world.post()["id"]
    held = world.claim()
    with world.database.write() as session:
        lifecycle.fail(session, held, {"code": "internal", "detail": "x"})
    response = world.client.post(f"/v1/jobs/{failed}/cancel")
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"


def test_a_sample_job_is_checked_against_its_synthesizer(world: World) -> None:
    trained = world.post(target="sex")["id"]
    held = world.claim()
    blobs = {n: world.app.state.store.write([b"x"]).id for n in ("synthesizer", "sample")}
    evaluation = {"metrics": [], "sections": {}, "meta": {}}
    outcome = {"schema": SCHEMA, "manifest": {"split": {}}, "rows": 10, "evaluation": evaluation}
    with world.database.write() as session:
        lifecycle.publish(session, held, outcome, blobs)
    result = world.client.get(f"/v1/jobs/{trained}").json()["result"]
    body = {"kind": "sample", "synthesizer_id": result["synthesizer_id"], "rows": 100, "where": ["age>=65"]}
    response = world.client.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    assert response.json()["synthesizer_id"] == result["synthesizer_id"]
    for change in ({"rows": 0}, {"rows": 2_000_000}, {"where": ["height>1"]}, {"rows": None}):
        assert world.client.post("/v1/jobs", json=body | change).status_code == 422
    assert world.client.post("/v1/jobs", json=body | {"synthesizer_id": "syn_x"}).status_code == 404
    body = {"kind": "evaluate", "sample_id": result["sample_id"]}
    response = world.client.post("/v1/jobs", json=body)
    assert response.status_code == 202
    assert response.json()["spec"]["target"] == "sex", "the training job's"
    assert world.client.post("/v1/jobs", json=body | {"target": "id"}).status_code == 422
    assert world.client.post("/v1/jobs", json=body | {"sample_id": "smp_x"}).status_code == 404
    with world.database.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(Synthesizer)).scalar_one() == 1


def test_progress_is_seen(world: World) -> None:
    job_id = world.post()["id"]
    held = world.claim()
    with world.database.write() as session:
        steps = {"read": StepReport(1, "", 3, 2), "train": StepReport(0.5, "epoch 2", 2)}
        lifecycle.record(session, held, steps, [Event("progress", {"step": "train", "fraction": 0.5})])
    job = world.client.get(f"/v1/jobs/{job_id}").json()
    shown = {s["name"]: s for s in job["steps"]}
    assert (shown["read"]["state"], shown["train"]["state"]) == ("succeeded", "running")
    assert shown["train"]["message"] == "epoch 2"
    assert 0.3 < job["fraction"] < 0.4
    with world.database.write() as session:
        lifecycle.fail(session, held, {"code": "internal", "detail": "x"})
    job = world.client.get(f"/v1/jobs/{job_id}").json()
    assert {s["name"]: s["state"] for s in job["steps"]}["train"] == "failed"
    assert job["problem"]["code"] == "internal"


def test_waiting_ends_with_the_job(world: World) -> None:
    job_id = world.post()["id"]
    assert world.client.get(f"/v1/jobs/{job_id}", params={"wait": 0.2}).json()["state"] == "queued"
    timer = threading.Timer(0.5, lambda: world.client.post(f"/v1/jobs/{job_id}/cancel"))
    timer.start()
    began = time.monotonic()
    assert world.client.get(f"/v1/jobs/{job_id}", params={"wait": 60}).json()["state"] == "cancelled"
    assert time.monotonic() - began < 10
    assert world.client.get(f"/v1/jobs/{job_id}", params={"wait": 61}).status_code == 422
    assert world.client.get("/v1/jobs/job_none", params={"wait": 5}).status_code == 404


def read_stream(world: World, job_id: str, after: int | None = None) -> list[tuple[int, str, dict[str, Any]]]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
    out: list[tuple[int, str, dict[str, Any]]] = []
    with world.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                out.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
                fields = {}
    return out


def test_events_stream_until_the_end_and_resume(world: World) -> None:
    job_id = world.post()["id"]
    held = world.claim()

    def work() -> None:
        for i in range(4):
            time.sleep(0.2)
            with world.database.write() as session:
                lifecycle.record(session, held, {}, [Event("progress", {"step": "train", "fraction": i / 4})])
        with world.database.write() as session:
            lifecycle.fail(session, held, {"code": "internal", "detail": "x"})

    thread = threading.Thread(target=work)
    thread.start()
    events = read_stream(world, job_id)
    thread.join()
    kinds = [(kind, data.get("state")) for _, kind, data in events]
    assert kinds == [("state", "queued"), ("state", "running"), *[("progress", None)] * 4, ("state", "failed")]
    ids = [i for i, _, _ in events]
    assert ids == sorted(ids)
    assert read_stream(world, job_id, after=ids[2]) == events[3:]
    assert read_stream(world, job_id, after=ids[-1]) == []
    page = world.client.get(f"/v1/jobs/{job_id}/events", params={"after": ids[1], "limit": 2}).json()
    assert page["total"] == len(events)
    assert [e["id"] for e in page["items"]] == ids[2:4]
    assert page["next_cursor"] == str(ids[3])


def test_many_readers_hold_no_threads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.2)
    job_id = world.post()["id"]
    got: list[list[Any]] = []
    threads = [threading.Thread(target=lambda: got.append(read_stream(world, job_id))) for _ in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(0.8)
    answered: list[int] = []
    other = threading.Thread(target=lambda: answered.append(world.client.get("/v1/jobs").status_code), daemon=True)
    other.start()
    other.join(60)  # were threads held, it would wait for the readers, and they for the job
    assert answered == [200]
    assert not got, "all are still reading"
    world.client.post(f"/v1/jobs/{job_id}/cancel")
    for thread in threads:
        thread.join(20)
    assert len(got) == 60
    assert all(events == got[0] for events in got)


def test_quiet_streams_are_kept_open_by_comments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.1)
    job_id = world.post()["id"]
    threading.Timer(1.5, lambda: world.client.post(f"/v1/jobs/{job_id}/cancel")).start()
    with world.client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as response:
        text = response.read().decode()
    assert text.count(": still here\n\n") >= 1
    assert text.rstrip().splitlines()[-1].startswith("data: ")
