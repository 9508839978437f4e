"""Uploading, reading, overriding and deleting datasets."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.errors import InvalidInput
from service.datasets.upload import MultipartFile
from service.db.tables import Blob, BlobChunk, Dataset, Job, JobEvent, JobStep, MetricRow, Report, Sample, Synthesizer
from service.storage.base import CHUNK_BYTES

CSV = b"age,sex\n" + b"".join(b"%d,%s\n" % (20 + i % 60, b"FM"[i % 2 : i % 2 + 1]) for i in range(500))
TRACES = (Blob, BlobChunk, Dataset, Job, JobStep, JobEvent)

Check = Callable[..., dict[str, Any]]


def form(*parts: tuple[str, bytes], boundary: bytes = b"XX", end: bool = True) -> bytes:
    """A multipart body of (headers, content)."""
    out = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head.encode(), body) for head, body in parts)
    return out + (b"--%s--\r\n" % boundary if end else b"")


def part(name: str, filename: str | None = None) -> str:
    return f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")


def post_form(client: TestClient, body: bytes, boundary: str = "XX") -> Any:
    return client.post(
        "/v1/datasets", content=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )


def test_raw_upload_and_download(client: TestClient) -> None:
    answer = client.post("/v1/datasets?name=people.csv", content=CSV, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/datasets/{made['id']}"
    assert (made["name"], made["state"], made["media_type"]) == ("people.csv", "pending", "text/csv")
    assert (made["bytes"], made["sha256"]) == (len(CSV), hashlib.sha256(CSV).hexdigest())
    assert client.get(answer.headers["Location"]).json() == made
    job = client.get(f"/v1/jobs/{made['job_id']}").json()
    assert (job["kind"], job["state"], job["dataset_id"]) == ("profile", "queued", made["id"])
    back = client.get(f"/v1/datasets/{made['id']}/download")
    assert back.content == CSV
    assert back.headers["Content-Length"] == str(len(CSV))
    assert back.headers["Content-Disposition"] == "attachment; filename=\"people.csv\"; filename*=UTF-8''people.csv"


def test_an_upload_may_name_a_target(client: TestClient, check_problem: Callable[..., Any]) -> None:
    made = client.post("/v1/datasets", params={"target": "in come"}, content=CSV).json()
    assert client.get(f"/v1/jobs/{made['job_id']}").json()["spec"]["target"] == "in come"
    made = client.post("/v1/datasets", content=CSV).json()
    assert client.get(f"/v1/jobs/{made['job_id']}").json()["spec"]["target"] is None
    check_problem(client.post("/v1/datasets?target=", content=CSV), 422)


def test_form_upload_with_a_name(client: TestClient) -> None:
    made = client.post("/v1/datasets", files={"file": ("a.csv.gz", gzip.compress(CSV))}, data={"name": "A table"})
    assert made.status_code == 202
    assert made.json()["name"] == "A table"
    assert gzip.decompress(client.get(f"/v1/datasets/{made.json()['id']}/download").content) == CSV


def test_form_upload_is_named_after_its_file(client: TestClient) -> None:
    made = client.post("/v1/datasets", files={"file": ("/home/me/böse table.csv", CSV, "text/csv")}).json()
    assert (made["name"], made["media_type"]) == ("böse table.csv", "text/csv")


def test_raw_upload_is_named_after_its_disposition(client: TestClient) -> None:
    headers = {"Content-Type": "text/csv", "Content-Disposition": 'attachment; filename="x/../survey.csv"'}
    assert client.post("/v1/datasets", content=CSV, headers=headers).json()["name"] == "survey.csv"


def test_same_bytes_make_another_dataset(client: TestClient) -> None:
    first, second = (client.post("/v1/datasets", content=CSV).json() for _ in range(2))
    assert first["id"] != second["id"]
    assert first["sha256"] == second["sha256"]
    assert first["name"] == "table"


def test_larger_than_a_chunk(client: TestClient) -> None:
    data = CSV * (CHUNK_BYTES // len(CSV) + 100)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), 300_007):
            yield data[at : at + 300_007]

    made = client.post("/v1/datasets", content=pieces()).json()
    assert made["sha256"] == hashlib.sha256(data).hexdigest()
    assert client.get(f"/v1/datasets/{made['id']}/download").content == data


def test_parser_takes_a_form_byte_by_byte() -> None:
    content = b"a,b\r\n--X\r\n--XXY\r\n1,2\r\n\r\n"  # nearly the boundary, twice
    body = form((part("name"), "Namé".encode()), (part("file", "t.csv") + "\r\nContent-Type: text/csv", content))
    for step in (1, 2, 7, len(body)):
        parser = MultipartFile(b"XX")
        got = b"".join(parser.feed(body[at : at + step]) for at in range(0, len(body), step))
        assert got == content
        assert (parser.name, parser.filename, parser.media_type) == ("Namé", "t.csv", "text/csv")
        assert (parser.files, parser.ended) == (1, True)


def test_parser_bounds_what_it_keeps() -> None:
    for hostile in (
        form((part("name"), b"x" * 5_000)),
        form((part("other"), b"x" * 5_000)),
        form((part("file", "y" * 50_000), b"x")),
        form((part("file") + "".join(f"\r\nX-{i}: 1" for i in range(500)), b"x")),
    ):
        parser = MultipartFile(b"XX")
        with pytest.raises(InvalidInput):
            list(map(parser.feed, (hostile[at : at + 1] for at in range(len(hostile)))))


BROKEN = {
    "broken off": form((part("file", "t.csv"), CSV), end=False)[:-100],
    "no end": form((part("file", "t.csv"), CSV), end=False),
    "two files": form((part("file", "t.csv"), CSV), (part("file", "u.csv"), CSV)),
    "no file": form((part("name"), b"x")),
    "another name": form((part("upload", "t.csv"), b"a,b\n1,2\n")),
    "nameless": form(("Content-Disposition: form-data", b"x")),
    "no headers": form(("X: y", b"x")),
    "empty file": form((part("file", "t.csv"), b"")),
    "wrong boundary": form((part("file", "t.csv"), CSV), boundary=b"YY"),
    "no form": CSV,
    "nothing": b"",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_broken_forms_leave_nothing(client: TestClient, mine: Any, check_problem: Check, body: bytes) -> None:
    problem = check_problem(post_form(client, body), 422, "invalid_input")
    assert problem["hint"]
    assert set(mine.count(*TRACES).values()) == {0}


def test_form_without_a_boundary(client: TestClient, check_problem: Check) -> None:
    answer = client.post("/v1/datasets", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert "boundary" in check_problem(answer, 422)["detail"]


def test_empty_upload(client: TestClient, mine: Any, check_problem: Check) -> None:
    assert "empty" in check_problem(client.post("/v1/datasets", content=b""), 422)["detail"]
    assert set(mine.count(*TRACES).values()) == {0}


def test_over_the_limit(app: FastAPI, client: TestClient, mine: Any, check_problem: Check) -> None:
    app.state.settings = app.state.settings.model_copy(update={"max_upload_bytes": 2_000_000})
    large = b"x" * 2_000_001
    check_problem(client.post("/v1/datasets", content=large), 413, "too_large")  # by what it declares
    pieces = (large[at : at + 500_000] for at in range(0, len(large), 500_000))
    check_problem(client.post("/v1/datasets", content=pieces), 413, "too_large")  # by what comes
    check_problem(post_form(client, form((part("file"), large))), 413, "too_large")
    lying = {"Content-Length": "10", "Content-Type": "text/csv"}
    check_problem(client.post("/v1/datasets", content=(p for p in [large]), headers=lying), 413)
    assert set(mine.count(*TRACES).values()) == {0}
    assert post_form(client, form((part("file"), large[:-1]))).status_code == 202


def test_failing_transaction_leaves_no_blob(
    client: TestClient, mine: Any, check_problem: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("secret cell value")

    monkeypatch.setattr("service.datasets.service.enqueue_profile", fail)
    problem = check_problem(client.post("/v1/datasets", content=CSV), 500, "internal")
    assert "secret" not in str(problem)
    assert set(mine.count(*TRACES).values()) == {0}


def test_upload_sends_a_hint_after_its_commit(app: FastAPI, client: TestClient, mine: Any) -> None:
    sent = []

    class Seen:
        def send(self, queue: str, count: int = 1) -> None:
            sent.append((queue, mine.count(Job)["jobs"]))

    app.state.hint = Seen()
    client.post("/v1/datasets", content=CSV)
    assert sent == [("cpu", 1)]


def test_pages(client: TestClient, mine: Any, check_problem: Check) -> None:
    ids = [mine.dataset(created_at=float(i // 2)) for i in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get("/v1/datasets", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert page["total"] == 5
        assert len(page["items"]) <= 2
        seen += [d["id"] for d in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(seen) == sorted(ids)
    assert [i in ids[4:] for i in seen] == [True, False, False, False, False]  # newest first
    for bad in ("x", "nan~y~", "", "~"):
        check_problem(client.get("/v1/datasets", params={"cursor": bad}), 422)
    check_problem(client.get("/v1/datasets?limit=0"), 422)
    check_problem(client.get("/v1/datasets?limit=100000"), 422)


def test_delete_takes_all_that_was_derived(client: TestClient, mine: Any, check_problem: Check) -> None:
    ids, stays = mine.everything(), mine.dataset()
    before = mine.count(Blob)["blobs"]
    assert client.delete(f"/v1/datasets/{ids['dataset_id']}").status_code == 204
    assert set(mine.count(Synthesizer, Sample, Report, MetricRow, Job).values()) == {0}
    assert mine.count(Dataset)["datasets"] == 1
    assert mine.count(Blob)["blobs"] == before - 4 == 2
    for path in ("", "/schema", "/profile", "/download"):
        check_problem(client.get(f"/v1/datasets/{ids['dataset_id']}{path}"), 404)
    assert client.get(f"/v1/datasets/{stays}/download").status_code == 200
    check_problem(client.delete(f"/v1/datasets/{ids['dataset_id']}"), 404)
    actions = [e["action"] for e in client.get("/v1/audit-events").json()["items"]]
    assert actions == ["dataset.delete"]


@pytest.mark.parametrize("state", ["queued", "running", "cancelling"])
def test_delete_waits_for_jobs(client: TestClient, mine: Any, check_problem: Check, state: str) -> None:
    dataset = mine.dataset()
    job = mine.job(dataset, state=state)
    assert job in check_problem(client.delete(f"/v1/datasets/{dataset}"), 409, "dataset_in_use")["hint"]
    assert client.get(f"/v1/datasets/{dataset}").status_code == 200


def test_patch_schema(client: TestClient, mine: Any) -> None:
    url = f"/v1/datasets/{mine.dataset()}/schema"
    assert [c["name"] for c in client.get(url).json()["columns"]] == ["age", "sex", "key"]
    changed = client.patch(url, json={"columns": [{"name": "age", "maximum": 120, "missing_codes": ["-9"]}]})
    assert changed.status_code == 200
    age = changed.json()["columns"][0]
    assert (age["minimum"], age["maximum"], age["missing_codes"]) == (0, 120, ["-9"])
    assert client.get(url).json() == changed.json()
    assert client.get(url.removesuffix("/schema")).json()["schema_version"] == 2


def test_a_domain_is_declared_public(client: TestClient, mine: Any, check_problem: Check) -> None:
    url = f"/v1/datasets/{mine.dataset()}/schema"
    assert not any(c["public"] for c in client.get(url).json()["columns"])
    change = {"name": "age", "public": True, "minimum": 0, "maximum": 120, "edges": [0, 0, 18, 65, 120]}
    changed = client.patch(url, json={"columns": [change]})
    assert changed.status_code == 200
    assert change.items() <= client.get(url).json()["columns"][0].items()
    whole = client.put(url, json=changed.json())
    assert whole.json()["columns"] == changed.json()["columns"]
    other = client.patch(url, json={"columns": [{"name": "age", "edges": [18, 0]}]})
    problem = check_problem(other, 422, "invalid_schema")
    assert problem["errors"][0]["loc"] == ["columns", 0, "edges"]


def test_rules_of_a_schema(client: TestClient, mine: Any, check_problem: Check) -> None:
    url = f"/v1/datasets/{mine.dataset()}/schema"
    changed = client.patch(url, json={"rules": ["age < 16 -> sex = Female", {"if": ["sex=Male"], "then": ["age>=2"]}]})
    assert changed.status_code == 200
    kept = [{"if": ["age < 16"], "then": ["sex = Female"]}, {"if": ["sex=Male"], "then": ["age>=2"]}]
    assert changed.json()["rules"] == client.get(url).json()["rules"] == kept
    other = client.patch(url, json={"columns": [{"name": "age", "maximum": 98}]})
    assert other.json()["rules"] == kept
    for rule, loc in (
        ("height < 16 -> sex = Female", ["rules", 0, "if", 0, "column", "height"]),
        ("age < 16 -> sex = x", ["rules", 0, "then", 0, "column", "sex"]),
        ("age < 16 -> age > 200", ["rules", 0, "then", 0, "column", "age"]),
        (7, ["rules", 0]),
    ):
        problem = check_problem(client.patch(url, json={"rules": [rule]}), 422)
        assert loc in [e["loc"] for e in problem["errors"]], rule
    problem = check_problem(client.patch(url, json={"rules": ["sex=Male", "sex!=Male"]}), 422)
    assert "contradict" in problem["detail"]
    # A change of a column that a rule cannot bear is refused, too.
    problem = check_problem(client.patch(url, json={"columns": [{"name": "sex", "kind": "text"}]}), 422)
    assert ["rules", 0, "then", 0, "column", "sex"] in [e["loc"] for e in problem["errors"]]
    assert client.get(url).json() == other.json()
    assert client.patch(url, json={"rules": []}).json()["rules"] == []


def test_put_schema(client: TestClient, mine: Any, check_problem: Check) -> None:
    url = f"/v1/datasets/{mine.dataset()}/schema"
    schema = client.get(url).json()
    schema["columns"][1]["kind"] = "text"
    assert client.put(url, json=schema).json()["columns"][1]["kind"] == "text"
    for columns in (schema["columns"][:2], schema["columns"][::-1]):
        check_problem(client.put(url, json={**schema, "columns": columns}), 409, "invalid_schema")
    assert client.get(url).json()["columns"] == schema["columns"]


INVALID = {
    "no list": ({"columns": "age"}, ["body", "columns"]),
    "unknown column": ({"columns": [{"name": "agee", "kind": "text"}]}, ["columns", 0, "name"]),
    "unknown kind": ({"columns": [{"name": "age", "kind": "colour"}]}, ["columns", 0, "kind"]),
    "unknown property": ({"columns": [{"name": "sex"}, {"name": "age", "colour": 1}]}, ["columns", 1, "colour"]),
    "no categories": ({"columns": [{"name": "age", "kind": "categorical"}]}, ["columns", 0, "categories"]),
    "numbers as labels": ({"columns": [{"name": "sex", "categories": [1, 2]}]}, ["columns", 0, "categories"]),
    "labels twice": ({"columns": [{"name": "sex", "categories": ["a", "a"]}]}, ["columns", 0, "categories"]),
    "bounds crossed": ({"columns": [{"name": "age", "minimum": 9, "maximum": 1}]}, ["columns", 0, "minimum"]),
    "bound as text": ({"columns": [{"name": "age", "minimum": "0"}]}, ["columns", 0, "minimum"]),
    "no format": ({"columns": [{"name": "key", "kind": "datetime"}]}, ["columns", 0, "datetime_format"]),
    "decimals": ({"columns": [{"name": "age", "decimals": -1}]}, ["columns", 0, "decimals"]),
}


@pytest.mark.parametrize(("patch", "loc"), INVALID.values(), ids=INVALID.keys())
def test_invalid_patches(client: TestClient, mine: Any, check_problem: Check, patch: Any, loc: list[Any]) -> None:
    url = f"/v1/datasets/{mine.dataset()}/schema"
    before = client.get(url).json()
    problem = check_problem(client.patch(url, json=patch), 422)
    assert loc in [e["loc"] for e in problem["errors"]]
    assert client.get(url).json() == before


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', '"a\\u0000b"', "NaN", "-Infinity", "1e999", "1" + "0" * 400, "1" * 5_000, "[" * 100_000],
    ids=["half a character", "NUL", "NaN", "infinite", "overflow", "huge", "huger", "deep"],
)
def test_values_that_json_cannot_give_back(client: TestClient, mine: Any, value: str) -> None:
    """They would be stored, and every later answer would fail."""
    url = f"/v1/datasets/{mine.dataset()}/schema"
    for key in ("minimum", "missing_codes", "evidence"):
        wrapped = f"[{value}]" if key == "missing_codes" else f'{{"x": {value}}}' if key == "evidence" else value
        body = f'{{"columns": [{{"name": "age", "{key}": {wrapped}}}]}}'
        answer = client.patch(url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"
    answer = client.patch(url, content=f'{{"rules": [{value}]}}', headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert client.get(url).json()["columns"][0]["maximum"] == 99


def test_pending_and_rejected(client: TestClient, mine: Any, check_problem: Check) -> None:
    pending = mine.dataset("pending")
    job = mine.job(pending, "profile", "queued")
    problem = {"title": "t", "status": 422, "detail": "Line 3 has 4 cells.", "code": "invalid_data", "hint": "h"}
    rejected = mine.dataset("rejected", problem={**problem, "type": "urn:x", "errors": []}, upload_blob_id=None)
    for method, path in (("GET", "schema"), ("GET", "profile"), ("PATCH", "schema"), ("PUT", "schema")):
        body = {} if method == "GET" else {"json": {"columns": []}}
        waits = check_problem(client.request(method, f"/v1/datasets/{pending}/{path}", **body), 409, "dataset_pending")
        assert job in waits["hint"]
        refused = check_problem(client.request(method, f"/v1/datasets/{rejected}/{path}", **body), 409, "invalid_data")
        assert refused["detail"] == "Line 3 has 4 cells."
    assert client.get(f"/v1/datasets/{rejected}").json()["problem"]["detail"] == "Line 3 has 4 cells."
    check_problem(client.get(f"/v1/datasets/{rejected}/download"), 404)
    assert client.get(f"/v1/datasets/{pending}/download").status_code == 200


def test_profile(client: TestClient, mine: Any) -> None:
    assert client.get(f"/v1/datasets/{mine.dataset()}/profile").json() == {"rows": 2}
