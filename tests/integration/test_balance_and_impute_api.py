"""Balances, imputations and warnings over the API: what is accepted, what is refused, what a sample's record tells."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from models.schema import Column, Kind, Schema
from service.db.tables import AuditEvent, Job, Sample, Synthesizer
from service.jobs import lifecycle

Check = Callable[..., dict[str, Any]]


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/jobs", json=body)


@pytest.mark.parametrize(
    ("balance", "resolved"),
    [
        ("sex", {"column": "sex"}),
        ("sex:female=0.3,Male=70%", {"column": "sex", "shares": {"female": 0.3, "Male": 0.7}}),
        ({"column": "age", "shares": {"20": 0.5, "30": 0.5}}, {"column": "age", "shares": {"20": 0.5, "30": 0.5}}),
    ],
)
def test_a_balance_is_resolved_for_both_kinds_of_jobs(
    client: TestClient, mine: Any, balance: Any, resolved: dict[str, Any]
) -> None:
    dataset = mine.dataset()
    for body in (
        {"kind": "synthesize", "dataset_id": dataset},
        {"kind": "sample", "synthesizer_id": mine.synthesizer(dataset), "rows": 10},
    ):
        answer = post(client, **body, balance=balance, where=["age>=18"])
        assert answer.status_code == 202, answer.text
        assert answer.json()["spec"]["balance"] == resolved


@pytest.mark.parametrize(
    ("balance", "where", "code"),
    [
        ("sexx", [], "invalid_balance"),
        ("key", [], "invalid_balance"),
        ("sex:Female=0.3", [], "invalid_balance"),
        ({"column": "sex", "share": {}}, [], "invalid_balance"),
        ("sex:Other=1", [], "invalid_condition"),
        ("sex:Female=.5,Male=.5", ["sex=Female"], "invalid_condition"),
    ],
)
def test_a_balance_that_cannot_be_is_refused(
    client: TestClient, mine: Any, check_problem: Check, balance: Any, where: list[str], code: str
) -> None:
    answer = post(client, kind="synthesize", dataset_id=mine.dataset(), balance=balance, where=where)
    assert check_problem(answer, 422, code)["hint"]
    assert mine.count(Job) == {"jobs": 0}


def test_an_imputation_belongs_to_the_dataset_whose_rows_it_holds(client: TestClient, mine: Any) -> None:
    trained_on, other = mine.dataset(), mine.dataset()
    synthesizer = mine.synthesizer(trained_on)
    asked = {"dataset_id": other, "columns": ["age"], "codes": [""]}
    job = post(client, kind="sample", synthesizer_id=synthesizer, impute=asked, seed=3).json()
    assert (job["dataset_id"], job["synthesizer_id"]) == (other, synthesizer)
    assert job["spec"]["impute"] == asked
    assert job["spec"]["rows"] == 2
    own = post(client, kind="sample", synthesizer_id=synthesizer, impute={}).json()
    assert own["spec"]["impute"] == {"dataset_id": trained_on, "columns": None, "codes": None}
    with mine.database.read() as session:
        log = {e.object_id: e.action for e in session.scalars(select(AuditEvent))}
    assert log[job["id"]] == "job.create.impute"


def test_an_imputation_that_cannot_be_is_refused(client: TestClient, mine: Any, check_problem: Check) -> None:
    synthesizer = mine.synthesizer(mine.dataset())
    foreign = mine.dataset(schema=Schema((Column("age", Kind.INTEGER), Column("town", Kind.TEXT))))
    pending = mine.dataset("pending")
    for impute, more, status, words in (
        ({"dataset_id": foreign}, {}, 422, "lacks 'sex', 'key' and has 'town' beside"),
        ({"dataset_id": pending}, {}, 409, "still being read"),
        ({"columns": ["nothing"]}, {}, 422, "no column"),
        ({"columns": ["key"]}, {}, 422, "identifier"),
        ({}, {"rows": 5}, 422, "no `rows`"),
        ({}, {"where": ["age>=3"]}, 422, "no `where`"),
        ({}, {"balance": "sex"}, 422, "no `balance`"),
    ):
        answer = post(client, kind="sample", synthesizer_id=synthesizer, impute=impute, **more)
        assert words in check_problem(answer, status)["detail"]
    check_problem(post(client, kind="sample", synthesizer_id=synthesizer), 422, "invalid_input")


def test_others_datasets_cannot_be_imputed(client: TestClient, mine: Any, theirs: Any, check_problem: Check) -> None:
    synthesizer = mine.synthesizer(mine.dataset())
    answer = post(client, kind="sample", synthesizer_id=synthesizer, impute={"dataset_id": theirs.dataset()})
    check_problem(answer, 404)


def publish(mine: Any, job_id: str, outcome: dict[str, Any]) -> None:
    """As a worker does."""
    blob = mine.blob()
    with mine.database.write() as session:
        claim = lifecycle.claim(session, worker="w", queues=["gpu", "cpu"], lease_seconds=60.0)
        assert claim is not None
        assert claim.id == job_id
        lifecycle.publish(session, claim, outcome, {"sample": blob})


def test_an_imputed_table_says_that_it_is_confidential(client: TestClient, mine: Any, check_problem: Check) -> None:
    trained_on, other = mine.dataset(), mine.dataset()
    synthesizer = mine.synthesizer(trained_on)
    job = post(client, kind="sample", synthesizer_id=synthesizer, impute={"dataset_id": other}).json()
    warning = {"code": "real_records", "message": "Real records.", "hint": "Take care."}
    publish(mine, job["id"], {"rows": 2, "warnings": [warning], "filled": {"age": 1}})
    result = client.get(f"/v1/jobs/{job['id']}").json()["result"]
    assert result["warnings"] == [warning]
    record = client.get(f"/v1/samples/{result['sample_id']}").json()
    assert record["kind"] == "imputed"
    assert record["confidential"] is True
    assert record["dataset_id"] == other
    assert (record["filled"], record["warnings"]) == ({"age": 1}, [warning])
    assert client.get("/v1/samples").json()["items"][0] == record
    answer = post(client, kind="evaluate", sample_id=record["id"])
    check_problem(answer, 409, "imputed_sample")
    # What was made by a synthesizer goes with its dataset, whose rows ever it holds.
    assert client.delete(f"/v1/datasets/{trained_on}").status_code == 204
    assert mine.count(Sample, Synthesizer) == {"samples": 0, "synthesizers": 0}
    assert client.get(f"/v1/datasets/{other}").status_code == 200


def test_its_download_says_so_in_a_header(client: TestClient, mine: Any) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()), pa.table({"age": ["1"], "sex": ["Male"], "key": ["a"]}))
    plain = client.get(f"/v1/samples/{sample}/download")
    assert "X-Populace-Confidential" not in plain.headers
    with mine.database.write() as session:
        session.get_one(Job, session.get_one(Sample, sample).job_id).spec = {"impute": {"columns": None}}
    told = client.get(f"/v1/samples/{sample}/download")
    assert told.headers["X-Populace-Confidential"] == "holds real records"
    assert told.headers["X-Populace-Kind"] == "imputed"
    assert f"confidential-{sample}.csv" in told.headers["Content-Disposition"]
    assert told.content == plain.content


def test_a_report_shows_warnings_and_balance(client: TestClient, mine: Any) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()))
    report = mine.report(sample)
    with mine.database.write() as session:
        job = session.get_one(Job, session.get_one(Sample, sample).job_id)
        job.spec = {"balance": {"column": "sex", "shares": {"Female": 0.25, "Male": 0.75}}}
        job.result = {"warnings": [{"code": "x", "message": "Few <b>rows</b>.", "hint": "Widen it."}]}
    page = client.get(f"/v1/reports/{report}?format=html").text
    assert "Few &lt;b&gt;rows&lt;/b&gt;." in page
    assert "sex (Female: 25.0%, Male: 75.0%)" in page
