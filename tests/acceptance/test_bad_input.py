"""Bad input through the API: a refusal with a place and a hint, and nothing half-stored."""

import gzip
import io
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from populace import ApiError, Client
from populace.embedded import EmbeddedService

LIMIT = 20_000_000
"""Bytes after decompression that the service is set to accept."""

GOOD = "age,sex,income\n" + "".join(f"{20 + i % 50},{'FM'[i % 2]},{1000 * (i % 7)}\n" for i in range(200))


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def lying_parquet() -> bytes:
    """A footer whose length field points beyond the file."""
    good = parquet(pa.table({"a": [1, 2, 3]}))
    return good[:-8] + (2**31 - 1).to_bytes(4, "little") + good[-4:]


def bomb() -> bytes:
    """A hundred megabytes in a hundred kilobytes."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb") as file:
        file.write(b"a,b\n")
        for _ in range(100):
            file.write(b"1,2\n" * 250_000)
    return sink.getvalue()


BAD: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty.csv": (b"", ("empty",)),
    "header-only.csv": (b"age,sex\n", ("row",)),
    "one-row.csv": (b"age,sex\n1,F\n", ("row",)),
    "ragged.csv": (b"a,b\n1,2\n3,4\n5,6,7\n8,9\n" * 3, ("line",)),
    "duplicate-names.csv": (b"age,sex,age\n1,F,2\n2,M,3\n", ("age",)),
    "empty-name.csv": (b"age,,sex\n1,2,F\n2,3,M\n", ("name",)),
    "latin-1.csv": (("name,b\n" + "Jürgen,1\n" * 30).encode("latin-1"), ("UTF-8",)),
    "nul.csv": (b"a,b\n1,2\n3,\x00\n4,5\n", ("NUL",)),
    "page.csv": (b"<!DOCTYPE html><html><body><p>Please log in, or not</p></body></html>\n", ("HTML",)),
    "bomb.csv.gz": (bomb(), ()),
    "cut.csv.gz": (gzip.compress(GOOD.encode() * 50)[:-40], ()),
    "lying.parquet": (lying_parquet(), ("Parquet",)),
    "wide.csv": (",".join(f"c{i}" for i in range(10_000)).encode() + b"\n" + (b"1," * 9_999 + b"1\n") * 2, ("column",)),
    "infinite.parquet": (parquet(pa.table({"x": [1.0, float("inf"), 2.0] * 20, "y": list(range(60))})), ("x",)),
}


@dataclass
class Bench:
    client: Client
    home: Path
    dataset: str

    def counts(self) -> dict[str, int]:
        """Rows that would be left of a half-stored table."""
        with sqlite3.connect(f"file:{self.home / 'populace.db'}?mode=ro", uri=True) as database:
            return {
                name: int(database.execute(query).fetchone()[0])
                for name, query in {
                    "ready": "SELECT count(*) FROM datasets WHERE state = 'ready'",
                    "blobs": "SELECT count(*) FROM blobs",
                    "chunks": "SELECT count(*) FROM blob_chunks",
                    "samples": "SELECT count(*) FROM samples",
                    "reports": "SELECT count(*) FROM reports",
                }.items()
            }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POPULACE_MAX_UNPACKED_BYTES", str(LIMIT))
        patch.setenv("POPULACE_WORKER_SLOTS", "2")
        with EmbeddedService(home) as service, Client(service.url, service.key) as client:
            dataset = client.datasets.upload(GOOD.encode(), name="good.csv")
            client.jobs.wait(str(dataset.job_id), timeout=120)
            yield Bench(client, home, dataset.id)


@dataclass(frozen=True)
class Refused:
    """problem: of the answer or of the failed job. state: of the dataset, if one was made."""

    error: ApiError
    state: str | None


@pytest.fixture(scope="module")
def refusals(bench: Bench) -> dict[str, Refused]:
    """All at once, so that the workers are busy side by side."""
    started: dict[str, Any] = {}
    for name, (content, _) in BAD.items():
        try:
            started[name] = bench.client.datasets.upload(content, name=name)
        except ApiError as error:
            started[name] = error
    found: dict[str, Refused] = {}
    for name, outcome in started.items():
        if isinstance(outcome, ApiError):
            found[name] = Refused(outcome, None)
            continue
        with pytest.raises(ApiError) as caught:
            bench.client.jobs.wait(str(outcome.job_id), timeout=120)
        found[name] = Refused(caught.value, bench.client.datasets.get(outcome.id).state)
    return found


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_with_reason_and_hint(refusals: dict[str, Refused], name: str) -> None:
    refused = refusals[name]
    assert 400 <= refused.error.status < 500, refused
    assert refused.error.code != "internal"
    assert refused.error.message
    assert refused.error.hint
    assert refused.state in (None, "rejected")
    told = " ".join([refused.error.message, refused.error.hint, str(refused.error.errors)]).lower()
    assert any(word.lower() in told for word in BAD[name][1]) or not BAD[name][1], told


def test_bad_files_leave_nothing(bench: Bench, refusals: dict[str, Refused]) -> None:
    assert len(refusals) == len(BAD)
    counts = bench.counts()
    assert (counts["ready"], counts["samples"], counts["reports"]) == (1, 0, 0)
    upload_and_table = 2
    assert counts["blobs"] <= upload_and_table
    assert counts["chunks"] <= upload_and_table


def test_the_same_body_in_the_job_and_the_dataset(bench: Bench, refusals: dict[str, Refused]) -> None:
    rejected = [d for d in bench.client.datasets.each() if d.state == "rejected"]
    assert len(rejected) == sum(r.state == "rejected" for r in refusals.values())
    for dataset in rejected:
        assert dataset.problem is not None
        assert {"type", "title", "status", "detail", "code", "hint", "errors"} <= set(dataset.problem)
        assert ApiError.from_problem(dataset.problem).message == refusals[dataset.name].error.message


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"rows": 0}, "rows"),
        ({"rows": -5}, "rows"),
        ({"rows": 10**15}, "rows"),
        ({"rows": "many"}, "rows"),
        ({"target": "incme"}, "income"),
        ({"where": ["agee>=65"]}, "age"),
        ({"where": ["age>=500"]}, "age"),
        ({"where": ["age>=60", "age<30"]}, "age"),
        ({"where": ["sex=Other"]}, "sex"),
        ({"where": ["age>>"]}, "where"),
        ({"holdout": 1.5}, "holdout"),
        ({"seed": -1}, "seed"),
        ({"options": {"no_such_option": 1}}, "no_such_option"),
        ({"privacy": {"epsilon": 1}}, "privacy"),
        ({"unknown_field": 1}, "unknown_field"),
        ({"dataset_id": "0" * 32}, "dataset"),
        ({"kind": "guess"}, "synthesize"),
    ],
)
def test_bad_orders_are_refused_at_once(bench: Bench, more: dict[str, Any], told: str) -> None:
    before = bench.client.jobs.list().total
    with pytest.raises(ApiError) as caught:
        bench.client.jobs.create({"kind": "synthesize", "dataset_id": bench.dataset, **more})
    error = caught.value
    assert 400 <= error.status < 500
    assert error.request_id
    assert told in " ".join([error.message, error.hint, str(error.errors)]).lower()
    assert bench.client.jobs.list().total == before


@pytest.mark.parametrize(
    "patch",
    [
        {"columns": [{"name": "nobody", "kind": "text"}]},
        {"columns": [{"name": "age", "kind": "number"}]},
        {"columns": [{"name": "sex", "kind": "categorical", "categories": []}]},
        {"columns": [{"name": "age", "minimum": 50, "maximum": 10}]},
        {"columns": "age"},
        [1, 2],
    ],
)
def test_bad_schemas_are_refused_at_once(bench: Bench, patch: Any) -> None:
    before = bench.client.datasets.schema(bench.dataset)
    with pytest.raises(ApiError) as caught:
        bench.client._transport.json("PATCH", f"/v1/datasets/{bench.dataset}/schema", json=patch)
    assert 400 <= caught.value.status < 500
    assert bench.client.datasets.schema(bench.dataset) == before


def test_a_schema_that_contradicts_the_data_fails_the_job(bench: Bench) -> None:
    schema = bench.client.datasets.schema(bench.dataset)
    before = bench.counts()
    change = {"columns": [{"name": "sex", "kind": "categorical", "categories": ["F", "X"]}]}
    bench.client.datasets.set_schema(bench.dataset, change)
    try:
        job = bench.client.jobs.synthesize(bench.dataset)
        with pytest.raises(ApiError) as caught:
            bench.client.jobs.wait(job.id, timeout=120)
    finally:
        bench.client.datasets.set_schema(bench.dataset, schema, replace=True)
    assert caught.value.code == "invalid_schema"
    assert caught.value.status == 422
    assert "sex" in str(caught.value)
    assert caught.value.hint
    assert bench.counts() == before


def test_no_key_no_answer(bench: Bench) -> None:
    with Client(bench.client.base_url, "pop_wrong_key") as stranger:
        assert stranger.health()
        for call in (stranger.datasets.list, stranger.jobs.list, lambda: stranger.datasets.get(bench.dataset)):
            with pytest.raises(ApiError) as caught:
                call()
            assert caught.value.status == 401
