"""The real thing: uploads over HTTP, `populace worker` processes under Celery, real training, killed in the middle."""

from __future__ import annotations

import csv
import io
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from service.db.tables import Blob, Job, JobEvent, MetricRow, Report, Sample, SamplePart, Synthesizer
from service.jobs.hints import CeleryHint
from service.main import create_app
from service.security.bootstrap import create_tenant_key
from worker.supervisor import Supervisor

OPTIONS = {"steps": 400, "batch": 256, "hidden": 96, "depth": 2, "adversarial": "never"}


def people(rows: int = 500) -> bytes:
    """An invented table: age, sex, an income that depends on both, a date, a gap."""
    draw = random.Random(1)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["age", "sex", "income", "since", "rich"])
    for _ in range(rows):
        age, sex = draw.randint(16, 90), draw.choice(["Female", "Male"])
        income = round(max(0.0, draw.gauss(age * 500 + (sex == "Male") * 3000, 4000)), 2)
        since = f"20{draw.randint(10, 24)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        writer.writerow([age, sex, "" if draw.random() < 0.1 else income, since, "yes" if income > 25_000 else "no"])
    return out.getvalue().encode()


class Api:
    """The API in full mode on the bench's database."""

    def __init__(self, bench: Any, broker_url: str) -> None:
        settings = bench.settings.model_copy(update={"broker_url": None})
        self.app = create_app(settings)
        self.app.state.hint = CeleryHint(broker_url)
        with bench.database.write() as session:
            token = create_tenant_key(session, "office", "first")
        self.client = TestClient(self.app, headers={"Authorization": f"Bearer {token}"})

    def wait(self, job_id: str, seconds: float = 120.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.client.get(f"/v1/jobs/{job_id}", params={"wait": 5}).json()
            if job["ended_at"]:
                return dict(job)
        raise AssertionError(f"{job_id} has not ended: {job}")

    def upload(self, data: bytes, name: str = "people.csv") -> tuple[str, dict[str, Any]]:
        """(dataset id, its ended job)"""
        made = self.client.post("/v1/datasets", files={"file": (name, data)})
        assert made.status_code == 202, made.text
        return made.json()["id"], self.wait(made.json()["job_id"])

    def start(self, **body: Any) -> str:
        made = self.client.post("/v1/jobs", json=body)
        assert made.status_code == 202, made.text
        return str(made.json()["id"])


@pytest.fixture
def api(postgres_bench: Any, valkey_url: str) -> Iterator[Api]:
    out = Api(postgres_bench, valkey_url)
    with out.client:
        yield out


@pytest.mark.slow
def test_kill_9_of_a_real_worker_in_mid_training(
    postgres_bench: Any, workers: Any, api: Api, until: Callable[..., None]
) -> None:
    bench = postgres_bench
    workers.command = [sys.executable, "-c", "from populace.cli import main; main()", "worker"]
    for _ in range(2):
        workers.start(lease_seconds=6, checkpoint_seconds=0.3)
    workers.ready(2)
    dataset, job = api.upload(people())
    assert job["state"] == "succeeded", (job, workers.log())
    body = {"kind": "synthesize", "dataset_id": dataset, "target": "rich", "seed": 3, "rows": 400, "options": OPTIONS}
    job_id = api.start(**body)
    until(lambda: bench.job(job_id).checkpoint_blob_id, 40)
    victim = workers.busy()
    assert victim is not None
    child = workers.child_of(victim)
    victim.send_signal(signal.SIGKILL)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
    job = api.wait(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2), workers.log()
    for table in (Synthesizer, Sample, Report):
        assert len(bench.rows(table)) == 1
    metrics = bench.rows(MetricRow)
    assert len(metrics) > 20
    assert len({(m.name, m.subject) for m in metrics}) == len(metrics)
    resumed = [e.data["fraction"] for e in bench.rows(JobEvent, job_id=job_id, attempt=2, type="progress")]
    assert resumed
    straight = api.wait(api.start(**body))
    assert (straight["state"], straight["attempt"]) == ("succeeded", 1)
    killed, calm = (api.client.get(f"/v1/samples/{j['result']['sample_id']}/download").content for j in (job, straight))
    assert len(killed.splitlines()) == 401
    assert killed == calm, "going on from a checkpoint gives the rows of an uninterrupted run"


@pytest.mark.slow
def test_every_verb_and_what_bad_uploads_leave_behind(postgres_bench: Any, api: Api) -> None:
    bench = postgres_bench
    supervisor = Supervisor(bench.settings, bench.database, bench.store)
    dataset = api.client.post("/v1/datasets", files={"file": ("people.csv", people(200))}).json()["id"]
    bad = {
        "ragged": b"a,b\n1,2\n3\n" * 20,
        "header only": b"a,b\n",
        "page": b"<!doctype html><html><body>not a table</body></html>",
        "nul": b"a,b\n1,\x002\n" * 20,
    }
    rejected = {k: api.client.post("/v1/datasets", files={"file": (f"{k}.csv", v)}).json() for k, v in bad.items()}
    supervisor.work()
    for name, made in rejected.items():
        job = api.wait(made["job_id"])
        assert job["state"] == "failed", name
        assert 400 <= job["problem"]["status"] < 500, (name, job["problem"])
        assert job["problem"]["hint"], name
        shown = api.client.get(f"/v1/datasets/{made['id']}").json()
        assert (shown["state"], shown["problem"]["code"]) == ("rejected", job["problem"]["code"])
    with bench.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 3, "the bench's, the upload, its table"
    quick = OPTIONS | {"steps": 30}
    trained = api.start(kind="synthesize", dataset_id=dataset, seed=1, options=quick, where=["age>=40"])
    supervisor.work()
    result = api.wait(trained)["result"]
    where = ["age>=65", "sex=Female"]
    drawn = api.start(kind="sample", synthesizer_id=result["synthesizer_id"], rows=1000, where=where, seed=5)
    judged = api.start(kind="evaluate", sample_id=result["sample_id"], target="rich")
    supervisor.work()
    job = api.wait(drawn)
    assert job["state"] == "succeeded", job["problem"]
    text = api.client.get(f"/v1/samples/{job['result']['sample_id']}/download").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1000
    assert all(int(row["age"]) >= 65 and row["sex"] == "Female" for row in rows)
    report = api.client.get(f"/v1/reports/{api.wait(judged)['result']['report_id']}").json()
    assert report["metrics"]
    patch = {"columns": [{"name": "since", "kind": "integer"}]}
    assert api.client.patch(f"/v1/datasets/{dataset}/schema", json=patch).status_code == 200
    wrong = api.start(kind="synthesize", dataset_id=dataset, options=quick)
    body = {"kind": "synthesize", "dataset_id": dataset, "options": quick}
    patch = {"columns": [{"name": "since", "kind": "datetime", "datetime_format": "%Y-%m-%d"}]}
    assert api.client.patch(f"/v1/datasets/{dataset}/schema", json=patch).status_code == 200
    few = api.start(**body, where=["age=90", "sex=Female", "rich=no"])
    supervisor.work()
    job = api.wait(wrong)
    assert (job["state"], job["problem"]["code"]) == ("failed", "invalid_schema")
    assert "since" in job["problem"]["detail"] + str(job["problem"]["errors"])
    assert api.wait(few)["problem"]["code"] == "invalid_condition"


@pytest.mark.slow
def test_a_sample_in_shards_is_the_same_sample(postgres_bench: Any, api: Api) -> None:
    bench = postgres_bench
    supervisor = Supervisor(bench.settings, bench.database, bench.store)
    dataset = api.client.post("/v1/datasets", files={"file": ("people.csv", people(200))}).json()["id"]
    supervisor.work()
    trained = api.start(kind="synthesize", dataset_id=dataset, seed=1, options=OPTIONS | {"steps": 30})
    supervisor.work()
    body = {"kind": "sample", "synthesizer_id": api.wait(trained)["result"]["synthesizer_id"], "seed": 5}
    asked: list[dict[str, Any]] = [{"rows": 9_000}, {"rows": 5_000, "where": ["age>=65"]}]
    whole = [api.start(**body, **more) for more in asked]
    api.app.state.settings = bench.settings.model_copy(update={"shard_rows": 4_000})
    divided = [api.start(**body, **more) for more in asked]
    workers = [Supervisor(bench.settings, bench.database, bench.store) for _ in range(2)]
    threads = [threading.Thread(target=worker.work, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    listed = api.client.get("/v1/jobs", params={"kind": "sample"}).json()
    assert {j["id"] for j in listed["items"]} == {*whole, *divided}, "shards are no jobs of the user's"
    assert api.client.get(f"/v1/jobs/{bench.rows(Job, parent_id=divided[0])[0].id}").status_code == 404
    for one, other in zip(whole, divided, strict=True):
        jobs = api.wait(one), api.wait(other)
        assert [j["state"] for j in jobs] == ["succeeded", "succeeded"], jobs
        assert jobs[1]["fraction"] == 1.0
        samples = [j["result"]["sample_id"] for j in jobs]
        for form in ("csv", "parquet"):
            contents = [api.client.get(f"/v1/samples/{s}/download?format={form}").content for s in samples]
            assert contents[0] == contents[1]
    for thread in threads:
        thread.join()
    assert api.wait(divided[0])["spec"]["shards"] == 3
    judged = api.start(kind="evaluate", sample_id=samples[1])
    supervisor.work()
    assert api.wait(judged)["state"] == "succeeded", "an evaluation reads all parts"
    assert len(bench.rows(SamplePart)) == 3 + 2
    assert api.client.delete(f"/v1/samples/{samples[1]}").status_code == 204
    assert len(bench.rows(SamplePart)) == 3
    assert api.client.delete(f"/v1/datasets/{dataset}").status_code == 204
    assert bench.rows(SamplePart) == []
    with bench.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 1, "that of the bench's own dataset"


SEARCH = {
    "kind": "tune",
    "seed": 3,
    "trials": 5,
    "options": {"batch": 128, "hidden": 48, "depth": 1, "steps": 80, "adversarial": "never"},
    "space": {"dropout": {"low": 0.0, "high": 0.3}, "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
}


def told(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [t | {"seconds": 0} for t in job["result"]["trials"]]


@pytest.mark.slow
def test_kill_9_in_mid_search_goes_on_from_the_finished_trials(
    postgres_bench: Any, workers: Any, api: Api, until: Callable[..., None]
) -> None:
    bench = postgres_bench
    workers.command = [sys.executable, "-c", "from populace.cli import main; main()", "worker"]
    for _ in range(2):
        workers.start(lease_seconds=6, checkpoint_seconds=0.1)
    workers.ready(2)
    dataset, _ = api.upload(people())

    def trials(job_id: str, attempt: int) -> list[int]:
        found = bench.rows(JobEvent, job_id=job_id, attempt=attempt, type="trial")
        return [e.data["number"] for e in sorted(found, key=lambda e: e.id)]

    job_id = api.start(dataset_id=dataset, **SEARCH)
    until(lambda: len(trials(job_id, 1)) >= 2, 240)
    victim = workers.busy()
    assert victim is not None, workers.log()
    victim.send_signal(signal.SIGKILL)
    job = api.wait(job_id, 300)
    assert (job["state"], job["attempt"]) == ("succeeded", 2), workers.log()
    again = trials(job_id, 2)
    assert again
    assert again[0] >= 1, "finished trials are not made again"
    assert again == list(range(again[0], 5))
    straight = api.wait(api.start(dataset_id=dataset, **SEARCH), 300)
    assert told(job) == told(straight), "what is tried does not depend on the interruption"
    assert {t["state"] for t in told(job)} == {"succeeded"}
    assert job["result"]["options"] == straight["result"]["options"]


@pytest.mark.slow
def test_a_search_is_cancelled_within_seconds(postgres_bench: Any, api: Api, until: Callable[..., None]) -> None:
    bench = postgres_bench
    supervisor = Supervisor(bench.settings, bench.database, bench.store)
    dataset = api.client.post("/v1/datasets", files={"file": ("people.csv", people(300))}).json()["id"]
    supervisor.work()
    job_id = api.start(dataset_id=dataset, **SEARCH | {"trials": 400})
    thread = threading.Thread(target=supervisor.work)
    thread.start()
    until(lambda: bench.rows(JobEvent, job_id=job_id, type="trial"), 240)
    assert api.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    began = time.monotonic()
    job = api.wait(job_id)
    thread.join()
    assert (job["state"], job["result"]) == ("cancelled", None)
    assert time.monotonic() - began < 20
    assert bench.job(job_id).checkpoint_blob_id is None
