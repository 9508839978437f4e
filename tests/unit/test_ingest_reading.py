"""Reading uploads: what is accepted, and what is refused with code, place and hint but without a cell's content."""

from __future__ import annotations

import gzip
import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.errors import InvalidData, PopulaceError, TooLarge, UnsupportedMedia
from models.ingest import Limits, read_upload
from models.schema import Column, Dialect, Kind, Schema
from models.streaming import stream_csv

SECRET = "s3cr3t-cell"


def put(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refuse(folder: Path, content: bytes, kind: type[PopulaceError], limits: Limits | None = None) -> PopulaceError:
    with pytest.raises(kind) as caught:
        read_upload(put(folder, content), filename="table.csv", limits=limits)
    problem = caught.value.to_problem()
    assert 400 <= problem["status"] < 500
    assert problem["hint"]
    assert SECRET not in json.dumps(problem)
    return caught.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_delimiters_line_ends_and_gzip(tmp_path: Path, delimiter: str, ends: str, packed: bool) -> None:
    lines = ["a|b|c", "1|x y|0.5", '2|"q ""r"""|', "3||7"]
    content = ends.join(line.replace("|", delimiter) for line in lines).encode() + ends.encode()
    upload = read_upload(put(tmp_path, gzip.compress(content) if packed else content))
    assert upload.data.to_pydict() == {"a": ["1", "2", "3"], "b": ["x y", 'q "r"', ""], "c": ["0.5", "", "7"]}
    assert upload.dialect == Dialect("csv", delimiter, "utf-8")
    assert upload.storages == {}


def test_delimiter_is_not_taken_from_inside_texts(tmp_path: Path) -> None:
    content = b"id;note\n1;a, b, c\n2;d, e\n3;f|g|h, i\n"
    assert read_upload(put(tmp_path, content)).data.column_names == ["id", "note"]


def test_quoted_cells_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = b'a,b\n1,"x, y"\n2,"line one\nline two"\n3,"say ""hi"""\n'
    assert read_upload(put(tmp_path, content)).data["b"].to_pylist() == ["x, y", "line one\nline two", 'say "hi"']


@pytest.mark.parametrize(
    ("encoding", "mark", "found"),
    [
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
    ],
)
def test_encodings_are_found(tmp_path: Path, encoding: str, mark: bytes, found: str) -> None:
    content = mark + "name,n\nZoë,1\nÅsa,2\n".encode(encoding)
    upload = read_upload(put(tmp_path, content))
    assert upload.data.to_pydict() == {"name": ["Zoë", "Åsa"], "n": ["1", "2"]}
    assert upload.dialect.encoding == found


def test_a_declared_encoding_is_used(tmp_path: Path) -> None:
    content = "name,n\nZoë,1\nÅsa,2\n".encode("windows-1252")
    assert read_upload(put(tmp_path, content), encoding="windows-1252").data["name"].to_pylist() == ["Zoë", "Åsa"]
    with pytest.raises(InvalidData, match="encoding"):
        read_upload(put(tmp_path, content), encoding="klingon")


def test_blanks_after_delimiters_are_skipped(tmp_path: Path) -> None:
    content = b'age, work, pay\n39, State-gov, <=50K\n50, "Self, emp", >50K\n38, ?, <=50K\n'
    upload = read_upload(put(tmp_path, content))
    assert upload.data.column_names == ["age", "work", "pay"]
    assert upload.data["work"].to_pylist() == ["State-gov", "Self, emp", "?"]


def test_decimal_commas_are_respelled_and_written_back(tmp_path: Path) -> None:
    content = b"x;n;t\n1,5;1;a\n-2,25;2;b,c\n;3;d\n"
    upload = read_upload(put(tmp_path, content))
    assert upload.data["x"].to_pylist() == ["1.5", "-2.25", ""]
    assert upload.data["t"].to_pylist() == ["a", "b,c", "d"]
    assert upload.dialect.decimal_point == ","
    schema = Schema(
        (
            Column("x", Kind.DECIMAL, decimals=2, storage="double"),
            Column("n", Kind.INTEGER, storage="int64"),
            Column("t", Kind.TEXT),
        ),
        upload.dialect,
    )
    assert b"".join(stream_csv(upload.data.to_batches(), schema)) == content


@pytest.mark.parametrize(
    ("rows", "quoting"),
    [
        ('"a","1"\n"b","2"\n', "all"),
        ('"a",1\n"b",2\n', "text"),
        ('"a, b",1\nc,2\n', "minimal"),
        ("a,1\nb,2\n", "minimal"),
    ],
)
def test_quoting_is_found(tmp_path: Path, rows: str, quoting: str) -> None:
    assert read_upload(put(tmp_path, b"t,n\n" + rows.encode())).dialect.quoting == quoting


def test_a_single_column_with_blank_cells(tmp_path: Path) -> None:
    assert read_upload(put(tmp_path, b'a\n1\n""\n3\n')).data["a"].to_pylist() == ["1", "", "3"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"   ", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_empty(tmp_path: Path, content: bytes) -> None:
    assert "empty" in refuse(tmp_path, content, InvalidData).message


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"a,b\r\n\r\n", b"\xef\xbb\xbfa,b\n"])
def test_header_only(tmp_path: Path, content: bytes) -> None:
    error = refuse(tmp_path, content, InvalidData)
    assert "no row" in error.message
    assert "rows" in error.hint


