"""Uploads and downloads: streamed, named, never half-written."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from populace import ApiError, Client
from populace.sources import CHUNK, open_source

TABLE = b"a,b\n1,x\n2,y\n"


class Uploads(httpx.BaseTransport):
    def __init__(self) -> None:
        self.seen: list[tuple[httpx.Request, list[int], bytes]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        parts = list(request.stream)  # type: ignore[arg-type]
        self.seen.append((request, [len(p) for p in parts], b"".join(parts)))
        return httpx.Response(202, json={"id": "d", "state": "pending", "job_id": "j", "bytes": 12, "name": "n"})


@pytest.fixture
def uploads() -> Uploads:
    return Uploads()


@pytest.fixture
def client(uploads: Uploads) -> Iterator[Client]:
    with Client("http://service", "k", transport=uploads) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("t.csv", "text/csv"),
        ("t.csv.gz", "application/gzip"),
        ("t.PARQUET", "application/vnd.apache.parquet"),
        ("t", "application/octet-stream"),
    ],
)
def test_a_path_is_sent_as_it_is(client: Client, uploads: Uploads, tmp_path: Path, name: str, media: str) -> None:
    (tmp_path / name).write_bytes(TABLE)
    dataset = client.datasets.upload(tmp_path / name)
    request, _, body = uploads.seen[0]
    assert body == TABLE
    assert request.headers["Content-Type"] == media
    assert request.headers["Content-Length"] == str(len(TABLE))
    assert request.url.params["name"] == name
    assert (dataset.id, dataset.job_id, dataset.raw["state"]) == ("d", "j", "pending")


def test_a_target_is_sent_where_one_is_given(client: Client, uploads: Uploads) -> None:
    client.datasets.upload(TABLE)
    client.datasets.upload(TABLE, target="in come")
    assert [request.url.params.get("target") for request, _, _ in uploads.seen] == [None, "in come"]


def test_a_large_file_goes_in_pieces(client: Client, uploads: Uploads, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_bytes(b"x" * (3 * CHUNK + 5))
    client.datasets.upload(file)
    assert uploads.seen[0][1] == [CHUNK, CHUNK, CHUNK, 5]


def test_bytes_files_and_pipes(client: Client, uploads: Uploads, tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        parts = [TABLE, b""]

        def read(self, size: int = -1) -> bytes:
            return self.parts.pop(0)

        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe")

    file = io.BytesIO(b"skipped" + TABLE)
    file.seek(7)
    pipe: Any = Pipe()
    for source in (TABLE, file, pipe):
        client.datasets.upload(source, name="t.csv")
    assert [body for _, _, body in uploads.seen] == [TABLE] * 3
    assert uploads.seen[1][0].headers["Content-Length"] == str(len(TABLE))
    assert uploads.seen[2][0].headers["Transfer-Encoding"] == "chunked"


def test_a_frame_is_sent_as_parquet(client: Client, uploads: Uploads) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    client.datasets.upload(frame)
    request, _, body = uploads.seen[0]
    assert request.headers["Content-Type"] == "application/vnd.apache.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(body)), frame)


def test_what_cannot_be_uploaded() -> None:
    with pytest.raises(TypeError, match="DataFrame"), open_source(5):  # type: ignore[arg-type]
        pass
    with pytest.raises(FileNotFoundError), open_source("does-not-exist.csv"):
        pass


class Downloads:
    """Breaks off the first `broken` times."""

    def __init__(self, broken: int = 0) -> None:
        self.broken, self.params = broken, list[httpx.QueryParams]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.params.append(request.url.params)
        fails = len(self.params) <= self.broken

        def body() -> Iterator[bytes]:
            yield TABLE[:5]
            if fails:
                raise httpx.ReadError("reset")
            yield TABLE[5:]

        return httpx.Response(200, content=body())

    def client(self) -> Client:
        return Client("http://service", "k", transport=httpx.MockTransport(self))


@pytest.mark.parametrize(("name", "format"), [("o.csv", "csv"), ("o.csv.gz", "csv"), ("o.parquet", "parquet")])
def test_the_name_decides_the_format(tmp_path: Path, name: str, format: str) -> None:
    service = Downloads()
    with service.client() as client:
        assert client.samples.download("s", tmp_path / name) == tmp_path / name
    assert service.params[0]["format"] == format
    found = (tmp_path / name).read_bytes()
    assert (gzip.decompress(found) if name.endswith("gz") else found) == TABLE


def test_an_unknown_ending_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    service = Downloads()
    with service.client() as client, pytest.raises(ValueError, match=r"\.parquet"):
        client.samples.download("s", tmp_path / "o.xlsx")
    assert service.params == []


def test_a_broken_download_starts_again(tmp_path: Path) -> None:
    service = Downloads(broken=2)
    with service.client() as client:
        client.samples.download("s", tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_bytes() == TABLE
    assert len(service.params) == 3


def test_a_download_that_stays_broken_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_bytes(b"old")
    with Downloads(broken=9).client() as client, pytest.raises(ApiError):
        client.samples.download("s", tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["o.csv"]


def test_download_into_a_file_object() -> None:
    sink = io.BytesIO()
    with Downloads().client() as client:
        assert client.samples.download("s", sink) is None
    assert sink.getvalue() == TABLE


def test_lists_are_walked_page_by_page() -> None:
    pages = {
        None: {"total": 3, "items": [{"id": "1"}, {"id": "2"}], "next_cursor": "c"},
        "c": {"total": 3, "items": [{"id": "3"}], "next_cursor": None},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    with Client("http://service", "k", transport=httpx.MockTransport(handler)) as client:
        page = client.samples.list(limit=2)
        assert (page.total, len(page), page.next_cursor) == (3, 2, "c")
        assert [s.id for s in client.samples.each()] == ["1", "2", "3"]
