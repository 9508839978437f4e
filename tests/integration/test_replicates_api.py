"""Evaluations of several samples: what goes together, what is published, who may see it, what is deleted with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.schema import Column, Kind, Schema
from service.datasets import repository as datasets
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Dataset, Job, Sample, Synthesizer, Tenant
from service.jobs import lifecycle
from tests.conftest import PEOPLE

TABLE = Schema((Column("age", Kind.INTEGER), Column("sex", Kind.CATEGORICAL, categories=("Female", "Male"))))
FIGURE = {"section": "pooled", "name": "pooled_cover", "subject": "age ~ sex", "value": 0.75, "direction": "higher",
          "unit": "share"}  # fmt: skip
EVALUATION = {"version": 2, "metrics": [FIGURE], "sections": {"pooled": {"samples": 3}}, "meta": {}}


@pytest.fixture
def upload(mine: Any) -> Callable[..., str]:
    numbers = iter(range(1000))

    def make(rows: int = 100, **more: Any) -> str:
        digest = more.pop("sha256", f"{next(numbers):064d}")
        return str(mine.dataset(schema=TABLE, row_count=rows, sha256=digest, **more))

    return make


@pytest.fixture
def samples(mine: Any) -> Callable[..., str]:
    """A further sample of the synthesizer of `mine.everything()` (or of another one)."""

    def make(ids: dict[str, str], seed: int, rows: int = 5, *, synthesizer: str | None = None, **spec: Any) -> str:
        where = spec.get("where", [])
        job = mine.job(ids["dataset_id"], kind="sample", spec={"seed": seed, **spec})
        sample = Sample(
            id=new_id("smp"), tenant_id=mine.tenant_id, dataset_id=ids["dataset_id"],
            synthesizer_id=synthesizer or ids["synthesizer_id"], job_id=job, row_count=rows, where=where, seed=seed,
            schema=PEOPLE.to_json(), table_blob_id=mine.blob(),
        )  # fmt: skip
        mine.add(sample)
        return str(sample.id)

    return make


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/jobs", json={"kind": "evaluate", **body})


def finish(database: Database) -> dict[str, Any]:
    with database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("cpu",), lease_seconds=60)
    assert held is not None
    with database.write() as session:
        lifecycle.publish(session, held, {"evaluation": EVALUATION}, {})
    with database.read() as session:
        return dict(session.get_one(Job, held.id).result or {})


def first(database: Database, ids: dict[str, str]) -> Sample:
    with database.read() as session:
        return session.get_one(Sample, ids["sample_id"])


def test_samples_from_request_to_report_and_deletion(
    client: TestClient, database: Database, mine: Any, samples: Callable[..., str]
) -> None:
    ids = mine.everything()
    one = first(database, ids)
    more = [samples(ids, one.seed + i, one.row_count) for i in (1, 2)]
    answer = post(client, sample_id=ids["sample_id"], replicates=more)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["spec"]["replicates"], answer.json()["spec"]["combining"]) == (more, "simple")
    assert client.delete(f"/v1/samples/{more[0]}").status_code == 409
    report_id = finish(database)["report_id"]
    report = client.get(f"/v1/reports/{report_id}").json()
    assert [(r["id"], r["seed"]) for r in report["replicates"]] == [(m, one.seed + i) for i, m in enumerate(more, 1)]
    assert report["sections"]["pooled"] == {"samples": 3}
    page = client.get(f"/v1/reports/{report_id}?format=html").text
    assert more[1] in page
    assert client.delete(f"/v1/samples/{more[1]}").status_code == 204
    assert client.get(f"/v1/reports/{report_id}").status_code == 404


def test_uploads_from_request_to_report_and_deletion(
    client: TestClient, database: Database, upload: Callable[..., str]
) -> None:
    real, made, more = upload(), upload(70), [upload(70), upload(70)]
    answer = post(client, real=real, synthetic=made, replicates=more, combining="partial", holdout=upload(30))
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["combining"] == "partial"
    assert client.delete(f"/v1/datasets/{more[0]}").status_code == 409
    report_id = finish(database)["report_id"]
    report = client.get(f"/v1/reports/{report_id}").json()
    assert [(r["id"], r["rows"]) for r in report["replicates"]] == [(m, 70) for m in more]
    assert client.delete(f"/v1/datasets/{more[1]}").status_code == 204
    assert client.get(f"/v1/reports/{report_id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"sample_id": "S", "combining": "simple"}, "invalid_input", "how several samples are combined"),
        ({"sample_id": "S", "replicates": []}, "invalid_input", "replicates"),
        ({"sample_id": "S", "replicates": ["S"]}, "invalid_input", "named twice"),
        ({"sample_id": "S", "replicates": ["A", "A"]}, "invalid_input", "named twice"),
        ({"sample_id": "S", "replicates": ["A"], "combining": "full"}, "invalid_input", "rule is simple"),
        ({"sample_id": "S", "replicates": ["SEED"]}, "invalid_input", "has the seed of"),
        ({"sample_id": "S", "replicates": ["ROWS"]}, "invalid_input", "other rows"),
        ({"sample_id": "S", "replicates": ["WHERE"]}, "invalid_input", "other conditions"),
        ({"sample_id": "S", "replicates": ["FAST"]}, "invalid_input", "other mode"),
        ({"sample_id": "S", "replicates": ["OTHER"]}, "invalid_input", "another synthesizer"),
        ({"sample_id": "S", "replicates": ["FILLED"]}, "imputed_sample", "real records"),
        ({"sample_id": "S", "replicates": ["M"]}, "not_found", "no such sample"),
        ({"real": "R", "synthetic": "M", "replicates": ["M"]}, "invalid_input", "named twice"),
        ({"real": "R", "synthetic": "M", "replicates": ["R"]}, "invalid_input", "same file as the real table"),
        ({"real": "R", "synthetic": "M", "replicates": ["COPY"]}, "invalid_input", "same file as the synthetic table"),
        ({"real": "R", "synthetic": "M", "replicates": ["FEW"]}, "invalid_input", "That is the `holdout`"),
        ({"real": "R", "synthetic": "M", "replicates": ["ELSE"]}, "no_common_columns", "synthetic-2 table"),
        ({"real": "R", "synthetic": "M", "replicates": ["NEW"]}, "dataset_pending", "still being read"),
        ({"real": "R", "synthetic": "M", "replicates": ["M2"], "combining": "best"}, "invalid_input", "combining"),
    ],
)
def test_what_does_not_go_together_is_refused(
    client: TestClient, database: Database, mine: Any, upload: Callable[..., str], samples: Callable[..., str],
    body: dict[str, Any], code: str, words: str,
) -> None:  # fmt: skip
    ids = mine.everything()
    one = first(database, ids)
    seed, rows = one.seed, one.row_count

    def other() -> str:
        synthesizer = Synthesizer(
            id=new_id("syn"), tenant_id=mine.tenant_id, dataset_id=ids["dataset_id"],
            job_id=mine.job(ids["dataset_id"]), artifact_blob_id=mine.blob(), schema=PEOPLE.to_json(), manifest={},
        )  # fmt: skip
        mine.add(synthesizer)
        return samples(ids, seed + 1, rows, synthesizer=synthesizer.id)

    strange = Schema((Column("AGE", Kind.INTEGER),))
    made: dict[str, Callable[[], str]] = {
        "S": lambda: ids["sample_id"], "A": lambda: samples(ids, seed + 1, rows), "OTHER": other,
        "SEED": lambda: samples(ids, seed, rows), "ROWS": lambda: samples(ids, seed + 1, rows + 1),
        "WHERE": lambda: samples(ids, seed + 1, rows, where=["age>=65"]),
        "FAST": lambda: samples(ids, seed + 1, rows, mode="fast"),
        "FILLED": lambda: samples(ids, seed + 1, rows, impute={"columns": None}),
        "R": lambda: upload(sha256="r"), "M": lambda: upload(sha256="m"), "M2": upload, "FEW": lambda: upload(99),
        "COPY": lambda: upload(sha256="m"), "NEW": lambda: mine.dataset("pending"),
        "ELSE": lambda: str(mine.dataset(schema=strange, row_count=100, sha256="e")),
    }  # fmt: skip
    known: dict[str, str] = {}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(v) for v in value]
        if value in made and value not in known:
            known[value] = made[value]()
        return known.get(value, value)

    answer = post(client, **{k: named(v) for k, v in body.items()})
    problem = answer.json()
    assert answer.status_code in (404, 409, 422), answer.text
    assert problem["code"] == code, problem
    assert words in str([problem["detail"], problem["hint"], problem["errors"]])


def test_other_tenants_samples_are_not_found(
    client: TestClient, database: Database, mine: Any, theirs: Any, upload: Callable[..., str]
) -> None:
    ids = mine.everything()
    foreign = theirs.everything()["sample_id"]
    assert post(client, sample_id=ids["sample_id"], replicates=[foreign]).json()["code"] == "not_found"
    foreign = theirs.dataset(row_count=100)
    body = {"real": upload(), "synthetic": upload(), "replicates": [foreign]}
    assert post(client, **body).json()["code"] == "not_found"


def test_combined_analyses_of_a_private_synthesizer_are_internal(
    client: TestClient, database: Database, mine: Any, samples: Callable[..., str], check_problem: Callable[..., Any]
) -> None:
    ids = mine.everything()
    one = first(database, ids)
    privacy = {"epsilon": 1.0, "delta": 1e-9, "mechanism": "marginals"}
    with database.write() as session:
        session.get_one(Job, ids["job_id"]).spec = {"privacy": privacy, "seed": one.seed}
    more = [samples(ids, one.seed + 1, one.row_count)]
    job = post(client, sample_id=ids["sample_id"], replicates=more).json()
    assert job["spec"]["private"] is True
    report_id = finish(database)["report_id"]
    for asked in ("", "?edition=public", "?format=html", "?format=csv", "?edition=public&format=csv"):
        answer = client.get(f"/v1/reports/{report_id}{asked}")
        check_problem(answer, 409, "no_public_edition")
        assert "0.75" not in answer.text
    charts = client.get(f"/v1/reports/{report_id}/charts")
    check_problem(charts, 409, "no_public_edition")
    report = client.get(f"/v1/reports/{report_id}?edition=internal").json()
    assert report["marking"].startswith("Internal")
    assert report["sections"]["pooled"] == {"samples": 3}


def test_a_replicate_with_a_budget_makes_the_report_internal(
    client: TestClient, database: Database, upload: Callable[..., str], check_problem: Callable[..., Any]
) -> None:
    real, made, more = upload(), upload(), upload()
    post(client, real=real, synthetic=made, replicates=[more])
    report_id = finish(database)["report_id"]
    assert client.get(f"/v1/reports/{report_id}").json()["edition"] is None
    budget = {"epsilon": 3, "delta": 1e-9, "rows_at_most": 50_000}
    assert client.put(f"/v1/datasets/{more}/budget", json=budget).status_code == 200
    check_problem(client.get(f"/v1/reports/{report_id}"), 409, "no_public_edition")
    assert client.get(f"/v1/reports/{report_id}?edition=internal").json()["edition"] == "internal"


def test_replicates_are_not_deleted_while_a_job_reads_them(any_database: Database) -> None:
    """Also on Postgres, where a spec is JSONB."""
    with any_database.write() as session:
        session.add(Tenant(id="t", name="t"))
        session.flush()
        names = {"name": "x", "bytes": 1, "sha256": "", "media_type": ""}
        session.add_all(Dataset(id=i, tenant_id="t", **names) for i in ("ds_real", "ds_made", "ds_more", "ds_mor"))
        session.flush()
        spec = {"real": "ds_real", "synthetic": "ds_made", "replicates": ["ds_a", "ds_more"]}
        session.add(Job(id=new_id("job"), tenant_id="t", kind="evaluate", dataset_id="ds_real", spec=spec))
        session.add(Job(id=new_id("job"), tenant_id="t", kind="evaluate", dataset_id="ds_real", spec={}))
    with any_database.read() as session:
        working = {i: len(datasets.working_jobs(session, i)) for i in ("ds_real", "ds_made", "ds_more", "ds_mor")}
    assert working == {"ds_real": 2, "ds_made": 1, "ds_more": 1, "ds_mor": 0}
