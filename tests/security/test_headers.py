"""Request ids, protective headers, host names, error bodies."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from service.main import create_app
from service.middleware import HEADERS, MAX_BODY_BYTES
from service.settings import Settings

Check = Callable[..., dict[str, Any]]


def test_every_answer_has_the_headers(app: FastAPI, client: TestClient, anonymous: TestClient, mine: Any) -> None:
    ids = mine.everything()

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("secret cell value")

    answers = [
        client.get("/health"),
        client.get("/v1/datasets"),
        client.get(f"/v1/samples/{ids['sample_id']}/download"),
        client.get("/nowhere"),
        anonymous.get("/v1/datasets"),
        client.get("/fails"),
        client.get("/health", headers={"Host": "evil.example"}),
        client.post("/v1/jobs", content=b"{", headers={"Content-Type": "application/json"}),
    ]
    assert [a.status_code for a in answers] == [200, 200, 200, 404, 401, 500, 400, 422]
    for answer in answers:
        assert {k: answer.headers.get(k) for k in HEADERS} == HEADERS
        assert answer.headers["X-Request-ID"].startswith("req_")
        assert "server" not in answer.headers
    assert len({a.headers["X-Request-ID"] for a in answers}) == len(answers)


def test_harmless_request_ids_are_kept(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "trace-1.a_B"}).headers["X-Request-ID"] == "trace-1.a_B"
    for hostile in ("", "a b", "x" * 65, "<script>", "a\tb", "é"):
        answer = client.get("/health", headers={"X-Request-ID": hostile.encode()})
        assert answer.headers["X-Request-ID"].startswith("req_")


SECRET = "s3cr3t-cell"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "method", "path", "more"),
    [
        (404, "GET", f"/v1/datasets/{SECRET}", {}),
        (404, "GET", f"/{SECRET}", {}),
        (405, "PATCH", "/v1/datasets", {}),
        (405, "DELETE", "/health", {}),
        (413, "POST", "/v1/jobs", {"content": b" " * (MAX_BODY_BYTES + 1), "headers": JSON}),
        (422, "POST", "/v1/jobs", {"json": {"kind": SECRET}}),
        (422, "POST", "/v1/jobs", {"json": SECRET}),
        (422, "POST", "/v1/jobs", {"content": f'{{"kind": "{SECRET}', "headers": JSON}),
        (422, "POST", "/v1/jobs", {"json": {"kind": "sample", "synthesizer_id": "x", "rows": SECRET}}),
        (422, "POST", "/v1/jobs", {"json": {"kind": "sample", "synthesizer_id": "x", "rows": -1}}),
        (422, "POST", "/v1/keys", {"json": {"name": "x", "role": SECRET}}),
        (422, "GET", f"/v1/datasets?limit={SECRET}", {}),
        (422, "GET", f"/v1/datasets?cursor={SECRET}", {}),
        (422, "POST", "/v1/datasets?name=" + "x" * 201, {"content": b"a\n1\n"}),
    ],
)
def test_problems_echo_nothing(
    client: TestClient, check_problem: Check, status: int, method: str, path: str, more: dict[str, Any]
) -> None:
    problem = check_problem(client.request(method, path, **more), status)
    problem.pop("instance")
    assert SECRET not in json.dumps(problem)
    if status == 422 and "cursor" not in path:
        assert problem["errors"]
        assert all(e["loc"] and e["msg"] for e in problem["errors"])


def test_large_bodies_are_counted_too(client: TestClient, check_problem: Check) -> None:
    pieces = (b" " * 1_000_000 for _ in range(MAX_BODY_BYTES // 1_000_000 + 2))
    check_problem(client.post("/v1/jobs", content=pieces, headers=JSON), 413, "too_large")


def test_many_faults_are_a_short_answer(client: TestClient, check_problem: Check) -> None:
    body = {"kind": "synthesize", "dataset_id": "x", **{f"extra{i}": 1 for i in range(5_000)}}
    assert len(check_problem(client.post("/v1/jobs", json=body), 422)["errors"]) <= 50


def test_unexpected_errors_say_nothing(
    app: FastAPI, client: TestClient, check_problem: Check, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/fails")
    def fails() -> None:
        raise ValueError(SECRET)

    problem = check_problem(client.get("/fails"), 500, "internal")
    assert SECRET not in json.dumps(problem)
    assert problem["request_id"] in problem.get("hint", "") + caplog.text
    assert SECRET not in caplog.text
    assert "ValueError at" in caplog.text


def test_an_answer_that_breaks_off_is_no_whole_answer(app: FastAPI, client: TestClient, caplog: Any) -> None:
    from collections.abc import Iterator

    from fastapi.responses import StreamingResponse

    @app.get("/breaks")
    def breaks() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"a,b\n"
            raise ValueError(SECRET)

        return StreamingResponse(pieces())

    with pytest.raises(Exception, match="could not be finished") as raised:
        client.get("/breaks")
    assert raised.value.__suppress_context__
    assert SECRET not in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8400", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8400"])
def test_embedded_mode_answers_to_loopback_names(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.", "127.0.0.1@evil.example", "", "::1", "127.0.0.1:x", "0"],
)
def test_embedded_mode_answers_to_no_other_names(client: TestClient, check_problem: Check, host: str) -> None:
    problem = check_problem(client.get("/health", headers={"Host": host}), 400)
    assert not host or host == "0" or host not in problem["detail"]


def test_full_mode_answers_to_any_name(postgres_settings: Settings) -> None:
    app = create_app(postgres_settings)
    answer = TestClient(app, base_url="https://synth.example").get("/ready")
    assert answer.json() == {"status": "ready"}
    assert not (postgres_settings.home / "key").exists()
    app.state.database.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_embedded_mode_refuses_to_listen_elsewhere(host: str) -> None:
    with pytest.raises(ValidationError, match="loopback"):
        Settings(host=host)


@pytest.mark.parametrize("password", ["changeme", "postgres", "password"])
def test_full_mode_refuses_default_passwords(password: str) -> None:
    url = "postgresql+psycopg://app:{}@db/populace"
    for wrong in (
        {"database_url": url.format(password)},
        {"database_url": url.format("Xk3-own"), "broker_url": f"redis://:{password}@broker/0"},
    ):
        with pytest.raises(ValidationError, match="default password") as raised:
            Settings(mode="full", **wrong)
        assert "Xk3-own" not in str(raised.value)
    assert Settings(mode="full", database_url=url.format("Xk3-own")).mode == "full"


def test_full_mode_needs_postgres() -> None:
    for url in (None, "sqlite:///x.db"):
        with pytest.raises(ValidationError, match="postgresql"):
            Settings(mode="full", database_url=url)


def test_settings_do_not_show_secrets() -> None:
    settings = Settings(mode="full", database_url="postgresql+psycopg://app:Xk3-own@db/populace")
    assert "Xk3-own" not in repr(settings) + settings.model_dump_json()
