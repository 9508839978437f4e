"""Fast mode over the API: what is accepted and passed on, what is refused, what a sample's record tells."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from service.db.tables import Job, Sample, Synthesizer

Check = Callable[..., dict[str, Any]]


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/jobs", json=body)


def test_a_mode_is_part_of_both_kinds_of_jobs(client: TestClient, mine: Any) -> None:
    dataset = mine.dataset()
    for body in (
        {"kind": "synthesize", "dataset_id": dataset},
        {"kind": "sample", "synthesizer_id": mine.synthesizer(dataset), "rows": 600_000},
    ):
        specs = [post(client, **body, **more).json()["spec"] for more in ({}, {"mode": "full"}, {"mode": "fast"})]
        assert [s["mode"] for s in specs] == ["full", "full", "fast"]
        if body["kind"] == "synthesize":  # the training makes what the fast mode needs
            assert [s["options"]["fast"] for s in specs] == [False, False, True]


def test_few_rows_are_not_worth_a_student_that_is_not_there(client: TestClient, mine: Any) -> None:
    synthesizer = mine.synthesizer(mine.dataset())
    body = {"kind": "sample", "synthesizer_id": synthesizer, "rows": 1_000, "mode": "fast"}
    assert post(client, **body).json()["spec"]["mode"] == "full"
    with mine.database.write() as session:
        row = session.get_one(Synthesizer, synthesizer)
        row.manifest = {**row.manifest, "fast": {"kl": 0.1}}
    assert post(client, **body).json()["spec"]["mode"] == "fast"


@pytest.mark.parametrize("mode", ["quick", True, 3])
def test_another_mode_is_refused(client: TestClient, mine: Any, check_problem: Check, mode: Any) -> None:
    check_problem(post(client, kind="synthesize", dataset_id=mine.dataset(), mode=mode), 422)
    assert mine.count(Job) == {"jobs": 0}


def test_ctgan_and_imputations_have_no_modes(client: TestClient, mine: Any, check_problem: Check) -> None:
    dataset = mine.dataset()
    synthesizer = mine.synthesizer(dataset)
    answer = post(client, kind="sample", synthesizer_id=synthesizer, impute={}, mode="fast")
    assert "no `mode`" in check_problem(answer, 422)["detail"]
    answer = post(client, kind="synthesize", dataset_id=dataset, options={"model": "ctgan"}, mode="fast")
    assert "mode" in check_problem(answer, 422)["detail"]
    with mine.database.write() as session:
        row = session.get_one(Synthesizer, synthesizer)
        row.manifest = {**row.manifest, "model": "ctgan"}
    answer = post(client, kind="sample", synthesizer_id=synthesizer, rows=5, mode="fast")
    assert "mode" in check_problem(answer, 422)["detail"]
    assert post(client, kind="sample", synthesizer_id=synthesizer, rows=5, mode="full").status_code == 202


def test_a_fast_sample_is_estimated_to_be_quicker(client: TestClient, mine: Any) -> None:
    body = {"kind": "sample", "synthesizer_id": mine.synthesizer(mine.dataset()), "rows": 1_000_000}
    answers = [client.post("/v1/jobs?dry_run=true", json={**body, "mode": mode}) for mode in ("full", "fast")]
    full, fast = (a.json()["estimates"]["seconds"] for a in answers)
    assert fast < full


def test_the_record_of_a_sample_tells_its_mode(client: TestClient, mine: Any) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()), pa.table({"age": ["1"], "sex": ["Male"], "key": ["a"]}))
    assert client.get(f"/v1/samples/{sample}").json()["mode"] == "full"
    with mine.database.write() as session:
        session.get_one(Job, session.get_one(Sample, sample).job_id).spec = {"mode": "fast"}
    assert client.get(f"/v1/samples/{sample}").json()["mode"] == "fast"
    assert client.get("/v1/samples").json()["items"][0]["mode"] == "fast"
