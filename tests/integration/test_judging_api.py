"""/v1/jobs of kinds evaluate (uploads) and compare: what is checked, what is queued, what is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from models.schema import Column, Kind, Schema
from service.datasets import repository as datasets
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Dataset, Job, Tenant
from service.jobs import lifecycle

LOAN = Schema(
    (
        Column("age", Kind.INTEGER, minimum=0, maximum=99),
        Column("sex", Kind.CATEGORICAL, categories=("Female", "Male")),
        Column("bank", Kind.CATEGORICAL, categories=("same",)),
        Column("year", Kind.INTEGER, minimum=2019, maximum=2019),
        Column("house", Kind.IDENTIFIER),
    )
)
FIGURE = {"section": "columns", "name": "shape", "value": 0.25, "direction": "lower", "unit": "share"}
EVALUATION = {"version": 2, "metrics": [FIGURE], "sections": {}, "meta": {}}


@pytest.fixture
def table(mine: Any) -> Callable[..., str]:
    def make(*names: str, rows: int = 100, **more: Any) -> str:
        columns = tuple(c for c in LOAN.columns if not names or c.name in names)
        renamed = tuple(Column(n, Kind.INTEGER) for n in names if n not in LOAN.names)
        return str(mine.dataset(schema=Schema((*columns, *renamed)), row_count=rows, **more))

    return make


def post(client: TestClient, kind: str, **body: Any) -> Any:
    return client.post("/v1/jobs", json={"kind": kind, **body})


def finish(database: Database, outcome: dict[str, Any]) -> dict[str, Any]:
    """A worker's part: claim the oldest job and publish -> its result."""
    with database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("cpu",), lease_seconds=60)
    assert held is not None
    with database.write() as session:
        lifecycle.publish(session, held, outcome, {})
    with database.read() as session:
        return dict(session.get_one(Job, held.id).result or {})


def test_an_evaluation_of_uploads_from_request_to_report(
    client: TestClient, database: Database, table: Callable[..., str]
) -> None:
    real, made, held = table(), table(rows=70), table("age", "sex", rows=50)
    evaluation = {
        "rows": 500,
        "sensitive": ["sex"],
        "analyses": [{"kind": "table", "columns": ["sex"], "statistic": "count"}],
    }
    body = {"real": real, "synthetic": made, "holdout": held, "target": "sex", "evaluation": evaluation, "seed": 3}
    answer = post(client, "evaluate", **body)
    assert answer.status_code == 202, answer.text
    spec = answer.json()["spec"]
    assert {k: spec[k] for k in ("real", "synthetic", "holdout", "target", "seed")} == {
        k: v for k, v in body.items() if k != "evaluation"
    }
    assert {k: spec["evaluation"][k] for k in evaluation} == evaluation
    assert spec["evaluation"]["detection_rows"] == 10_000
    assert "schema" not in spec
    assert answer.json()["dataset_id"] == real
    result = finish(database, {"evaluation": EVALUATION})
    assert (result["synthetic_dataset_id"], result["holdout_dataset_id"]) == (made, held)
    report = client.get(f"/v1/reports/{result['report_id']}").json()
    assert (report["kind"], report["synthetic"]["rows"], report["holdout"]["rows"]) == ("fidelity", 70, 50)
    plan = client.post("/v1/jobs?dry_run=true", json={"kind": "evaluate", **body}).json()
    assert plan["queue"] == "cpu"
    assert plan["estimates"]["seconds"] > 5


def test_a_comparison_from_request_to_report(client: TestClient, database: Database, table: Callable[..., str]) -> None:
    dataset, test = table(), table(rows=40)
    body = {"dataset_id": dataset, "test": test, "targets": ["sex", ["age"]], "methods": ["linear", "tree"]}
    answer = post(client, "compare", **body, folds=4, groups="house", options={"scaling": "robust"}, seed=9)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert [s["name"] for s in job["steps"]] == ["read", "compare", "publish"]
    options = job["spec"]["options"]
    assert options["targets"] == ["sex", "age"]
    assert (options["methods"], options["folds"], options["groups"]) == (["linear", "tree"], 4, "house")
    assert (options["scaling"], options["seed"], job["spec"]["seed"]) == ("robust", 9, 9)
    assert "test_schema" not in job["spec"]
    assert client.get("/v1/jobs", params={"kind": "compare"}).json()["total"] == 1
    result = finish(database, {"evaluation": EVALUATION})
    assert (result["dataset_id"], result["holdout_dataset_id"]) == (dataset, test)
    report = client.get(f"/v1/reports/{result['report_id']}").json()
    assert (report["kind"], report["sample"], report["holdout"]["id"]) == ("comparison", None, test)
    plan = client.post("/v1/jobs?dry_run=true", json={"kind": "compare", **body}).json()
    assert plan["queue"] == "cpu"
    assert plan["estimates"]["seconds_high"] > plan["estimates"]["seconds"] > 5


