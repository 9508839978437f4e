"""Frames of uploads that are made to hurt."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.db.tables import Blob, BlobChunk, Dataset

PART = b'Content-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\na,b\n1,2\n\r\n'


@pytest.mark.parametrize("length", [257, 5000])
def test_endless_boundary(
    length: int, client: TestClient, mine: Any, check_problem: Callable[..., dict[str, Any]]
) -> None:
    boundary = b"B" * length
    body = b"--" + boundary + b"\r\n" + PART + b"--" + boundary + b"--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    problem = check_problem(client.post("/v1/datasets", content=body, headers=headers), 422, "invalid_input")
    assert "boundary" in problem["detail"]
    assert set(mine.count(Blob, BlobChunk, Dataset).values()) == {0}


def test_many_foreign_parts(client: TestClient, mine: Any) -> None:
    """Fields that nobody asked for are read past, and leave nothing."""
    others = b"".join(b'--B\r\nContent-Disposition: form-data; name="p%d"\r\n\r\nv\r\n' % i for i in range(5_000))
    answer = client.post(
        "/v1/datasets",
        content=others + b"--B\r\n" + PART + b"--B--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    assert answer.status_code == 202
    assert answer.json()["bytes"] == 8
    assert mine.count(Blob, Dataset) == {"blobs": 1, "datasets": 1}
