"""Server-sent events and waiting for jobs."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from populace import ApiError, Client, Event, Job
from populace.events import parse_events
from populace.progress import shown
from populace.resources import jobs as jobs_module


def test_events_are_parsed() -> None:
    lines = ["id: 7", "event: step", 'data: {"a":', "data: 1}", "", ": heartbeat", "", "id:8", 'data:{"b": 2}', ""]
    assert list(parse_events(lines)) == [Event(7, "step", {"a": 1}), Event(8, "message", {"b": 2})]


def test_an_event_that_breaks_off_is_not_given() -> None:
    assert list(parse_events(["id: 1", 'data: {"a": 1}'])) == []


def job(state: str, fraction: float = 0.0, **more: object) -> dict[str, object]:
    steps = [
        {"name": "read", "state": "succeeded", "fraction": 1.0, "started_at": "t", "ended_at": "t", "message": ""},
        {
            "name": "train",
            "state": "running",
            "fraction": fraction,
            "started_at": "t",
            "ended_at": None,
            "message": "m",
        },
        {"name": "sample", "state": "pending", "fraction": 0.0, "started_at": None, "ended_at": None, "message": ""},
    ]
    return {"id": "j", "kind": "synthesize", "state": state, "fraction": fraction, "steps": steps, **more}


class Service:
    """Answers GET of job j with the next state, and its events with `events`."""

    def __init__(self, states: list[dict[str, object]], events: Callable[[httpx.Request], httpx.Response]) -> None:
        self.states, self.events, self.event_calls = states, events, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            self.event_calls.append(request)
            return self.events(request)
        return httpx.Response(200, json=self.states.pop(0) if len(self.states) > 1 else self.states[0])

    def client(self) -> Client:
        return Client("http://service", "k", transport=httpx.MockTransport(self))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "REFRESH_SECONDS", 0.01)


def stream(*events: tuple[int, dict[str, object]]) -> Callable[[httpx.Request], httpx.Response]:
    def body() -> Iterator[bytes]:
        for number, data in events:
            time.sleep(0.02)
            yield f"id: {number}\nevent: progress\ndata: {json.dumps(data)}\n\n".encode()

    return lambda request: httpx.Response(200, content=body(), headers={"Content-Type": "text/event-stream"})


def test_wait_follows_the_events() -> None:
    states = [job("queued"), job("running", 0.2), job("running", 0.6), job("succeeded", 1.0, result={"sample_id": "s"})]
    service = Service(states, stream((4, {}), (9, {}), (11, {})))
    seen: list[Job] = []
    with service.client() as client:
        done = client.jobs.wait("j", progress=seen.append)
    assert done.result == {"sample_id": "s"}
    assert [s.fraction for s in seen] == [0.0, 0.2, 0.6, 1.0]
    assert len(service.event_calls) == 1


def test_a_stream_that_breaks_is_taken_up_where_it_broke() -> None:
    def events(request: httpx.Request) -> httpx.Response:
        if len(service.event_calls) == 1:

            def body() -> Iterator[bytes]:
                yield b"id: 5\ndata: {}\n\n"
                raise httpx.ReadError("reset")

            return httpx.Response(200, content=body())
        return httpx.Response(200, content=b"id: 6\ndata: {}\n\n")

    service = Service([job("running"), job("running"), job("succeeded")], events)
    with service.client() as client:
        client.jobs.wait("j")
    assert "Last-Event-ID" not in service.event_calls[0].headers
    assert service.event_calls[1].headers["Last-Event-ID"] == "5"


def test_without_events_it_polls() -> None:
    service = Service(
        [job("queued"), job("running"), job("succeeded")], lambda r: httpx.Response(406, json={"code": "x"})
    )
    with service.client() as client:
        assert client.jobs.wait("j").state == "succeeded"
    assert len(service.event_calls) == 1


def test_a_failed_job_raises_its_own_problem() -> None:
    problem = {"code": "invalid_data", "detail": "Line 3 has 2 cells.", "status": 422, "hint": "Fix it."}
    service = Service([job("failed", problem=problem)], stream())
    with service.client() as client:
        with pytest.raises(ApiError, match="Line 3"):
            client.jobs.wait("j")
        assert client.jobs.wait("j", check=False).state == "failed"


def test_a_cancelled_job_raises() -> None:
    with Service([job("cancelled")], stream()).client() as client, pytest.raises(ApiError) as caught:
        client.jobs.wait("j")
    assert caught.value.code == "cancelled"


def test_waiting_ends_in_time() -> None:
    service = Service([job("running")], lambda r: httpx.Response(406, json={"code": "x"}))
    with service.client() as client, pytest.raises(ApiError) as caught:
        client.jobs.wait("j", timeout=0.05)
    assert caught.value.code == "timeout"


def test_a_job_tells_the_step_at_work() -> None:
    step = Job.from_json(job("running", 0.5)).step
    assert step is not None
    assert (step.name, step.fraction) == ("train", 0.5)
    assert Job.from_json({"id": "j", "steps": []}).step is None


def test_progress_off_a_terminal_is_one_line_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(True) as show:
        for fraction in (0.1, 0.2, 0.3):
            show(Job.from_json(job("running", fraction)))
        show(Job.from_json(job("succeeded", 1.0)))
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split("synthesize: ")[1] for line in err.splitlines()] == ["train", "succeeded"]


def test_orders_carry_a_key_that_makes_them_safe_to_repeat() -> None:
    sent: list[tuple[str, dict[str, object]]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append((request.headers["Idempotency-Key"], json.loads(request.content)))
        return httpx.Response(503) if len(sent) == 1 else httpx.Response(202, json=job("queued"))

    with Client("http://service", "k", transport=httpx.MockTransport(handler)) as client:
        client.jobs.synthesize("d", where=["age>=65"], seed=0)
        client.jobs.sample("s", 10, idempotency_key="mine")
        client.jobs.evaluate("x", target="income")
    assert sent[0] == sent[1]
    assert sent[0][1] == {"kind": "synthesize", "dataset_id": "d", "where": ["age>=65"], "seed": 0}
    assert sent[2] == ("mine", {"kind": "sample", "synthesizer_id": "s", "rows": 10})
    assert sent[3][1] == {"kind": "evaluate", "sample_id": "x", "target": "income"}
    assert len({key for key, _ in sent}) == 3


def test_a_jobs_raw_answer_is_what_the_service_said() -> None:
    raw = {"id": "job_1", "kind": "sample", "state": "running", "steps": [{"name": "sample", "state": "running"}]}
    job = Job.from_json(raw)
    assert job.steps[0].name == "sample"
    assert json.loads(json.dumps(job.raw)) == raw
