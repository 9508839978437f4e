"""Names of tables, columns and things are text from outside; ids in paths too."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient

from service.db.session import Database
from service.main import create_app
from service.security.bootstrap import create_tenant_key
from service.settings import Settings

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\boot.ini",
    'a"; filename="b.html',
    "a\r\nSet-Cookie: x=1",
    "<script>alert(1)</script>.csv",
    "naïve – 表.csv",
    "a%0d%0ab",
    "; rm -rf /",
    "\u202egnp.csv",
    "x" * 190,
    "=cmd|'/c calc'!A0",
    "\ud83d\ude00.csv".encode("utf-16", "surrogatepass").decode("utf-16"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_leave_the_header(client: TestClient, name: str) -> None:
    made = client.post("/v1/datasets", params={"name": name}, content=b"a\n1\n")
    assert made.status_code == 202
    kept = made.json()["name"]
    assert "/" not in kept
    assert "\\" not in kept
    assert kept.isprintable()
    answer = client.get(f"/v1/datasets/{made.json()['id']}/download")
    disposition = answer.headers["Content-Disposition"]
    plain, _, encoded = disposition.removeprefix('attachment; filename="').partition("\"; filename*=UTF-8''")
    assert set(plain) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert unquote(encoded) == kept
    assert quote(kept, safe="") == encoded
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("name", HOSTILE)
def test_file_names_of_forms(client: TestClient, name: str) -> None:
    made = client.post("/v1/datasets", files={"file": (name, b"a\n1\n", "text/html")})
    assert made.status_code == 202
    assert made.json()["name"].isprintable()
    answer = client.get(f"/v1/datasets/{made.json()['id']}/download")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


def test_nameless(client: TestClient) -> None:
    for name in ("", "/", "..//", "\x00\x01", "   "):
        assert client.post("/v1/datasets", params={"name": name}, content=b"a\n1\n").json()["name"] == "table"


IDS = ["%00", "a%00b", "..%2f..", "' OR 1=1 --", "%F0%9F%98%80", "x" * 5_000, "%ff%fe", "ds_*", "{dataset_id}", "%25"]


@pytest.fixture(params=["settings", "postgres_settings"])
def either_client(request: pytest.FixtureRequest) -> Any:
    """A client on each kind of database: they refuse different things."""
    settings: Settings = request.getfixturevalue(request.param)
    app = create_app(settings)
    database: Database = app.state.database
    with database.write() as session:
        token = create_tenant_key(session, "hostile", "x")
    yield TestClient(app, base_url="http://127.0.0.1", headers={"X-API-Key": token})
    database.close()


def test_ids_in_paths(either_client: TestClient) -> None:
    paths = [f"/v1/{noun}/{i}" for i in IDS for noun in ("datasets", "jobs", "synthesizers", "samples", "reports")]
    for path in paths:
        for method in ("GET", "DELETE"):
            answer = either_client.request(method, path)
            assert answer.status_code in (404, 405, 422), (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def test_texts_in_queries_and_bodies(either_client: TestClient, check_problem: Callable[..., Any]) -> None:
    for hostile in ("\x00", "a\x00b", "' OR 1=1 --", "\U0001f600", "%"):
        assert either_client.get("/v1/jobs", params={"dataset_id": hostile}).status_code in (200, 422)
        assert either_client.get("/v1/datasets", params={"cursor": f"1.0~{hostile}"}).status_code in (200, 422)
        made = either_client.post("/v1/keys", json={"name": hostile})
        assert made.status_code == (422 if "\x00" in hostile else 201)
        body = {"kind": "synthesize", "dataset_id": hostile}
        assert either_client.post("/v1/jobs", json=body).status_code in (404, 422)
        headers = {"Idempotency-Key": hostile.encode("utf-8")}
        assert either_client.post("/v1/jobs", json=body, headers=headers).status_code in (404, 422)


def test_hostile_column_names_come_back_as_they_are(client: TestClient, mine: Any) -> None:
    from models.schema import Column, Kind, Schema

    names = ["<b>x</b>", "a,b", 'q"q', "new\nline", "=1+1", "\U0001f600", " blank "]
    schema = Schema(tuple(Column(n, Kind.TEXT) for n in names))
    url = f"/v1/datasets/{mine.dataset(schema=schema)}/schema"
    answer = client.patch(url, json={"columns": [{"name": n, "missing_codes": [n]} for n in names]})
    assert [c["name"] for c in answer.json()["columns"]] == names
    assert [c["missing_codes"] for c in client.get(url).json()["columns"]] == [[n] for n in names]
    assert answer.headers["content-type"] == "application/json"
