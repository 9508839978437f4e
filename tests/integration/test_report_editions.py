"""Two editions of the report of a private job: what each holds, and that the public one holds no more."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.accounting import gaussian
from service.db.base import new_id
from service.db.tables import JobEvent, JobStep, Sample, Synthesizer
from service.privacy import ledger
from service.reports import repository
from tests.conftest import PEOPLE
from tests.public_report import FIGURES

MANIFEST = {
    "populace": "0.1",
    "versions": {"torch": "2"},
    "privacy": {"epsilon": 1.0},
    "split": {"train_rows": 4711, "holdout_rows": 471},
}
SECRETS = ("31415", "people.csv", "4711", "0.5432", "private curve", "0000000000")
"""Of the table and the internal edition: rows, file name, training rows, an exact figure, a digest."""


@pytest.fixture
def private(client: TestClient, mine: Any) -> dict[str, str]:
    """A private job with everything that it publishes -> ids."""
    return made(client, mine, FIGURES)


def made(client: TestClient, mine: Any, figures: dict[str, Any] | None) -> dict[str, str]:
    dataset_id = mine.dataset(row_count=31415)
    budget = {"epsilon": 3, "delta": 1e-9, "rows_at_most": 50_000}
    assert client.put(f"/v1/datasets/{dataset_id}/budget", json=budget).status_code == 200
    schema = PEOPLE.to_json()
    schema["columns"][1]["public"] = True
    history = {"fit": (gaussian(8.0, label="tables of counts"),), "evaluation": (gaussian(20.0),)}
    spec = {
        "privacy": {"epsilon": 1.0, "delta": 1e-9, "mechanism": "marginals", "unit": None,
                    "history": {a: [e.to_json() for e in h] for a, h in history.items()}},
        "target": "sex", "schema": schema, "rows": 900,
    }  # fmt: skip
    job_id = mine.job(dataset_id, spec=spec, started_at=1000.25, ended_at=1090.5, result={"warnings": []})
    with mine.database.write() as session:
        ledger.reserve(session, ledger.price(ledger.read(session, dataset_id), history), job_id, "key_secret")
        ledger.finish(session, job_id, 1, succeeded=True)
        session.add(JobStep(job_id=job_id, name="train", position=0, started_at=1001.0, ended_at=1050.0))
        data = {"step": "train", "state": "succeeded", "seconds": 49.123}
        session.add(JobEvent(job_id=job_id, attempt=1, type="step", data=data, created_at=1050.75))
    synthesizer = Synthesizer(
        id=new_id("syn"), tenant_id=mine.tenant_id, dataset_id=dataset_id, job_id=job_id,
        artifact_blob_id=mine.blob(), schema=PEOPLE.to_json(), manifest=MANIFEST,
    )  # fmt: skip
    mine.add(synthesizer)
    sample = Sample(
        id=new_id("smp"), tenant_id=mine.tenant_id, dataset_id=dataset_id, synthesizer_id=synthesizer.id,
        job_id=job_id, row_count=900, where=[], seed=1, schema=PEOPLE.to_json(), table_blob_id=mine.blob(),
    )  # fmt: skip
    mine.add(sample)
    metric = {"section": "columns", "name": "shape", "value": 0.5432, "direction": "lower", "unit": "share"}
    evaluation = {
        "metrics": [metric],
        "sections": {"verdict": {"summary": "private curve", "problems": []}},
        "meta": {},
    }
    with mine.database.write() as session:
        report_id = repository.add(session, mine.tenant_id, dataset_id, sample.id, job_id, evaluation, figures)
    return {
        "report": report_id,
        "job": job_id,
        "sample": sample.id,
        "synthesizer": synthesizer.id,
        "dataset": dataset_id,
    }


def test_the_public_edition_is_what_one_gets_and_holds_nothing_of_the_table(
    client: TestClient, private: dict[str, str]
) -> None:
    for format in ("json", "html", "csv"):
        answer = client.get(f"/v1/reports/{private['report']}", params={"format": format})
        assert answer.status_code == 200
        told = answer.text
        for secret in SECRETS:
            assert secret not in told, (format, secret)
    report = client.get(f"/v1/reports/{private['report']}").json()
    assert (report["edition"], report["marking"][:14]) == ("public", "Public edition")
    assert report["sections"]["public"] == FIGURES
    assert {m["name"]: m["value"] for m in report["metrics"]} == {
        "tvd_columns": 0.01, "tvd_pairs": 0.02, "utility_accuracy": 0.8, "utility_auc": 0.88,
    }  # fmt: skip
    assert report["dataset"] == {"columns": 3}


def test_the_internal_edition_is_asked_for_by_name_and_marked(client: TestClient, private: dict[str, str]) -> None:
    report = client.get(f"/v1/reports/{private['report']}?edition=internal").json()
    assert report["marking"].startswith("Internal: not for release")
    assert report["metrics"][0]["value"] == 0.5432
    page = client.get(f"/v1/reports/{private['report']}?edition=internal&format=html").text
    assert page.index("Internal: not for release") < page.index("<h1>")
    assert "No differential privacy" not in page
    assert "0.5432" in client.get(f"/v1/reports/{private['report']}?edition=internal&format=csv").text


def test_the_name_of_a_download_tells_its_edition(client: TestClient, private: dict[str, str]) -> None:
    for edition in ("public", "internal"):
        answer = client.get(f"/v1/reports/{private['report']}?format=csv&edition={edition}")
        assert f"{private['report']}-{edition}-metrics.csv" in answer.headers["content-disposition"]
        assert list(csv.DictReader(io.StringIO(answer.text)))


def test_statement_and_ledger_in_both(client: TestClient, private: dict[str, str]) -> None:
    for edition in ("public", "internal"):
        privacy = client.get(f"/v1/reports/{private['report']}?edition={edition}").json()["privacy"]
        questions = [s["question"] for s in privacy["statement"]]
        assert questions[:3] == [
            "What is guaranteed?", "Who is protected?", "What else was released about the same units?"
        ]  # fmt: skip
        words = " ".join(" ".join([s["answer"], *s["items"]]) for s in privacy["statement"])
        for expected in (
            "epsilon 1 and delta 1e-09",
            "Each row",
            "at most 50,000 rows",
            "sigma 8",
            " of sex",
            "torch 2",
        ):
            assert expected in words
        assert [(line["kind"], line["account"]) for line in privacy["ledger"]["lines"]] == [
            ("reserve", "fit"), ("reserve", "evaluation"), ("settle", "fit"), ("settle", "evaluation")
        ]  # fmt: skip
        assert privacy["ledger"]["before"] == 0.0
        spent = client.get(f"/v1/datasets/{private['dataset']}/budget").json()["spent"]
        assert privacy["ledger"]["after"] == pytest.approx(spent)
        assert privacy["ledger"]["own"] == pytest.approx(spent)
        assert "key_secret" not in json.dumps(privacy)


def test_a_job_without_privacy_has_one_report(client: TestClient, mine: Any, check_problem: Callable[..., Any]) -> None:
    report_id = mine.everything()["report_id"]
    one = client.get(f"/v1/reports/{report_id}").json()
    assert (one["edition"], one["marking"], one["privacy"]) == (None, None, None)
    assert client.get(f"/v1/reports/{report_id}?edition=internal").json() == one
    check_problem(client.get(f"/v1/reports/{report_id}?edition=public"), 409, "no_public_edition")


def test_an_evaluation_of_a_private_sample_is_internal(
    client: TestClient, mine: Any, check_problem: Callable[..., Any]
) -> None:
    ids = made(client, mine, None)
    check_problem(client.get(f"/v1/reports/{ids['report']}"), 409, "no_public_edition")
    report = client.get(f"/v1/reports/{ids['report']}?edition=internal").json()
    assert report["marking"].startswith("Internal")


def test_times_of_a_private_job_are_coarse(client: TestClient, private: dict[str, str]) -> None:
    job = client.get(f"/v1/jobs/{private['job']}").json()
    assert (job["started_at"], job["ended_at"]) == ("1970-01-01T00:16:00.000Z", "1970-01-01T00:18:00.000Z")
    (step,) = job["steps"]
    assert (step["state"], step["started_at"], step["ended_at"]) == ("succeeded", None, None)
    (event,) = client.get(f"/v1/jobs/{private['job']}/events").json()["items"]
    assert event["created_at"].endswith(":00.000Z")
    assert "seconds" not in event["data"]
    stream = client.get(f"/v1/jobs/{private['job']}/events", headers={"Accept": "text/event-stream"}).text
    assert "49.123" not in stream
    assert "50.75" not in stream
    for path in (f"samples/{private['sample']}", f"synthesizers/{private['synthesizer']}"):
        assert client.get(f"/v1/{path}").json()["created_at"].endswith(":00.000Z")


def test_an_evaluation_of_a_private_sample_is_a_private_job(client: TestClient, private: dict[str, str]) -> None:
    job = client.post("/v1/jobs", json={"kind": "evaluate", "sample_id": private["sample"]}).json()
    assert job["spec"]["private"] is True


def test_nothing_of_it_is_anothers(
    client: TestClient, other_client: TestClient, private: dict[str, str], check_problem: Callable[..., Any]
) -> None:
    for edition in ("public", "internal"):
        check_problem(other_client.get(f"/v1/reports/{private['report']}?edition={edition}"), 404)


def test_defaults_and_estimates_know_only_what_is_public_of_the_rows(
    client: TestClient, mine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.privacy.plans.planner", lambda *_: {"fit": (gaussian(60.0),)})
    told = []
    for rows in (700, 701):
        dataset_id = mine.dataset(row_count=rows)
        budget = {"epsilon": 3, "delta": 1e-9, "rows_at_most": 1000}
        client.put(f"/v1/datasets/{dataset_id}/budget", json=budget)
        asked = {"kind": "synthesize", "dataset_id": dataset_id, "seed": 1, "privacy": {"epsilon": 1}}
        plan = client.post("/v1/jobs?dry_run=true", json=asked).json()
        assert plan["spec"]["rows"] is None  # a noisy number, which nobody knows yet
        told.append((plan["spec"]["most_rows"], plan["estimates"]))
    assert told[0][0] == 1000
    assert told[0] == told[1]