def test_one_row(tmp_path: Path) -> None:
    error = refuse(tmp_path, f"a,b\n1,{SECRET}\n".encode(), InvalidData)
    assert "1 row" in error.message


@pytest.mark.parametrize(
    ("content", "line", "cells"),
    [
        (f"a,b,c\n1,2,3\n1,{SECRET}\n1,2,3\n", 3, 2),
        (f"a,b,c\n1,2,3\n4,5,6\n1,2,3,{SECRET}\n", 4, 4),
        (f'a,b,c\n"x\ny\nz",2,3\n\n1,{SECRET}\n', 6, 2),
        (f"a, b, c\n1, 2, 3\n1, {SECRET}\n", 3, 2),
    ],
)
def test_ragged_rows_name_the_line_of_the_file(tmp_path: Path, content: str, line: int, cells: int) -> None:
    error = refuse(tmp_path, content.encode(), InvalidData)
    assert error.errors[0].loc == ("line", line)
    assert f"Line {line} has {cells} cells" in error.message


def test_ragged_row_far_into_the_file(tmp_path: Path) -> None:
    limits = Limits(max_row_bytes=4096)
    content = "a,b\n" + "1,2\n" * 50_000 + f"{SECRET}\n" + "1,2\n" * 10
    assert refuse(tmp_path, content.encode(), InvalidData, limits).errors[0].loc == ("line", 50_002)


def test_repeated_and_empty_column_names_are_all_named(tmp_path: Path) -> None:
    error = refuse(tmp_path, b"a,b,a,c,b\n1,2,3,4,5\n1,2,3,4,5\n", InvalidData)
    assert "'a' (columns 1, 3)" in error.message
    assert "'b' (columns 2, 5)" in error.message
    assert [e.loc for e in error.errors] == [("line", 1, "column", "a"), ("line", 1, "column", "b")]
    error = refuse(tmp_path, b"a,,c, \n1,2,3,4\n1,2,3,4\n", InvalidData)
    assert "Column" in error.message
    assert [e.loc for e in error.errors] == [("line", 1, "column", 2), ("line", 1, "column", 4)]
    assert "index" in refuse(tmp_path, b",a,b\n0,1,2\n1,3,4\n", InvalidData).hint


def test_a_header_that_looks_like_data_is_refused_without_quoting_it(tmp_path: Path) -> None:
    error = refuse(tmp_path, f"39,{SECRET},77516\n50,x,83311\n38,y,215646\n".encode(), InvalidData)
    assert error.errors[0].loc == ("line", 1)
    assert read_upload(put(tmp_path, b"0,1,2\n5,6,7\n8,9,1\n")).data.num_rows == 2


def test_wrong_encoding_names_the_line(tmp_path: Path) -> None:
    content = b"a,b\n1,x\n2," + SECRET.encode() + b"\xff\xe9\n3,y\n"
    error = refuse(tmp_path, content, InvalidData)
    assert error.errors[0].loc == ("line", 3)
    assert "UTF-8" in error.hint


