"""Retries, keys and problems."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from populace import ApiError, Client
from populace.client import default_key
from populace.transport import Transport

Handler = Callable[[httpx.Request], httpx.Response]


def transport(handler: Handler, sleeps: list[float] | None = None) -> Transport:
    slept = sleeps if sleeps is not None else []
    return Transport("http://service", "pop_a_b", transport=httpx.MockTransport(handler), sleep=slept.append)


class Failing:
    """Fails `times` times with what `fail` does, then answers 200."""

    def __init__(self, times: int, fail: Handler) -> None:
        self.times, self.fail, self.seen = times, fail, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.fail(request) if len(self.seen) <= self.times else httpx.Response(200, json={"ok": True})


def unavailable(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "7"}, json={"code": "busy", "detail": "Busy."})


def broken(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("connection reset", request=request)


def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def test_repeatable_calls_are_tried_again_with_growing_pauses() -> None:
    sleeps: list[float] = []
    handler = Failing(3, broken)
    assert transport(handler, sleeps).json("GET", "/x") == {"ok": True}
    assert len(handler.seen) == 4
    assert sleeps == sorted(sleeps)
    assert all(s > 0 for s in sleeps)


def test_retry_after_is_honoured() -> None:
    sleeps: list[float] = []
    transport(Failing(1, unavailable), sleeps).json("GET", "/x")
    assert sleeps == [7.0]


def test_a_post_is_not_repeated_once_it_may_have_arrived() -> None:
    for fail in (broken, unavailable):
        handler = Failing(1, fail)
        with pytest.raises(ApiError):
            transport(handler).json("POST", "/x")
        assert len(handler.seen) == 1


def test_a_post_that_never_left_is_repeated() -> None:
    handler = Failing(2, refused)
    assert transport(handler).json("POST", "/x") == {"ok": True}


def test_retries_end() -> None:
    handler = Failing(100, refused)
    with pytest.raises(ApiError) as caught:
        transport(handler).json("GET", "/x")
    assert caught.value.code == "unreachable"
    assert "populace serve" in caught.value.hint
    assert len(handler.seen) == 4


def test_a_repeated_delete_may_find_nothing() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        return broken(request) if not calls.append(1) and len(calls) == 1 else httpx.Response(404, json={"code": "x"})

    calls: list[int] = []
    transport(gone).request("DELETE", "/x")
    with pytest.raises(ApiError):
        transport(lambda r: httpx.Response(404, json={"code": "not_found"})).request("DELETE", "/x")


def test_problem_becomes_an_error() -> None:
    problem = {
        "type": "urn:populace:problem:invalid_condition",
        "title": "The condition cannot be met",
        "status": 422,
        "detail": "There is no column 'agee'.",
        "code": "invalid_condition",
        "hint": "Did you mean age?",
        "errors": [{"loc": ["where", 0], "msg": "unknown column", "hint": ""}],
        "request_id": "r1",
    }
    with pytest.raises(ApiError) as caught:
        transport(lambda r: httpx.Response(422, json=problem)).json("POST", "/v1/jobs")
    error = caught.value
    assert (error.code, error.status, error.request_id) == ("invalid_condition", 422, "r1")
    assert str(error) == "There is no column 'agee'. Did you mean age?"
    assert error.errors[0]["loc"] == ["where", 0]
    assert error.to_json()["message"] == "There is no column 'agee'."


def test_an_answer_that_is_no_problem_is_named_so() -> None:
    answer = httpx.Response(418, text="<html>a proxy", headers={"X-Request-ID": "r9"})
    with pytest.raises(ApiError) as caught:
        transport(lambda r: answer).json("GET", "/x")
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("unexpected_answer", 418, "r9")
    assert "<html>" not in str(caught.value)


def test_key_is_sent_and_kept_out_of_errors() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(401, json={"code": "unauthenticated", "detail": "No."})

    with pytest.raises(ApiError) as caught:
        transport(handler).json("GET", "/x")
    assert seen == ["Bearer pop_a_b"]
    assert "pop_a_b" not in repr(caught.value) + str(caught.value)


class TestDefaults:
    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("POPULACE_HOME", str(tmp_path))
        monkeypatch.delenv("POPULACE_API_KEY", raising=False)
        monkeypatch.delenv("POPULACE_URL", raising=False)
        return tmp_path

    def test_embedded_key_is_found_for_this_machine_only(self, home: Path) -> None:
        (home / "key").write_text("pop_x_y\n")
        assert default_key("http://127.0.0.1:8400") == "pop_x_y"
        assert default_key("http://localhost:1") == "pop_x_y"
        assert default_key("https://elsewhere.example") is None

    def test_environment_comes_first(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "key").write_text("pop_x_y\n")
        monkeypatch.setenv("POPULACE_API_KEY", "pop_env_z")
        monkeypatch.setenv("POPULACE_URL", "http://there:1/")
        with Client() as client:
            assert client.base_url == "http://there:1"
            assert client.has_key

    def test_without_anything_the_client_points_at_the_embedded_service(self, home: Path) -> None:
        with Client() as client:
            assert client.base_url == "http://127.0.0.1:8400"
            assert not client.has_key
