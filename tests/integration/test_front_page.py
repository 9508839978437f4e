"""The page at /: for people without a key yet."""

import base64
import hashlib
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.web.routes import page


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_no_key_and_load_nothing(anonymous: TestClient, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert not re.search(r"<(script|link|img|iframe)\b", answer.text)


def test_its_links_work(anonymous: TestClient) -> None:
    links = re.findall(r'href="([^"]+)"', anonymous.get("/").text)
    assert "/docs" in links
    for link in links:
        assert anonymous.get(link).status_code == 200, link


def test_it_shows_no_data(client: TestClient, anonymous: TestClient, mine: Any) -> None:
    ids = mine.everything()
    text = anonymous.get("/").text
    assert not any(i in text for i in ids.values())
    assert client.headers["Authorization"].removeprefix("Bearer ") not in text


def test_full_mode_names_no_key_file() -> None:
    assert "~/.populace/key" in page("front.html", mode="embedded")
    assert "~/.populace/key" not in page("front.html", mode="full")


def test_reference_names_every_call_with_its_fields(anonymous: TestClient) -> None:
    text = anonymous.get("/docs").text
    paths = anonymous.get("/openapi.json").json()["paths"]
    assert len(paths) > 15
    assert all(f"<code>{path}</code>" in text for path in paths)
    for field in ("dataset_id", "where", "idempotency-key", "multipart/form-data"):
        assert field in text
