"""Tables of a report one by one, reports side by side, and the schema of their data."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient

from service.reports import charts, repository
from tests.fidelity_report import report as example
from tests.public_report import public_report


def figure(value: float, bar: float = 0.02, name: str = "shape", subject: str = "", **more: Any) -> dict[str, Any]:
    status = "pass" if value <= bar else "fail"
    base = {"section": "columns", "name": name, "subject": subject, "value": value, "bar": bar, "status": status}
    return {**base, "direction": "lower", "unit": "share", "floor": 0.2, **more}


@pytest.fixture
def publish(mine: Any) -> Callable[..., str]:
    """publish(ids, metrics, sections) -> id of a report of the sample that `mine.everything()` made."""

    def add(ids: dict[str, str], metrics: list[dict[str, Any]], sections: dict[str, Any] | None = None) -> str:
        found = {"metrics": metrics, "sections": sections or {}, "meta": {"target": None}}
        job_id = mine.job(ids["dataset_id"], "evaluate")
        with mine.database.write() as session:
            given = (mine.tenant_id, ids["dataset_id"], ids["sample_id"], job_id, found)
            return repository.add(session, *given)

    return add


def test_each_table_of_the_page_is_a_csv(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    data = example("=cmd()")
    id = publish(mine.everything(), [m for m in data["metrics"] if m["value"]], data["sections"])
    listed = {c["name"]: c for c in client.get(f"/v1/reports/{id}/charts").json()}
    assert {"scorecard", "pairs", "column-sex", "column-cmd"} <= set(listed)
    for chart in listed.values():
        answer = client.get(chart["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(list(csv.reader(io.StringIO(answer.text)))) == chart["rows"] + 1
    rows = list(csv.DictReader(io.StringIO(client.get(listed["column-sex"]["href"]).text)))
    assert [(r["Value"], float(r["Synthetic"])) for r in rows] == [("F", 0.6), ("M", 0.4)]
    (pair,) = csv.DictReader(io.StringIO(client.get(listed["pairs"]["href"]).text))
    assert pair["First column"] == "'=cmd()"
    assert float(pair["Trend"]) == 0.1


def test_an_unknown_table_and_an_unknown_report(
    client: TestClient, mine: Any, check_problem: Callable[..., Any]
) -> None:
    id = mine.everything()["report_id"]
    check_problem(client.get(f"/v1/reports/{id}/charts/no-such-table.csv"), 404)
    check_problem(client.get("/v1/reports/rep_0/charts"), 404)


def test_side_by_side(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    ids = mine.everything()
    first = publish(ids, [figure(0.01), figure(0.3, subject="age"), figure(0.01, subject="sex")])
    second = publish(
        ids, [figure(0.015), figure(0.01, subject="age"), figure(0.03, subject="sex", low=0.02, high=0.04)]
    )
    url = f"/v1/reports/compare?ids={first},{second}"
    found = client.get(url).json()
    assert [r["id"] for r in found["reports"]] == [first, second]
    assert [r["counts"]["fail"] for r in found["reports"]] == [1, 1]
    assert [(r["subject"], r["best"]) for r in found["rows"]] == [("age", [1]), ("sex", [0]), ("", [0])]
    assert found["rows"][0]["values"][0]["status"] == "fail"
    page = client.get(f"{url}&format=html")
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert "2 reports side by side" in page.text
    assert first in page.text
    rows = list(csv.DictReader(io.StringIO(client.get(f"{url}&format=csv").text)))
    assert [float(r[f"{second} value"]) for r in rows] == [0.01, 0.03, 0.015]


def test_side_by_side_names_the_best(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    ids = mine.everything()
    reports = [publish(ids, [figure(v), figure(v, name="missing")]) for v in (0.03, 0.01)]
    summary = client.get(f"/v1/reports/compare?ids={','.join(reports)}").json()["summary"]
    assert "misses the fewest bars: 0 of its 2 judged figures" in summary


def test_side_by_side_refuses(
    client: TestClient, mine: Any, publish: Callable[..., str], check_problem: Callable[..., Any], theirs: Any
) -> None:
    one, another = mine.everything(), mine.everything()
    a, b = one["report_id"], another["report_id"]
    for ids in (a, f"{a},{a}", ",".join(f"rep_{k}" for k in range(13)), ""):
        check_problem(client.get(f"/v1/reports/compare?ids={ids}"), 422)
    problem = check_problem(client.get(f"/v1/reports/compare?ids={a},{b}"), 422)
    assert "real table is the same" in problem["hint"]
    foreign = theirs.everything()["report_id"]
    for ids in (f"{a},rep_0", f"{a},{foreign}", f"{foreign},{a}"):
        check_problem(client.get(f"/v1/reports/compare?ids={ids}"), 404)
    check_problem(client.get(f"/v1/reports/{foreign}/charts"), 404)


def test_reports_fit_their_published_schema(client: TestClient, mine: Any, publish: Callable[..., str]) -> None:
    answer = client.get("/v1/schemas/report")
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f":{schema['properties']['version']['const']}")
    valid = jsonschema.Draft202012Validator(schema)
    data = example("age")
    id = publish(mine.everything(), data["metrics"], data["sections"])
    valid.validate(client.get(f"/v1/reports/{id}").json())
    valid.validate({"version": 2, "kind": "fidelity", **public_report()})
    for broken in ({"version": 1}, {"metrics": [{"name": "x"}]}, {"sections": {"columns": [{"column": 1}]}}):
        assert not valid.is_valid({**client.get(f"/v1/reports/{id}").json(), **broken})
    assert json.loads(charts.schema()) == schema
