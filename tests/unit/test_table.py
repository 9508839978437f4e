"""The stored form: columns to numbers and back, and writing CSV and Parquet in the source's own spelling."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidSchema
from models.schema import Column, Dialect, Kind, Schema
from models.streaming import stream_csv, stream_parquet, typed
from models.table import (
    BATCH_CELLS,
    GROUP_CELLS,
    GROUP_ROWS,
    StoredWriter,
    Table,
    format_datetimes,
    parquet_bytes,
    parse_datetimes,
    parse_number,
    read_values,
    stored_batches,
    to_frame,
    write_parquet,
    write_values,
)


def written(schema: Schema, **columns: list[str | None]) -> str:
    return b"".join(stream_csv(table_of(**columns).to_batches(), schema)).decode()


def table_of(**columns: list[str | None]) -> pa.Table:
    return pa.table(columns, schema=pa.schema([(n, pa.string()) for n in columns]))


def test_labels_and_codes() -> None:
    column = Column("x", Kind.CATEGORICAL, categories=("a", "b"), missing_codes=("", "?"))
    got = read_values(pa.array(["b", "?", "a", None, ""]), column)
    assert got.values.tolist() == [1, -1, 0, -1, -1]
    assert got.missing.tolist() == [-1, 1, -1, 0, 0]
    assert (got.values.dtype, got.missing.dtype) == (np.int32, np.int16)
    assert write_values(got, column).to_pylist() == ["b", "?", "a", "", ""]


@pytest.mark.parametrize(
    ("column", "words", "numbers"),
    [
        (Column("x", Kind.INTEGER), ["1", "-2", "0"], [1, -2, 0]),
        (Column("x", Kind.INTEGER, decimals=1, fixed_decimals=True), ["100.0", "-3.0"], [100, -3]),
        (Column("x", Kind.DECIMAL, decimals=2), ["1.5", "2", "-0.25"], [1.5, 2, -0.25]),
        (Column("x", Kind.DECIMAL, decimals=2, fixed_decimals=True), ["1.50", "2.00"], [1.5, 2]),
        (Column("x", Kind.WEIGHT, decimals=3), ["1.125", "7"], [1.125, 7]),
    ],
)
def test_numbers_keep_their_spelling(column: Column, words: list[str], numbers: list[float]) -> None:
    got = read_values(pa.array(words), column)
    assert got.values.tolist() == numbers
    assert write_values(got, column).to_pylist() == words


def test_missing_numbers() -> None:
    column = Column("x", Kind.INTEGER, missing_codes=("N", "-9"))
    got = read_values(pa.array(["5", "N", "-9", "7"]), column)
    assert np.isnan(got.values[1:3]).all()
    assert got.missing.tolist() == [-1, 0, 1, -1]
    assert write_values(got, column).to_pylist() == ["5", "N", "-9", "7"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("%Y-%m-%d", ["2015-07-01", "1066-10-14", "9999-12-31"]),
        ("%d/%m/%Y %H:%M", ["01/07/2015 03:04", "28/02/1999 23:59"]),
        ("%-d/%-m/%Y", ["1/7/2015", "31/12/1999"]),
        ("%Y-%m-%dT%H:%M:%SZ", ["2015-07-01T03:04:05Z"]),
    ],
)
def test_dates_keep_their_spelling(form: str, words: list[str]) -> None:
    column = Column("x", Kind.DATETIME, datetime_format=form, missing_codes=("",))
    got = read_values(pa.array([*words, ""]), column)
    assert write_values(got, column).to_pylist() == [*words, ""]
    assert got.values[0] == parse_datetimes(pa.array(words), form)[0]


def test_dates_are_seconds_since_1970() -> None:
    assert parse_datetimes(pa.array(["1970-01-02", "x", "2015-13-01"]), "%Y-%m-%d")[0] == 86_400
    assert np.isnan(parse_datetimes(pa.array(["x", "2015-13-01"]), "%Y-%m-%d")).all()
    moment = datetime(2262, 5, 1, tzinfo=UTC).timestamp()  # pandas alone cannot hold it
    assert parse_datetimes(pa.array(["2262-05-01"]), "%Y-%m-%d").tolist() == [moment]
    assert format_datetimes(np.array([0.0, moment]), "%d.%m.%Y") == ["01.01.1970", "01.05.2262"]


@pytest.mark.parametrize(
    ("column", "words", "line"),
    [
        (Column("pay", Kind.CATEGORICAL, categories=("a",)), ["a", "secret", "a"], 3),
        (Column("pay", Kind.INTEGER), ["1", "2", "secret"], 4),
        (Column("pay", Kind.INTEGER), ["1", "2.5"], 3),
        (Column("pay", Kind.DECIMAL), ["1", "inf"], 3),
        (Column("pay", Kind.DECIMAL), ["nan", "1"], 2),
        (Column("pay", Kind.DECIMAL), ["1_000", "1"], 2),
        (Column("pay", Kind.DATETIME, datetime_format="%Y-%m-%d"), ["2015-01-01", "01/02/2015"], 3),
        (Column("pay", Kind.INTEGER, missing_codes=("NA",)), ["1", ""], 3),
        (Column("pay", Kind.INTEGER), ["1", None], 3),
    ],
)
def test_cells_that_do_not_fit_name_column_and_line_only(column: Column, words: list[str | None], line: int) -> None:
    with pytest.raises(InvalidSchema) as caught:
        read_values(pa.array(words), column)
    assert caught.value.errors[0].loc == ("column", "pay")
    assert f"line {line})" in caught.value.message
    assert caught.value.hint
    assert "secret" not in str(caught.value.to_problem())


def test_blanks_around_numbers_are_read() -> None:
    assert read_values(pa.array([" 1", "2 "]), Column("x", Kind.INTEGER)).values.tolist() == [1, 2]
    assert np.isnan(parse_number(" "))
    assert np.isnan(parse_number("1_0"))


def test_identifiers_and_texts_are_codes_only() -> None:
    got = read_values(pa.array(["a", "", "b", "a"]), Column("x", Kind.TEXT, missing_codes=("",)))
    assert got.values.tolist()[0] == got.values.tolist()[3]
    assert got.missing.tolist() == [-1, 0, -1, -1]


def test_empty_columns() -> None:
    for column in (Column("x", Kind.INTEGER), Column("x", Kind.CATEGORICAL, categories=("a",))):
        assert len(read_values(pa.chunked_array([], pa.string()), column).values) == 0


def test_take_select_and_frame() -> None:
    schema = Schema(
        (
            Column("n", Kind.INTEGER, missing_codes=("",)),
            Column("s", Kind.CATEGORICAL, categories=("a", "b")),
            Column("d", Kind.DATETIME, datetime_format="%d/%m/%Y"),
            Column("id", Kind.IDENTIFIER),
        )
    )
    table = Table(schema, table_of(n=["1", "", "3"], s=["a", "b", "a"], d=["01/02/2015"] * 3, id=["x", "y", "z"]))
    assert len(table) == 3
    assert table.take(np.array([2, 0])).data["id"].to_pylist() == ["z", "x"]
    assert table.take(slice(1, 3)).data["id"].to_pylist() == ["y", "z"]
    assert table.select(["s", "n"]).schema.names == ["s", "n"]
    frame = to_frame(table)
    assert list(frame) == ["n", "s", "d"]
    assert frame["n"].isna().tolist() == [False, True, False]
    assert str(frame["d"][0].date()) == "2015-02-01"


TWO = (Column("t", Kind.TEXT), Column("n", Kind.INTEGER, storage="int64"))


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (Dialect(), 't,n\n"a,b",1\nplain,\n"q ""x""",-2\n'),
        (Dialect(delimiter=";"), 't;n\na,b;1\nplain;\n"q ""x""";-2\n'),
        (Dialect(quoting="text"), '"t","n"\n"a,b",1\n"plain",\n"q ""x""",-2\n'),
        (Dialect(quoting="all"), '"t","n"\n"a,b","1"\n"plain",\n"q ""x""","-2"\n'),
    ],
)
def test_csv_is_written_as_the_source_was(dialect: Dialect, expected: str) -> None:
    assert written(Schema(TWO, dialect), t=["a,b", "plain", 'q "x"'], n=["1", "", "-2"]) == expected


