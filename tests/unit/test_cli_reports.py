"""populace reports: which edition is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from populace.cli import app
from populace.resources.reports import Reports
from populace.scorecard import beside
from populace.transport import Transport

run = CliRunner().invoke
BODY = {"id": "rep_1", "edition": "internal", "marking": "Internal: not for release.", "metrics": [], "sections": {}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Parameters of the requests that the commands send."""
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        return httpx.Response(200, json=BODY)

    first = Transport.__init__

    def init(self: Transport, *args: Any, **kwargs: Any) -> None:
        first(self, *args, **{**kwargs, "transport": httpx.MockTransport(answer)})

    monkeypatch.setattr(Transport, "__init__", init)
    monkeypatch.setenv("POPULACE_API_KEY", "pop_a_b")
    monkeypatch.setenv("POPULACE_URL", "http://service")
    return seen


def test_the_service_chooses_unless_an_edition_is_named(asked: list[dict[str, str]], tmp_path: Path) -> None:
    for args in (["show", "rep_1"], ["score", "rep_1"], ["download", "rep_1", str(tmp_path / "a.html")]):
        for more, edition in (([], None), (["--edition", "internal"], "internal"), (["--edition", "public"], "public")):
            done = run(app, ["reports", *args, *more])
            assert done.exit_code == 0, done.output
            assert asked[-1].get("edition") == edition


def test_an_edition_that_there_is_not(asked: list[dict[str, str]]) -> None:
    assert run(app, ["reports", "show", "rep_1", "--edition", "secret"]).exit_code == 2
    assert asked == []


def test_the_client_tells_the_edition() -> None:
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json=BODY))
    report = Reports(Transport("http://service", "pop_a_b", transport=answer)).get("rep_1", edition="internal")
    assert (report.edition, report.marking) == ("internal", BODY["marking"])


def test_side_by_side_in_text_and_in_files(asked: list[dict[str, str]], tmp_path: Path) -> None:
    row = {"name": "shape", "subject": "", "headline": True, "best": [1]}
    values = [{"value": 0.3, "status": "fail"}, {"value": 0.01, "status": "pass"}]
    side = {"reports": [{"title": "a"}, {"title": "b"}], "rows": [{**row, "values": values}], "summary": "b is best."}
    assert beside(side).splitlines()[1:] == ["shape   0.3!  0.01*", "b is best."]
    for name, format in (("page.html", "html"), ("table.csv", "csv"), ("data.json", "json")):
        done = run(app, ["reports", "compare", "rep_1", "rep_2", "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert asked[-1] == {"ids": "rep_1,rep_2", "format": format}
        assert (tmp_path / name).exists()