def test_a_comparison_on_a_sample(client: TestClient, database: Database, mine: Any) -> None:
    ids = mine.everything()
    with database.write() as session:
        session.execute(sa.text("UPDATE samples SET row_count = 500"))
    answer = post(client, "compare", sample_id=ids["sample_id"], targets=["sex"])
    assert answer.status_code == 202, answer.text
    assert {k: answer.json()[k] for k in ("dataset_id", "synthesizer_id", "sample_id")} == {
        k: ids[k] for k in ("dataset_id", "synthesizer_id", "sample_id")
    }
    assert client.delete(f"/v1/samples/{ids['sample_id']}").status_code == 409
    result = finish(database, {"evaluation": EVALUATION})
    assert client.get(f"/v1/reports/{result['report_id']}").json()["sample"]["row_count"] == 500


HATS = {"kind": "regression", "formula": "age ~ hat"}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("evaluate", {}, "invalid_input", "sample, or of `synthetic` against `real`"),
    ("evaluate", {"real": "R"}, "invalid_input", "sample, or of `synthetic` against `real`"),
    ("evaluate", {"sample_id": "S", "real": "R"}, "invalid_input", "does not go with `sample_id`"),
    ("evaluate", {"real": "R", "synthetic": "R"}, "invalid_input", "against itself"),
    ("evaluate", {"real": "R", "synthetic": "FEW"}, "too_few_rows", "synthetic table has too few rows: 12"),
    ("evaluate", {"real": "R", "synthetic": "M", "holdout": "FEW"}, "too_few_rows", "Leave it out"),
    ("evaluate", {"real": "R", "synthetic": "ELSE"}, "no_common_columns", "age, sex, bank, year. It has AGE"),
    ("evaluate", {"real": "KEYS", "synthetic": "M"}, "invalid_input", "No column of the real table is modelled"),
    ("evaluate", {"real": "R", "synthetic": "M", "target": "hat"}, "invalid_target", "no column of the table"),
    ("evaluate", {"real": "R", "synthetic": "M", "target": "bank"}, "invalid_target", "one value only"),
    ("evaluate", {"real": "R", "synthetic": "M", "target": "year"}, "invalid_target", "one value only"),
    ("evaluate", {"real": "R", "synthetic": "PART", "target": "sex"}, "invalid_input", "not in all tables"),
    ("evaluate", {"real": "R", "synthetic": "M", "evaluation": {"hats": 2}}, "invalid_input", "'hats'"),
    ("evaluate", {"real": "R", "synthetic": "M", "evaluation": {"known": ["hat"]}}, "invalid_input", "'hat'"),
    ("evaluate", {"real": "R", "synthetic": "M", "evaluation": {"analyses": [{}]}}, "invalid_input", "kind"),
    ("evaluate", {"real": "R", "synthetic": "M", "evaluation": {"analyses": [HATS]}}, "invalid_input", "hat"),
    ("evaluate", {"real": "R", "synthetic": "ds_none"}, "not_found", "no such dataset"),
    ("evaluate", {"real": "R", "synthetic": "NEW"}, "dataset_pending", "still being read"),
    ("compare", {"targets": ["sex"]}, "invalid_input", "`dataset_id` or `sample_id`"),
    ("compare", {"dataset_id": "R", "sample_id": "S", "targets": ["sex"]}, "invalid_input", "`dataset_id` or"),
    ("compare", {"dataset_id": "R", "targets": []}, "invalid_input", "targets"),
    ("compare", {"dataset_id": "R", "targets": ["hat"]}, "invalid_target", "no column of the table"),
    ("compare", {"dataset_id": "R", "targets": ["bank"]}, "invalid_target", "one value only"),
    ("compare", {"dataset_id": "R", "targets": ["house"]}, "invalid_target", "identifier"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "methods": ["dance"]}, "invalid_input", "methods"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "groups": "hat"}, "invalid_input", "'hat'"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "folds": 1}, "invalid_input", "folds"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "options": {"folds": 3}}, "invalid_input", "beside"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "options": {"hats": 3}}, "invalid_input", "hats"),
    ("compare", {"dataset_id": "R", "targets": ["sex"], "test": "PART"}, "no_common_columns", "bank, sex, year"),
    ("compare", {"dataset_id": "FEW", "targets": ["sex"]}, "too_few_rows", "12"),
]