def test_csv_of_decimal_commas() -> None:
    schema = Schema(
        (Column("x", Kind.DECIMAL, decimals=1), Column("t", Kind.TEXT)), Dialect(delimiter=";", decimal_point=",")
    )
    assert written(schema, x=["1.5", "-0.5", "2"], t=["a.b", "c", "d"]) == "x;t\n1,5;a.b\n-0,5;c\n2;d\n"


def test_csv_of_nothing_and_of_one_column() -> None:
    assert b"".join(stream_csv([], Schema(TWO))) == b"t,n\n"
    assert written(Schema((Column("t", Kind.TEXT),)), t=["a", "", None, " b"]) == 't\na\n""\n""\n" b"\n'


def test_csv_is_one_piece_per_batch() -> None:
    batches = table_of(t=["a"] * 10, n=["1"] * 10).to_batches(max_chunksize=4)
    pieces = list(stream_csv(batches, Schema(TWO)))
    assert [p.count(b"\n") for p in pieces] == [1, 4, 4, 2]


SCHEMA = Schema(
    (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("x", Kind.DECIMAL, decimals=1, storage="double", missing_codes=("NA",)),
        Column("day", Kind.DATETIME, datetime_format="%d/%m/%Y", storage="date", missing_codes=("",)),
        Column("at", Kind.DATETIME, datetime_format="%Y-%m-%d %H:%M", storage="timestamp"),
        Column("ok", Kind.BOOLEAN, categories=("no", "yes"), storage="bool", missing_codes=("?",)),
        Column("t", Kind.CATEGORICAL, categories=("a",), missing_codes=("", "X")),
    )
)
ROWS: dict[str, list[str | None]] = {
    "id": ["123456789012345678", "2"],
    "x": ["0.5", "NA"],
    "day": ["01/02/2015", ""],
    "at": ["2015-02-01 03:04", "9999-12-31 00:00"],
    "ok": ["yes", "?"],
    "t": ["X", ""],
}


