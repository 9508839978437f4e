"""Reports as JSON and CSV (their page has tests of its own)."""

import csv
import io
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient


def test_json_names_where_it_comes_from(client: TestClient, mine: Any) -> None:
    ids = mine.everything()
    report = client.get(f"/v1/reports/{ids['report_id']}", headers={"Accept": "application/json"}).json()
    assert {report[k] for k in ("id", "dataset_id", "sample_id")} == {
        ids["report_id"],
        ids["dataset_id"],
        ids["sample_id"],
    }
    assert report["synthesizer"]["id"] == ids["synthesizer_id"]
    assert report["dataset"]["name"] == "people.csv"
    (metric,) = report["metrics"]
    assert (metric["name"], metric["value"], metric["ceiling"]) == ("shape", 0.5, None)


def test_csv_of_the_metrics(client: TestClient, mine: Any) -> None:
    answer = client.get(f"/v1/reports/{mine.everything()['report_id']}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["name"], row["value"], row["ceiling"]) == ("shape", "0.5", "")


def test_list(client: TestClient, mine: Any) -> None:
    ids = {mine.everything()["report_id"] for _ in range(2)}
    page = client.get("/v1/reports").json()
    assert page["total"] == 2
    assert {r["id"] for r in page["items"]} == ids


def test_unknown_format(client: TestClient, mine: Any, check_problem: Callable[..., Any]) -> None:
    check_problem(client.get(f"/v1/reports/{mine.everything()['report_id']}?format=pdf"), 422)