@pytest.mark.parametrize(("kind", "body", "code", "words"), WRONG)
def test_what_cannot_be_judged_gets_the_reason_and_the_remedy(
    client: TestClient, mine: Any, table: Callable[..., str], kind: str, body: dict[str, Any], code: str, words: str
) -> None:
    made: dict[str, Callable[[], str]] = {
        "R": table, "M": table, "FEW": lambda: table(rows=12), "ELSE": lambda: table("AGE"),
        "KEYS": lambda: table("house"), "PART": lambda: table("age"), "NEW": lambda: mine.dataset("pending"),
        "S": lambda: mine.everything()["sample_id"],
    }  # fmt: skip
    named: dict[str, str] = {}
    for value in body.values():
        if isinstance(value, str) and value in made and value not in named:
            named[value] = made[value]()
    answer = post(client, kind, **{k: named.get(v, v) if isinstance(v, str) else v for k, v in body.items()})
    problem = answer.json()
    assert answer.status_code in (404, 409, 422), answer.text
    assert problem["code"] == code, problem
    assert words in str([problem["detail"], problem["hint"], problem["errors"]])
    assert problem["hint"]


def test_synthesize_takes_options_of_the_evaluation(client: TestClient, table: Callable[..., str]) -> None:
    dataset = table()
    answer = post(client, "synthesize", dataset_id=dataset, evaluation={"subgroups": ["sex"], "mlp": False})
    spec = answer.json()["spec"]
    assert (spec["evaluation"]["subgroups"], spec["evaluation"]["mlp"]) == (["sex"], False)
    assert "evaluation" not in post(client, "synthesize", dataset_id=dataset).json()["spec"]
    problem = post(client, "synthesize", dataset_id=dataset, evaluation={"subgroups": ["hat"]})
    assert problem.status_code == 422


def test_tables_beside_another_are_not_deleted_while_a_job_reads_them(
    any_database: Database, check_problem: Callable[..., Any]
) -> None:
    """Also on Postgres, where a spec is JSONB."""
    with any_database.write() as session:
        session.add(Tenant(id="t", name="t"))
        session.flush()
        names = {"name": "x", "bytes": 1, "sha256": "", "media_type": ""}
        session.add_all(Dataset(id=i, tenant_id="t", **names) for i in ("ds_real", "ds_made", "ds_test", "ds_free"))
        session.flush()
        for kind, spec in (
            ("evaluate", {"real": "ds_real", "synthetic": "ds_made"}),
            ("compare", {"dataset_id": "ds_real", "test": "ds_test"}),
        ):
            session.add(Job(id=new_id("job"), tenant_id="t", kind=kind, dataset_id="ds_real", spec=spec))
    with any_database.read() as session:
        working = {i: len(datasets.working_jobs(session, f"ds_{i}")) for i in ("real", "made", "test", "free")}
    assert working == {"real": 2, "made": 1, "test": 1, "free": 0}


def test_evaluations_of_private_samples_stay_private(
    client: TestClient, database: Database, mine: Any, check_problem: Callable[..., Any]
) -> None:
    """With options of the evaluation, too: the job tells no times, and its report is asked for as internal."""
    ids = mine.everything()
    privacy = {"epsilon": 1.0, "delta": 1e-9, "mechanism": "marginals"}
    with database.write() as session:
        session.get_one(Job, ids["job_id"]).spec = {"privacy": privacy, "target": "sex", "evaluation": {"rows": 99}}
    job = post(client, "evaluate", sample_id=ids["sample_id"], evaluation={"known": ["age"]}).json()
    assert job["spec"]["private"] is True
    assert (job["spec"]["evaluation"]["known"], job["spec"]["target"]) == (["age"], "sex")
    again = post(client, "evaluate", sample_id=ids["sample_id"]).json()
    assert again["spec"]["evaluation"]["rows"] == 99
    result = finish(database, {"evaluation": EVALUATION})
    check_problem(client.get(f"/v1/reports/{result['report_id']}"), 409, "no_public_edition")
    report = client.get(f"/v1/reports/{result['report_id']}?edition=internal").json()
    assert report["marking"].startswith("Internal")
    assert client.get(f"/v1/jobs/{job['id']}").json()["ended_at"].endswith(":00.000Z")


def test_other_tenants_tables_are_not_found(client: TestClient, theirs: Any, table: Callable[..., str]) -> None:
    foreign = theirs.dataset(row_count=100)
    for body in ({"real": table(), "synthetic": foreign}, {"real": foreign, "synthetic": table()}):
        assert post(client, "evaluate", **body).json()["code"] == "not_found"
    for body in ({"dataset_id": foreign}, {"dataset_id": table(), "test": foreign}):
        assert post(client, "compare", **body, targets=["sex"]).json()["code"] == "not_found"