def test_wrong_encoding_beyond_the_sample(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 50_000 + b"2,\xe9\n"
    assert refuse(tmp_path, content, InvalidData).errors[0].loc == ("line", 50_002)


@pytest.mark.parametrize("packed", [False, True])
def test_nul_bytes_name_the_line(tmp_path: Path, packed: bool) -> None:
    content = b"a,b\n1,2\n3,4\n5," + SECRET.encode() + b"\x00\n"
    error = refuse(tmp_path, gzip.compress(content) if packed else content, InvalidData)
    assert error.errors[0].loc == ("line", 4)
    assert "NUL" in error.message


def archive() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("table.csv", "a,b\n1,2\n")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"<!DOCTYPE html>\n<html><body>a,b</body></html>", "HTML"),
        (b"\xef\xbb\xbf\n <HTML><table><tr><td>1</td></tr></table>", "HTML"),
        (b'<?xml version="1.0"?><rows/>', "HTML or XML"),
        (b'{"a": [1, 2]}\n', "JSON"),
        (b'[{"a": 1}, {"a": 2}]', "JSON"),
        (archive(), "ZIP"),
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Office"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\x80\x04\x95\x10\x00\x00\x00", "pickle"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"x" * 257 + b"ustar  ", "tar"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_other_kinds_of_file_are_named(tmp_path: Path, content: bytes, word: str, packed: bool) -> None:
    error = refuse(tmp_path, gzip.compress(content) if packed else content, UnsupportedMedia)
    assert word in error.message
    assert "CSV" in error.hint
    assert error.status == 415


def test_ten_thousand_columns(tmp_path: Path) -> None:
    header = ",".join(f"column_{i}" for i in range(10_000))
    content = f"{header}\n" + f"{','.join(['1'] * 10_000)}\n" * 2
    error = refuse(tmp_path, content.encode(), TooLarge)
    assert "10,000 columns" in error.message
    assert "2,000" in error.hint
    assert read_upload(put(tmp_path, content.encode()), limits=Limits(max_columns=10_000)).data.num_columns == 10_000


def test_row_cell_and_byte_limits(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * 1_000
    assert "rows" in refuse(tmp_path, content, TooLarge, Limits(max_rows=999)).message
    assert "cells" in refuse(tmp_path, content, TooLarge, Limits(max_cells=1_999)).message
    assert "bytes" in refuse(tmp_path, content, TooLarge, Limits(max_bytes=1_000)).message
    assert read_upload(put(tmp_path, content), limits=Limits(max_rows=1_000, max_cells=2_000)).data.num_rows == 1_000


def test_huge_cells(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n1," + b"x" * 3_000_000 + b"\n1,2\n"
    error = refuse(tmp_path, content, TooLarge, Limits(max_row_bytes=1 << 20))
    assert "1 MiB" in error.message


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    content = f'a,b\n1,2\n3,"{SECRET}\n4,5\n6,7\n'
    assert "quote" in refuse(tmp_path, content.encode(), InvalidData).message.lower()


def bomb(mebibytes: int) -> bytes:
    out = BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b"a,b\n")
        for _ in range(mebibytes):
            file.write(b"0,0\n" * (1 << 18))
    return out.getvalue()


def test_gzip_bomb_is_refused_while_it_unpacks(tmp_path: Path) -> None:
    packed = bomb(80)
    assert len(packed) < 1 << 20
    assert "unpacks" in refuse(tmp_path, packed, TooLarge, Limits(max_bytes=16 << 20)).message
    assert "unpacks" in refuse(tmp_path, packed, TooLarge, Limits(ratio_floor=8 << 20, max_ratio=100)).message


@pytest.mark.parametrize("cut", [12, 200, -1, -6])
def test_truncated_or_damaged_gzip(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress("".join(f"{i},{i * i}\n" for i in range(2_000)).encode())
    assert "gzip" in refuse(tmp_path, packed[:cut], InvalidData).message
    broken = bytearray(packed)
    broken[-5] ^= 0xFF
    assert "gzip" in refuse(tmp_path, bytes(broken), InvalidData).message


def test_gzip_members_follow_each_other(tmp_path: Path) -> None:
    content = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n") + b"\0" * 10
    assert read_upload(put(tmp_path, content)).data["a"].to_pylist() == ["1", "3"]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 4).flatmap(lambda w: st.lists(st.lists(CELLS, min_size=w, max_size=w), min_size=2, max_size=6)),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["minimal", "text", "all"]),
)
def test_written_tables_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], d: str, q: str
) -> None:
    """stream_csv then read_upload gives every cell back, whatever it holds."""
    import pyarrow as pa

    names = [f"c{i}" for i in range(len(rows[0]))]
    assume(len(names) > 1 or d == ",")  # nothing in a file of one column tells its delimiter
    schema = Schema(tuple(Column(n, Kind.TEXT) for n in names), Dialect("csv", d, quoting=q))
    data = pa.table([pa.array(c, pa.string()) for c in zip(*rows, strict=True)], names=names)
    path = put(tmp_path_factory.mktemp("t"), b"".join(stream_csv(data.to_batches(), schema)))
    assert read_upload(path).data.to_pydict() == data.to_pydict()
