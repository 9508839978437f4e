"""Parquet: canonical spellings, storage types, and files that lie about themselves."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import InvalidData, PopulaceError, TooLarge
from models.ingest import Limits, Upload, infer_schema, read_upload
from models.ingest.parquet_reading import read_parquet
from models.progress import SILENT
from models.schema import Dialect, Kind

D = dt.datetime


def put(folder: Path, columns: dict[str, Any] | pa.Table) -> Path:
    path = folder / "table.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return path


def read(path: Path, limits: Limits | None = None) -> Upload:
    """Without the rehearsal in another process, which takes its time."""
    data, storages = read_parquet(path, limits or Limits(), SILENT)
    return Upload(data, Dialect("parquet"), storages)


def refuse(path: Path, kind: type[PopulaceError], limits: Limits | None = None) -> PopulaceError:
    with pytest.raises(kind) as caught:
        read(path, limits)
    problem = caught.value.to_problem()
    assert 400 <= problem["status"] < 500
    assert problem["hint"]
    json.dumps(problem)
    return caught.value


@pytest.mark.parametrize(
    ("array", "spelled", "storage"),
    [
        (pa.array([1, None, -3], pa.int32()), ["1", None, "-3"], "int64"),
        (pa.array([1.0, 0.1, None, 1e20, 1e-7]), ["1", "0.1", None, "100000000000000000000", "0.0000001"], "double"),
        (pa.array([0.1, 2.5, float("nan")], pa.float32()), ["0.1", "2.5", None], "double"),
        (pa.array([True, False, None]), ["true", "false", None], "bool"),
        (pa.array(["a", "", None]), ["a", "", None], "string"),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], "string"),
        (pa.array([dt.date(2015, 7, 1), None]), ["2015-07-01", None], "date"),
        (pa.array([D(2015, 7, 1, 3, 4, 5), D(2016, 1, 1)], pa.timestamp("ns")),
         ["2015-07-01 03:04:05", "2016-01-01 00:00:00"], "timestamp"),
        (pa.array([D(2015, 7, 1, 3, 4, 5, 250_000), D(2016, 1, 1)], pa.timestamp("us")),
         ["2015-07-01 03:04:05.250000", "2016-01-01 00:00:00.000000"], "timestamp"),
        (pa.array([D(2015, 7, 1, 3)] * 2, pa.timestamp("s", "Asia/Tokyo")), ["2015-07-01 03:00:00"] * 2, "timestamp"),
        (pa.array([decimal.Decimal("12.50"), decimal.Decimal("3.00")]), ["12.50", "3.00"], "double"),
        (pa.array([dt.time(3, 4, 5), None]), ["03:04:05", None], "string"),
    ],
)  # fmt: skip
def test_canonical_spelling(tmp_path: Path, array: pa.Array, spelled: list[str | None], storage: str) -> None:
    upload = read(put(tmp_path, {"home.dest": array, "home": array}))
    assert upload.data["home"].to_pylist() == spelled
    assert upload.data["home.dest"].null_count == spelled.count(None)
    assert upload.storages == {"home.dest": storage, "home": storage}


def test_kinds_follow_the_types(tmp_path: Path) -> None:
    n = 40
    table = {
        "flag": pa.array([i % 3 == 0 for i in range(n)]),
        "day": pa.array([dt.date(2015, 1, 1) + dt.timedelta(days=i) for i in range(n)]),
        "whole": pa.array([None if i % 5 == 0 else float(i * 7 % 37) for i in range(n)]),
        "price": pa.array([i / 4 for i in range(n)]),
        "label": pa.array(["x", "y", None, "z"] * 10),
    }
    upload = read_upload(put(tmp_path, table))
    schema = infer_schema(*upload)
    kinds = {c.name: c.kind for c in schema.columns}
    assert kinds == {
        "flag": Kind.BOOLEAN,
        "day": Kind.DATETIME,
        "whole": Kind.INTEGER,
        "price": Kind.DECIMAL,
        "label": Kind.CATEGORICAL,
    }
    assert schema["flag"].categories == ("false", "true")
    assert schema["whole"].storage == "double"
    assert schema["whole"].missing_codes == schema["label"].missing_codes == ("",)
    assert schema["day"].datetime_format == "%Y-%m-%d"


def test_infinities_name_column_and_row(tmp_path: Path) -> None:
    error = refuse(put(tmp_path, {"a": ["x", "y", "z"], "income": [1.0, float("-inf"), 2.0]}), InvalidData)
    assert error.errors[0].loc == ("column", "income", "row", 2)
    assert "finite" in error.hint


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[1], [2, 3]]),
        pa.array([{"x": 1}, {"x": 2}]),
        pa.array([dt.timedelta(seconds=1)] * 2),
    ],
)
def test_nested_and_foreign_types_name_the_column(tmp_path: Path, array: pa.Array) -> None:
    error = refuse(put(tmp_path, {"fine": ["a", "b"], "basket": array}), InvalidData)
    assert error.errors[0].loc == ("column", "basket")
    assert "Flatten" in error.hint


def test_bytes_and_nul_characters(tmp_path: Path) -> None:
    assert "basket" in refuse(put(tmp_path, {"basket": pa.array([b"\xff\xfe", b"a"])}), InvalidData).message
    error = refuse(put(tmp_path, {"basket": ["a", "b\0c"]}), InvalidData)
    assert error.errors[0].loc == ("column", "basket", "row", 2)


def test_empty_and_tiny_tables(tmp_path: Path) -> None:
    assert "no row" in refuse(put(tmp_path, {"a": pa.array([], pa.int64())}), InvalidData).message
    assert "1 row" in refuse(put(tmp_path, {"a": [1]}), InvalidData).message


def test_repeated_names(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"])
    assert "'a'" in refuse(put(tmp_path, table), InvalidData).message


def test_limits_hold_before_anything_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, {f"c{i}": [1, 2, 3] for i in range(20)})
    assert "columns" in refuse(path, TooLarge, Limits(max_columns=19)).message
    assert "rows" in refuse(path, TooLarge, Limits(max_rows=2)).message
    assert "bytes" in refuse(path, TooLarge, Limits(max_bytes=100)).message
    flat = put(tmp_path, {"a": ["x" * 100_000] * 2_000})
    assert "unpacks" in refuse(flat, TooLarge, Limits(ratio_floor=10_000, max_ratio=5)).message


def footer(content: bytes) -> tuple[int, int]:
    length = int.from_bytes(content[-8:-4], "little")
    return len(content) - 8 - length, length


def test_lying_footers(tmp_path: Path) -> None:
    path = put(tmp_path, {"a": list(range(1_000)), "b": [str(i) for i in range(1_000)]})
    content = path.read_bytes()
    start, _ = footer(content)
    lies = {
        "longer than file": content[:-8] + (1 << 30).to_bytes(4, "little") + b"PAR1",
        "negative": content[:-8] + b"\xff\xff\xff\xff" + b"PAR1",
        "cut": content[: len(content) // 2],
        "no end": content[:-4] + b"XXXX",
        "only magic": b"PAR1PAR1",
        "no data": b"PAR1" + content[start:],
        "zeroed": content[:start] + bytes(len(content) - start - 8) + content[-8:],
    }
    for lie in lies.values():
        path.write_bytes(lie)
        assert "Parquet file is damaged" in refuse(path, InvalidData).message


def test_a_changed_byte_of_the_footer_reads_or_is_refused(tmp_path: Path) -> None:
    """No lie about the number of rows passes, and no damage ends this process (some bytes make Arrow abort its own)."""
    path = put(tmp_path, {"a": list(range(300)), "b": [str(i) for i in range(300)]})
    content = path.read_bytes()
    start, length = footer(content)
    for at in range(start, start + length, max(7, length // 6)):
        changed = bytearray(content)
        changed[at] ^= 0x7F
        path.write_bytes(bytes(changed))
        try:
            upload = read_upload(path)
        except PopulaceError:
            continue
        assert upload.data.num_rows == 300


def test_a_footer_that_claims_more_rows(tmp_path: Path) -> None:
    path = put(tmp_path, {"a": list(range(100))})
    content = path.read_bytes()
    start, _ = footer(content)
    rows = bytes([0xC8, 0x01])  # 100 as a zigzag varint
    claimed = content[:start] + content[start:].replace(rows, bytes([0xC8, 0x7F]))
    assert claimed != content
    path.write_bytes(claimed)
    assert "damaged" in refuse(path, InvalidData).message
