"""Model ctgan over the API: its options, what is refused before any work starts, what a job is estimated to take."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.db.tables import Synthesizer

Check = Callable[..., dict[str, Any]]


def synthesize(client: TestClient, dataset: str, options: dict[str, Any], **more: Any) -> Any:
    return client.post("/v1/jobs", json={"kind": "synthesize", "dataset_id": dataset, "options": options, **more})


def test_the_options_of_a_job_say_the_model(client: TestClient, mine: Any) -> None:
    dataset = mine.dataset()
    answer = synthesize(client, dataset, {"model": "ctgan", "epochs": 5, "pac": 5})
    assert answer.status_code == 202, answer.text
    options = answer.json()["spec"]["options"]
    assert (options["model"], options["epochs"], options["pac"]) == ("ctgan", 5, 5)
    assert synthesize(client, dataset, {}).json()["spec"]["options"]["model"] == "masked"


@pytest.mark.parametrize(
    ("options", "more", "named"),
    [
        ({"model": "ctgan", "adversarial": "always"}, {}, "adversarial"),
        ({"model": "ctgan", "batch": 55}, {}, "batch"),
        ({"epochs": 5}, {}, "epochs"),
        ({"model": "gan"}, {}, "model"),
        ({"model": "ctgan"}, {"balance": "sex"}, "balance"),
    ],
)
def test_what_does_not_go_with_the_model_is_refused(
    client: TestClient, mine: Any, check_problem: Check, options: dict[str, Any], more: dict[str, Any], named: str
) -> None:
    problem = check_problem(synthesize(client, mine.dataset(), options, **more), 422)
    assert named in problem["detail"]


def test_its_synthesizer_neither_balances_nor_imputes(client: TestClient, mine: Any, check_problem: Check) -> None:
    synthesizer = mine.synthesizer(mine.dataset())
    with mine.database.write() as session:
        row = session.get_one(Synthesizer, synthesizer)
        row.manifest = {**row.manifest, "model": "ctgan"}
    for asked in ({"balance": "sex", "rows": 10}, {"impute": {}}):
        answer = client.post("/v1/jobs", json={"kind": "sample", "synthesizer_id": synthesizer, **asked})
        assert "masked" in check_problem(answer, 422)["hint"]
    answer = client.post("/v1/jobs", json={"kind": "sample", "synthesizer_id": synthesizer, "rows": 10})
    assert answer.status_code == 202


def test_an_estimate_grows_with_the_epochs(client: TestClient, mine: Any) -> None:
    dataset = mine.dataset(row_count=50_000)

    def seconds(**options: Any) -> float:
        body = {"kind": "synthesize", "dataset_id": dataset, "rows": 50_000, "options": options}
        answer = client.post("/v1/jobs?dry_run=true", json=body)
        assert answer.status_code == 200, answer.text
        return float(answer.json()["estimates"]["seconds"])

    assert seconds(model="ctgan", epochs=300) > seconds(model="ctgan", epochs=30) + 50
    assert seconds(model="ctgan", max_time=1) < seconds(model="ctgan")
