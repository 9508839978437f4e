"""Keys: shown once, hashed at rest, revocable; only admins manage them."""

import datetime as dt
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.db.session import Database
from service.db.tables import ApiKey
from service.main import create_app
from service.security.keys import make_key, matches, split_token
from service.settings import Settings

Check = Callable[..., dict[str, Any]]


def using(app: FastAPI, token: str) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", headers={"X-API-Key": token})


def test_a_key_is_shown_once(client: TestClient, app: FastAPI) -> None:
    made = client.post("/v1/keys", json={"name": "analysts"})
    assert made.status_code == 201
    key = made.json()
    assert key["role"] == "custodian"
    assert using(app, key["token"]).get("/v1/datasets").status_code == 200
    listed = {k["id"]: k for k in client.get("/v1/keys").json()["items"]}
    assert listed[key["id"]].items() <= {**key, "last_used_at": listed[key["id"]]["last_used_at"]}.items()
    assert listed[key["id"]]["last_used_at"] is not None
    assert "token" not in listed[key["id"]]
    assert key["token"] not in client.get("/v1/keys").text


def test_no_secret_is_at_rest(client: TestClient, settings: Settings, database: Database) -> None:
    token = client.post("/v1/keys", json={"name": "analysts"}).json()["token"]
    database.close()
    secret = token.rsplit("_", 1)[-1] if "_" not in token[17:] else token[17:]
    embedded = (settings.home / "key").read_text().strip()[17:]
    for file in settings.home.glob("populace.db*"):
        content = file.read_bytes()
        assert secret.encode() not in content
        assert embedded.encode() not in content


def test_a_revoked_key_is_refused(client: TestClient, app: FastAPI, check_problem: Check) -> None:
    key = client.post("/v1/keys", json={"name": "analysts", "role": "admin"}).json()
    other = using(app, key["token"])
    assert other.get("/v1/keys").status_code == 200
    assert client.delete(f"/v1/keys/{key['id']}").status_code == 204
    check_problem(other.get("/v1/keys"), 401, "unauthenticated")
    listed = {k["id"]: k for k in client.get("/v1/keys").json()["items"]}
    revoked = dt.datetime.fromisoformat(listed[key["id"]]["revoked_at"])
    assert abs((dt.datetime.now(dt.UTC) - revoked).total_seconds()) < 60
    assert client.delete(f"/v1/keys/{key['id']}").status_code == 204  # again: nothing happens
    actions = [e["action"] for e in client.get("/v1/audit-events").json()["items"]]
    assert actions == ["key.revoke", "key.create"]


def test_a_key_cannot_revoke_itself(client: TestClient, check_problem: Check) -> None:
    (own,) = client.get("/v1/keys").json()["items"]
    check_problem(client.delete(f"/v1/keys/{own['id']}"), 409)
    assert client.get("/v1/keys").status_code == 200


def test_custodians_cannot_manage_keys_nor_read_the_log(client: TestClient, app: FastAPI, check_problem: Check) -> None:
    key = client.post("/v1/keys", json={"name": "analysts"}).json()
    custodian = using(app, key["token"])
    for answer in (
        custodian.get("/v1/keys"),
        custodian.post("/v1/keys", json={"name": "mine", "role": "admin"}),
        custodian.delete(f"/v1/keys/{key['id']}"),
        custodian.get("/v1/audit-events"),
    ):
        check_problem(answer, 403, "forbidden")
    assert custodian.get("/v1/datasets").status_code == 200
    assert "populace_stored_bytes" not in custodian.get("/metrics").text


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 201}, {"name": "x", "role": "root"}, {"name": "x", "tenant_id": "ten_x"}]
)
def test_bad_wishes_for_keys(client: TestClient, check_problem: Check, body: dict[str, Any]) -> None:
    check_problem(client.post("/v1/keys", json=body), 422)
    assert client.get("/v1/keys").json()["total"] == 1


def test_what_is_no_key(anonymous: TestClient, client: TestClient, check_problem: Check) -> None:
    good = client.headers["Authorization"].removeprefix("Bearer ")
    wrong = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB")
    unknown = make_key().token
    for token in ("", "x", "pop_", good[:-1], good + "x", wrong, unknown, good.upper(), "pop_' OR 1=1 --", "é" * 40):
        answer = anonymous.get("/v1/datasets", headers={"Authorization": f"Bearer {token}".encode()})
        problem = check_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert len(token) < 10 or token not in str(problem)
    check_problem(anonymous.get("/v1/datasets", headers={"Authorization": f"Basic {good}"}), 401)
    check_problem(anonymous.get(f"/v1/datasets?api_key={good}"), 401)


def test_the_answer_is_the_same_for_unknown_wrong_and_revoked(client: TestClient, app: FastAPI) -> None:
    key = client.post("/v1/keys", json={"name": "x"}).json()
    wrong = key["token"][:-4] + ("AAAA" if not key["token"].endswith("AAAA") else "BBBB")
    client.delete(f"/v1/keys/{key['id']}")
    answers = [using(app, t).get("/v1/datasets").json() for t in (make_key().token, wrong, key["token"])]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]


def test_hash_and_token() -> None:
    first, second = make_key(), make_key()
    assert first.token != second.token
    parts = split_token(first.token)
    assert parts is not None
    assert parts[0] == first.prefix
    assert matches(parts[1], first.hash)
    assert not matches(parts[1], second.hash)
    assert parts[1] not in first.hash


def test_embedded_key_file(settings: Settings, app: FastAPI, client: TestClient) -> None:
    file = settings.home / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.read_text()
    create_app(settings).state.database.close()
    assert file.read_text() == kept
    assert client.get("/v1/keys").json()["total"] == 1


@pytest.mark.parametrize("content", ["", "nonsense\n", None])
def test_embedded_key_is_made_again(settings: Settings, app: FastAPI, content: str | None) -> None:
    file = settings.home / "key"
    file.unlink() if content is None else file.write_text(content)
    app = create_app(settings)
    assert using(app, file.read_text().strip()).get("/v1/keys").status_code == 200
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    app.state.database.close()


def test_home_is_private(tmp_path: Path) -> None:
    database = Database(Settings(home=tmp_path / "home"))
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    database.close()


def test_use_is_noted_now_and_then(client: TestClient, database: Database) -> None:
    client.get("/v1/datasets")
    with database.read() as session:
        first = session.scalar(sa.select(ApiKey.last_used_at))
    client.get("/v1/datasets")
    with database.read() as session:
        assert session.scalar(sa.select(ApiKey.last_used_at)) == first
    assert first is not None
