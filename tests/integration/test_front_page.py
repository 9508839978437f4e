"""The page at /: for people without a key yet."""

import base64
import hashlib
import re
from typing import Any

from fastapi.testclient import TestClient

from service.web.routes import page


def test_front_page_needs_no_key_and_loads_nothing(anonymous: TestClient) -> None:
    answer = anonymous.get("/")
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
    assert "~/.populace/key" in page("embedded")[0]
    assert "~/.populace/key" not in page("full")[0]
