"""Reports without a sample, and comparisons: what they tell of their tables, and how they are marked."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.reports import repository

FIGURE = {"section": "columns", "name": "shape", "value": 0.25, "direction": "lower", "unit": "share"}

MISFITS = {
    "left_out": [{"column": "<pay>", "lacking": ["synthetic"]}],
    "extra": {"synthetic": ["hat"], "holdout": []},
    "cells": [{"table": "synthetic", "column": "age", "what": "no numbers", "cells": 1234, "of": 5000, "distinct": 7}],
}


@pytest.fixture
def publish(mine: Any) -> Callable[..., str]:
    """publish(dataset id, kind, **more) -> id of a stored report."""

    def add(dataset_id: str, kind: str = "fidelity", sample_id: str | None = None, **more: Any) -> str:
        job_id = mine.job(dataset_id, "compare" if kind == "comparison" else "evaluate")
        metrics = [FIGURE | {"bar": 0.2, "status": "fail"}]
        evaluation = {"metrics": metrics, "sections": {"validity": MISFITS}, "meta": {"target": None}}
        with mine.database.write() as session:
            given = (mine.tenant_id, dataset_id, sample_id, job_id, evaluation)
            return repository.add(session, *given, kind=kind, **more)

    return add


def test_a_report_of_uploads_names_them(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    real, synthetic, holdout = mine.dataset(), mine.dataset(name="made.csv"), mine.dataset(name="held.csv")
    id = publish(real, synthetic_dataset_id=synthetic, holdout_dataset_id=holdout)
    report = client.get(f"/v1/reports/{id}").json()
    assert (report["kind"], report["sample"], report["synthesizer"], report["edition"]) == (
        "fidelity",
        None,
        None,
        None,
    )
    assert (report["synthetic"]["id"], report["synthetic"]["name"]) == (synthetic, "made.csv")
    assert (report["holdout"]["id"], report["holdout"]["rows"]) == (holdout, 2)
    (metric,) = report["metrics"]
    assert (metric["bar"], metric["status"]) == (0.2, "fail")
    page = client.get(f"/v1/reports/{id}?format=html")
    assert page.status_code == 200
    assert "made.csv" in page.text
    for words in (
        "&lt;pay&gt;</bdi> (not in synthetic)",
        "Only in the synthetic table: <bdi>hat",
        "1,234",
        "no numbers",
    ):
        assert words in page.text
    assert ",,0.2,fail" in client.get(f"/v1/reports/{id}?format=csv").text
    (listed,) = client.get("/v1/reports").json()["items"]
    assert (listed["sample_id"], listed["synthetic_dataset_id"]) == (None, synthetic)


def test_it_goes_with_the_upload_that_it_is_of(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    real, synthetic = mine.dataset(), mine.dataset()
    id = publish(real, synthetic_dataset_id=synthetic)
    assert client.delete(f"/v1/datasets/{synthetic}").status_code == 204
    assert client.get(f"/v1/reports/{id}").status_code == 404


def test_under_a_budget_it_is_internal_and_asked_for_by_name(
    client: TestClient, mine: Any, publish: Callable[..., str], check_problem: Callable[..., Any]
) -> None:
    real, synthetic = mine.dataset(), mine.dataset()
    comparison = publish(real, "comparison")
    of_upload = publish(synthetic, synthetic_dataset_id=real)
    check_problem(client.get(f"/v1/reports/{comparison}?edition=public"), 409, "no_public_edition")
    assert client.get(f"/v1/reports/{comparison}").json()["marking"] is None
    budget = {"epsilon": 3, "delta": 1e-9, "rows_at_most": 50_000}
    assert client.put(f"/v1/datasets/{real}/budget", json=budget).status_code == 200
    for id in (comparison, of_upload):
        for asked in ("", "?edition=public"):
            problem = check_problem(client.get(f"/v1/reports/{id}{asked}"), 409, "no_public_edition")
            assert "edition=internal" in problem["hint"]
        report = client.get(f"/v1/reports/{id}?edition=internal").json()
        assert report["marking"].startswith("Internal: not for release")
        assert report["metrics"][0]["value"] == 0.25


def test_a_comparison_on_a_sample_alone_reads_no_real_row(
    client: TestClient, mine: Any, publish: Callable[..., str]
) -> None:
    ids = mine.everything()
    budget = {"epsilon": 3, "delta": 1e-9, "rows_at_most": 50_000}
    assert client.put(f"/v1/datasets/{ids['dataset_id']}/budget", json=budget).status_code == 200
    id = publish(ids["dataset_id"], "comparison", ids["sample_id"])
    report = client.get(f"/v1/reports/{id}").json()
    assert (report["edition"], report["kind"], report["sample"]["row_count"]) == (None, "comparison", 2)
    tested = publish(ids["dataset_id"], "comparison", ids["sample_id"], holdout_dataset_id=ids["dataset_id"])
    assert client.get(f"/v1/reports/{tested}").status_code == 409
