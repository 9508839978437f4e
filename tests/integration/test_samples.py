"""Samples come out as they were stored: spelling and dialect in CSV, types in Parquet."""

import csv
import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.schema import Column, Dialect, Kind, Schema
from models.table import BATCH_CELLS
from service.db.tables import Blob, Report, Sample

COLUMNS = (
    Column("n", Kind.INTEGER, minimum=0, maximum=9, missing_codes=("?", "-9"), storage="int64"),
    Column("x", Kind.DECIMAL, minimum=0, maximum=9, decimals=2, fixed_decimals=True, storage="double"),
    Column("day", Kind.DATETIME, datetime_format="%d.%m.%Y", missing_codes=("",), storage="date"),
    Column("yes", Kind.BOOLEAN, categories=("no", "yes"), storage="bool"),
    Column('te"xt, with', Kind.TEXT, missing_codes=("",)),
)
TABLE = pa.table(
    {
        "n": ["1", "?", "-9"],
        "x": ["0.50", "2.00", "3.25"],
        "day": ["01.02.2020", "", "31.12.1999"],
        "yes": ["no", "yes", "yes"],
        'te"xt, with': ['a "quoted", cell', "", "two\nlines; ü"],
    }
)


def rows(table: pa.Table) -> list[list[str]]:
    return [table.column_names, *([str(v) for v in row.values()] for row in table.to_pylist())]


def get(client: TestClient, sample: str, form: str) -> Any:
    answer = client.get(f"/v1/samples/{sample}/download", params={"format": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{sample}.{form}"')
    return answer


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", ["minimal", "all"])
def test_csv_is_what_was_stored(client: TestClient, mine: Any, delimiter: str, quoting: str) -> None:
    schema = Schema(COLUMNS, Dialect(delimiter=delimiter, quoting=quoting))
    sample = mine.sample(mine.synthesizer(mine.dataset()), TABLE, schema)
    answer = get(client, sample, "csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text, newline=""), delimiter=delimiter)) == rows(TABLE)
    plain = f'no{delimiter}"a ""quoted"", cell"'
    assert (plain in answer.text) == (quoting == "minimal")


def test_parquet_has_the_types_of_the_schema(client: TestClient, mine: Any) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()), TABLE, Schema(COLUMNS))
    answer = get(client, sample, "parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert [str(t) for t in table.schema.types] == ["int64", "double", "date32[day]", "bool", "string"]
    assert table["n"].to_pylist() == [1, None, -9]  # a code that is a number is one
    assert table["x"].to_pylist() == [0.5, 2.0, 3.25]
    assert table["day"].to_pylist() == [dt.date(2020, 2, 1), None, dt.date(1999, 12, 31)]
    assert table["yes"].to_pylist() == [False, True, True]
    assert table['te"xt, with'].to_pylist() == ['a "quoted", cell', None, "two\nlines; ü"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_empty_sample_keeps_its_columns(client: TestClient, mine: Any, form: str) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()), TABLE.slice(0, 0), Schema(COLUMNS))
    content = get(client, sample, form).content
    if form == "csv":
        assert list(csv.reader(io.StringIO(content.decode()))) == rows(TABLE)[:1]
    else:
        table = pq.read_table(io.BytesIO(content))
        assert (table.num_rows, table.column_names) == (0, TABLE.column_names)


def test_several_row_groups_and_chunks(client: TestClient, mine: Any) -> None:
    """Stored bytes larger than one chunk of storage."""
    size = BATCH_CELLS + 17
    keys = [f"{i * 2654435761 % 2**32:08x}{i * 40503 % 2**61:061x}"[:60] for i in range(size)]
    table = pa.table({"n": [str(i) for i in range(size)], "key": keys})
    schema = Schema((Column("n", Kind.INTEGER, storage="int64"), Column("key", Kind.IDENTIFIER)))
    sample = mine.sample(mine.synthesizer(mine.dataset()), table, schema)
    lines = get(client, sample, "csv").text.splitlines()
    assert lines[0] == "n,key"
    assert lines[1:] == [f"{i},{k}" for i, k in enumerate(keys)]
    back = pq.read_table(io.BytesIO(get(client, sample, "parquet").content))
    assert back["n"].to_pylist() == list(range(size))
    assert back["key"].to_pylist() == keys


def test_unknown_format(client: TestClient, mine: Any, check_problem: Callable[..., Any]) -> None:
    sample = mine.sample(mine.synthesizer(mine.dataset()))
    problem = check_problem(client.get(f"/v1/samples/{sample}/download?format=xlsx"), 422)
    assert problem["errors"][0]["loc"] == ["query", "format"]
    assert "xlsx" not in str(problem["errors"])


def test_list_and_get(client: TestClient, mine: Any) -> None:
    synthesizer = mine.synthesizer(mine.dataset())
    ids = {mine.sample(synthesizer) for _ in range(3)}
    page = client.get("/v1/samples?limit=2").json()
    following = client.get("/v1/samples", params={"cursor": page["next_cursor"]}).json()
    assert {s["id"] for s in page["items"] + following["items"]} == ids
    one = client.get(f"/v1/samples/{page['items'][0]['id']}").json()
    assert one == page["items"][0]
    assert (one["row_count"], one["synthesizer_id"], one["where"]) == (2, synthesizer, [])


def test_delete_waits_for_evaluations(client: TestClient, mine: Any, check_problem: Callable[..., Any]) -> None:
    sample = mine.everything()["sample_id"]
    job = client.post("/v1/jobs", json={"kind": "evaluate", "sample_id": sample}).json()["id"]
    check_problem(client.delete(f"/v1/samples/{sample}"), 409)
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert client.delete(f"/v1/samples/{sample}").status_code == 204


def test_delete_takes_reports_along(client: TestClient, mine: Any, check_problem: Callable[..., Any]) -> None:
    ids = mine.everything()
    before = mine.count(Blob)["blobs"]
    assert client.delete(f"/v1/samples/{ids['sample_id']}").status_code == 204
    assert mine.count(Sample, Report) == {"samples": 0, "reports": 0}
    assert mine.count(Blob)["blobs"] == before - 1
    check_problem(client.get(f"/v1/samples/{ids['sample_id']}/download"), 404)
    check_problem(client.get(f"/v1/reports/{ids['report_id']}"), 404)
    assert client.get(f"/v1/synthesizers/{ids['synthesizer_id']}").status_code == 200


def test_missing_bytes_are_an_answer(
    app: FastAPI, client: TestClient, mine: Any, check_problem: Callable[..., Any]
) -> None:
    """A blob whose chunks are lost gives a problem, not a shorter table."""
    sample = mine.sample(mine.synthesizer(mine.dataset()))
    with app.state.database.write() as session:
        from service.db.tables import BlobChunk

        blob = session.get_one(Sample, sample).table_blob_id
        session.query(BlobChunk).filter_by(blob_id=blob).delete()
    answer = client.get(f"/v1/samples/{sample}")
    assert answer.status_code == 200
    with pytest.raises(Exception, match="could not be finished"):
        client.get(f"/v1/samples/{sample}/download")
