"""A private job from the upload to the report, its worker's child killed after the noise: it pays once."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.accounting import epsilon, history_from_json
from service.db.tables import JobEvent, LedgerEntry, Report, Sample, Synthesizer
from service.main import create_app
from service.security.bootstrap import create_tenant_key
from worker.supervisor import Supervisor

KILLED = (sys.executable, str(Path(__file__).with_name("private_child.py")))
PUBLIC = {
    "columns": [
        {"name": "age", "public": True, "minimum": 0, "maximum": 99},
        {"name": "sex", "public": True, "categories": ["Female", "Male", "Other"]},
        {"name": "rich", "public": True, "categories": ["no", "yes"]},
    ]
}
DELTA = 1e-6


def people(rows: int = 700) -> bytes:
    draw = random.Random(1)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["age", "sex", "rich"])
    for _ in range(rows):
        age = draw.randint(16, 90)
        writer.writerow([age, draw.choice(["Female", "Male"]), "yes" if draw.random() < age / 120 else "no"])
    return out.getvalue().encode()


class Office:
    """The API on a bench, and workers that work when told to."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        with bench.database.write() as session:
            token = create_tenant_key(session, "office", "first")
        headers = {"Authorization": f"Bearer {token}"}
        self.client = TestClient(create_app(bench.settings), base_url="http://127.0.0.1", headers=headers)

    def work(self, command: tuple[str, ...] | None = None) -> None:
        given = {} if command is None else {"command": command}
        Supervisor(self.bench.settings, self.bench.database, self.bench.store, **given).work()

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, **body: Any) -> str:
        answer = self.client.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])


@pytest.fixture
def office(sqlite_bench: Any) -> Office:
    return Office(sqlite_bench)


def test_a_private_job_that_is_killed_after_its_noise(office: Office) -> None:
    client, bench = office.client, office.bench
    dataset = client.post("/v1/datasets", files={"file": ("people.csv", people())}).json()["id"]
    office.work()
    body = {
        "kind": "synthesize",
        "dataset_id": dataset,
        "target": "rich",
        "seed": 3,
        "privacy": {"epsilon": 2.0, "shares": {"fit": 0.8, "evaluation": 0.2}},
    }
    assert client.post("/v1/jobs", json=body).json()["code"] == "no_budget"
    budget = {"epsilon": 2.5, "delta": DELTA, "rows_at_most": 5_000}
    assert client.put(f"/v1/datasets/{dataset}/budget", json=budget).status_code == 200
    refusal = client.post("/v1/jobs", json=body).json()
    assert (refusal["code"], "age" in refusal["detail"]) == ("domain_unknown", True)
    assert client.patch(f"/v1/datasets/{dataset}/schema", json=PUBLIC).status_code == 200
    dry = client.post("/v1/jobs", params={"dry_run": True}, json=body).json()
    assert 0.97 * 2 <= dry["privacy"]["spent_after"] <= 2.0
    assert set(dry["spec"]["privacy"]["history"]) == {"fit", "evaluation"}
    assert dry["spec"]["rows"] is None

    job_id = office.start(**body)
    office.work(KILLED)
    job = office.get(f"/v1/jobs/{job_id}")
    assert (job["state"], job["attempt"]) == ("succeeded", 2), job["problem"]

    # Paid once, and no second noise: the first attempt's was kept.
    entries = [e for e in bench.rows(LedgerEntry) if e.job_id == job_id]
    assert sorted((e.kind, e.account) for e in entries) == sorted(
        (kind, account) for kind in ("reserve", "settle") for account in ("fit", "evaluation")
    )
    drawn = [(e.attempt, e.data["accounts"]) for e in bench.rows(JobEvent, job_id=job_id, type="noise")]
    assert drawn == [(1, ["fit"]), (2, ["evaluation"])]
    spent = office.get(f"/v1/datasets/{dataset}/budget")["spent"]
    assert spent == pytest.approx(dry["privacy"]["spent_after"])

    # The synthesizer, its sample and what they say.
    [synthesizer], [sample], [report] = (bench.rows(table) for table in (Synthesizer, Sample, Report))
    manifest = synthesizer.manifest
    history = [e for events in manifest["privacy"]["mechanisms"].values() for e in events]
    assert epsilon(history_from_json(history), DELTA) == pytest.approx(manifest["privacy"]["spent"]["all"])
    assert (manifest["privacy"]["epsilon"], manifest["privacy"]["delta"]) == (2.0, DELTA)
    assert sample.schema == synthesizer.schema
    assert "evidence" not in json.dumps(synthesizer.schema)
    assert synthesizer.schema["columns"][1]["categories"] == ["Female", "Male", "Other"]
    # About as many rows as were trained on (630), by a noisy count; not exactly as many as the table has.
    assert 300 < sample.row_count < 1_000
    assert report.public is not None
    assert report.evaluation["sections"]
    rows = client.get(f"/v1/samples/{sample.id}/download").text.splitlines()
    assert rows[0] == "age,sex,rich"
    assert len(rows) == sample.row_count + 1

    # More rows are free, under conditions too; another evaluation is internal.
    more = office.start(kind="sample", synthesizer_id=synthesizer.id, rows=50, where=["age>=65", "sex=Other"], seed=1)
    again = office.start(kind="evaluate", sample_id=sample.id)
    office.work()
    drawn_more = office.get(f"/v1/jobs/{more}")
    assert drawn_more["state"] == "succeeded", drawn_more["problem"]
    text = client.get(f"/v1/samples/{drawn_more['result']['sample_id']}/download").text
    assert all(int(a) >= 65 and b == "Other" for a, b, _ in csv.reader(text.splitlines()[1:]))
    judged = office.get(f"/v1/jobs/{again}")
    assert judged["state"] == "succeeded", judged["problem"]
    assert office.get(f"/v1/datasets/{dataset}/budget")["spent"] == spent

    # What is left does not pay for another one.
    refusal = client.post("/v1/jobs", json=body).json()
    assert refusal["code"] == "budget_exceeded"
    assert "fits" in refusal["detail"]