def test_parquet_is_typed() -> None:
    content = b"".join(stream_parquet(table_of(**ROWS).to_batches(), SCHEMA))
    back = pq.read_table(io.BytesIO(content))
    assert [str(f.type) for f in back.schema] == ["int64", "double", "date32[day]", "timestamp[us]", "bool", "string"]
    assert back["id"].to_pylist() == [123456789012345678, 2]
    assert back["x"].to_pylist() == [0.5, None]
    assert [str(d) for d in back["day"].to_pylist()] == ["2015-02-01", "None"]
    assert [str(d) for d in back["at"].to_pylist()] == ["2015-02-01 03:04:00", "9999-12-31 00:00:00"]
    assert back["ok"].to_pylist() == [True, None]
    assert back["t"].to_pylist() == ["X", None]


def test_parquet_of_nothing() -> None:
    assert pq.read_table(io.BytesIO(b"".join(stream_parquet([], SCHEMA)))).num_rows == 0


def test_codes_that_do_not_fit_the_type_become_null() -> None:
    column = Column("x", Kind.INTEGER, storage="int64", missing_codes=("N",))
    assert typed(pa.array(["1", "N", "2.0", None, "1e30"]), column).to_pylist() == [1, None, 2, None, None]


def test_stored_batches_hold_so_many_cells(tmp_path: Any) -> None:
    table = table_of(n=[str(i) for i in range(BATCH_CELLS + 5)])
    write_parquet(table, tmp_path / "t.parquet")
    assert [b.num_rows for b in stored_batches(tmp_path / "t.parquet")] == [BATCH_CELLS, 5]
    assert pq.read_table(io.BytesIO(parquet_bytes(table))).equals(table)


def test_a_wide_table_is_stored_and_streamed_in_few_rows(tmp_path: Any) -> None:
    table = table_of(**{f"c{i}": ["1"] * 3_000 for i in range(2_000)})
    write_parquet(table, tmp_path / "t.parquet")
    file = pq.ParquetFile(tmp_path / "t.parquet")
    groups = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    assert groups == [GROUP_CELLS // 2_000, 3_000 - GROUP_CELLS // 2_000]
    assert max(b.num_rows for b in stored_batches(tmp_path / "t.parquet")) == BATCH_CELLS // 2_000
    assert pq.read_table(tmp_path / "t.parquet").equals(table)


def test_stored_in_any_pieces_it_is_the_same(tmp_path: Any) -> None:
    table = table_of(n=[str(i) for i in range(2 * GROUP_ROWS + 9)])
    with StoredWriter(tmp_path / "t.parquet", ["n"]) as writer:
        for batch in table.to_batches(max_chunksize=7_001):
            writer.write(batch)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(g).num_rows for g in range(3)] == [GROUP_ROWS, GROUP_ROWS, 9]
    assert file.read().equals(table)


def test_streaming_does_without_pandas() -> None:
    """It would add 45 MB to the API process."""
    code = """
import sys
from models.schema import Column, Dialect, Kind, Schema
from models.streaming import stream_csv, stream_parquet, words_array
import pyarrow as pa
columns = (
    Column("i", Kind.INTEGER, storage="int64"),
    Column("x", Kind.DECIMAL, storage="double", missing_codes=("", "?")),
    Column("day", Kind.DATETIME, datetime_format="%Y-%m-%d", storage="date"),
    Column("at", Kind.DATETIME, datetime_format="%d %b %Y %H:%M", storage="timestamp"),
    Column("ok", Kind.BOOLEAN, categories=("f", "t"), storage="bool"),
)
rows = pa.RecordBatch.from_arrays(
    [words_array(c) for c in (["1", "x"], ["?", "2.5"], ["2015-01-02", ""], ["01 Feb 2015 03:04", ""], ["t", ""])],
    names=[c.name for c in columns],
)
schema = Schema(columns, Dialect(quoting="all"))
assert list(stream_csv([rows], schema)) and list(stream_parquet([rows], schema))
assert "pandas" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.decimals(-1_000, 1_000, places=2), min_size=1, max_size=20), st.booleans())
def test_any_numbers_are_written_back(numbers: list[Any], fixed: bool) -> None:
    column = Column("x", Kind.DECIMAL, decimals=2, fixed_decimals=fixed)
    words = [f"{n + 0:.2f}" if fixed else f"{float(n) + 0.0:g}" for n in numbers]
    words = [w.replace("-0.00", "0.00") if w == "-0.00" else w for w in words]
    got = read_values(pa.array(words), column)
    again = read_values(write_values(got, column), column)
    assert np.array_equal(again.values, np.round(got.values, 2))
