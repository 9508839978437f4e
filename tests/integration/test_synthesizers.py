"""Listing and deleting synthesizers."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.db.tables import Blob, Dataset, MetricRow, Report, Sample, Synthesizer


def test_list_and_get(client: TestClient, mine: Any) -> None:
    ids = {mine.synthesizer(mine.dataset()) for _ in range(2)}
    page = client.get("/v1/synthesizers").json()
    assert page["total"] == 2
    assert {s["id"] for s in page["items"]} == ids
    one = client.get(f"/v1/synthesizers/{page['items'][0]['id']}").json()
    assert one == page["items"][0]
    assert one["manifest"] == {"rows": 2}


def test_delete_takes_samples_and_reports_along(
    client: TestClient, mine: Any, check_problem: Callable[..., Any]
) -> None:
    ids = mine.everything()
    mine.sample(ids["synthesizer_id"])
    before = mine.count(Blob)["blobs"]
    assert client.delete(f"/v1/synthesizers/{ids['synthesizer_id']}").status_code == 204
    assert set(mine.count(Synthesizer, Sample, Report, MetricRow).values()) == {0}
    assert mine.count(Dataset)["datasets"] == 1
    assert mine.count(Blob)["blobs"] == before - 3
    check_problem(client.get(f"/v1/synthesizers/{ids['synthesizer_id']}"), 404)


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_delete_waits_for_jobs(client: TestClient, mine: Any, check_problem: Callable[..., Any], state: str) -> None:
    ids = mine.everything()
    mine.job(ids["dataset_id"], "sample", state, synthesizer_id=ids["synthesizer_id"])
    check_problem(client.delete(f"/v1/synthesizers/{ids['synthesizer_id']}"), 409)
    assert mine.count(Sample)["samples"] == 1


def test_deleting_waits_for_the_evaluation_of_a_sample(
    client: TestClient, mine: Any, check_problem: Callable[..., Any]
) -> None:
    """The evaluation reads the sample; it would fail in the middle."""
    ids = mine.everything()
    assert client.post("/v1/jobs", json={"kind": "evaluate", "sample_id": ids["sample_id"]}).status_code == 202
    check_problem(client.delete(f"/v1/synthesizers/{ids['synthesizer_id']}"), 409)
