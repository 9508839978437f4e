"""The report page: complete, escaped, offline, and in order of importance."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from service.reports.html import content_security_policy, render
from service.reports.html.charts import bullet, folded, heat, histogram
from service.reports.html.figures import axis, cell, percent, short
from service.reports.html.pages import build, status

HOSTILE = "<script>alert(1)</script>\"'&\u202e" + "é😀" * 400


def metric(name: str, value: float | None, subject: str = "", **more: Any) -> dict[str, Any]:
    base = {
        "section": "columns", "ceiling": 0.01, "holdout": 0.02, "floor": 0.2, "low": None, "high": None,
        "direction": "lower", "goal": None, "unit": "share", "note": "",
    }  # fmt: skip
    return {**base, "name": name, "value": value, "subject": subject, **more}


def report(column: str = "age", **sections: Any) -> dict[str, Any]:
    return {
        "id": "rep_1", "dataset_id": "ds_1", "sample_id": "smp_1", "job_id": "job_1",
        "created_at": "2026-01-02T03:04:05Z",
        "dataset": {"name": f"{column}.csv", "sha256": "0" * 64, "rows": 900, "columns": 2, "schema_version": 1},
        "sample": {"row_count": 1234, "where": [f"{column}>=65"], "seed": 7},
        "synthesizer": {"id": "syn_1", "manifest": {"curve": [{"step": 1, "loss": 3.0}, {"step": 9, "loss": 2.0}]}},
        "metrics": [
            metric("shape", 0.05, column),
            metric("shape", 0.01, "sex"),
            metric("shape", 0.03),
            metric("c2st", None, section="detection", direction="higher", unit="score", note="too few rows"),
        ],
        "sections": {
            "verdict": {"summary": "One thing.", "problems": [{"title": column, "text": column, "try": column}]},
            "scorecard": {"headline": [{"name": "shape", "subject": "", "label": "Shape of columns"}]},
            "columns": [
                {"column": "sex", "kind": "boolean", "labels": ["F", "M"], "real": [0.5, 0.5], "holdout": [0.4, 0.6],
                 "synthetic": [0.6, 0.4], "missing_labels": 0},
                {"column": column, "kind": "categorical", "labels": [column, "b"], "real": [0.5, 0.5], "holdout": [],
                 "synthetic": [0.25, 0.75], "missing_labels": 0},
            ],
            "pairs": {
                "columns": [column, "sex"], "first": [0], "second": [1], "complete": True,
                "trend": {"synthetic": [0.1]},
                "worst": [
                    {"columns": [column, "sex"], "synthetic": 0.1, "ceiling": None, "holdout": 0.2, "floor": 0.3}
                ],
            },
            **sections,
        },
        "meta": {"target": column, "versions": {"torch": "1"}, "seconds": {"total": 3.2}},
    }  # fmt: skip


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_figures_and_sections_are_there() -> None:
    page = render(report())
    words = " ".join(Elements(page).text)
    for expected in ("Verdict", "Shape of columns", "3.00 %", "1,234 rows", "age>=65", "seed 7", "too few rows"):
        assert expected in words
    assert re.search(r"No differential privacy", words)


def test_worst_column_comes_first() -> None:
    page = render(report())
    assert page.index("<figcaption>age") < page.index("<figcaption>sex")


def test_hostile_names_stay_text() -> None:
    page = render(report(HOSTILE))
    found = Elements(page)
    assert "script" not in found.tags
    assert not any(k.startswith("on") for k, _ in found.attributes)
    assert "&lt;script&gt;" in page
    assert len(page) < 3_000_000


def test_nothing_is_loaded_from_elsewhere() -> None:
    found = Elements(render(report()))
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert all(v.startswith("#") for k, v in found.attributes if k in ("href", "src"))


def test_policy_allows_only_the_pages_own_style() -> None:
    css = re.search(r"<style>(.*?)</style>", render(report()), re.DOTALL)
    assert css is not None
    digest = base64.b64encode(hashlib.sha256(css[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in content_security_policy()
    assert 'style="' not in render(report())


@pytest.mark.parametrize("absent", ["verdict", "scorecard", "columns", "pairs"])
def test_absent_sections_are_named(absent: str) -> None:
    data = report()
    del data["sections"][absent]
    assert "No " in render(data) or "too few" in render(data)


def test_report_without_anything_renders() -> None:
    bare = {**report(), "metrics": [], "sections": {}, "meta": {}, "synthesizer": {}}
    assert "No verdict was drawn up" in render(bare)
    assert "No target was named" in render(bare)


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        (0.015, {}, "as real"),
        (0.02, {}, "as real"),
        (0.05, {}, "close"),
        (0.15, {}, "off"),
        (None, {}, "unavailable"),
        (0.95, {"direction": "higher", "ceiling": 0.94, "holdout": None, "floor": 0.5, "unit": "auc"}, "as real"),
        (0.6, {"direction": "higher", "ceiling": 0.94, "holdout": None, "floor": 0.5, "unit": "auc"}, "off"),
        (0.52, {"direction": "target", "goal": 0.5, "low": 0.49, "high": 0.55}, "as real"),
        (0.7, {"direction": "target", "goal": 0.5, "low": 0.69, "high": 0.71}, "off"),
    ],
)
def test_status(value: float | None, more: dict[str, Any], expected: str) -> None:
    assert status(metric("m", value, **more)) == expected


def test_bullet_puts_better_to_the_right() -> None:
    def at(text: str, mark: str) -> float:
        found = re.search(rf'c?x="([\d.]+)"[^>]*class="{mark}"', text)
        assert found is not None
        return float(found[1])

    lower = str(bullet(metric("m", 0.05)))
    assert at(lower, "floor") < at(lower, "synthetic") < at(lower, "ceiling")
    higher = str(bullet(metric("m", 0.15, direction="higher", ceiling=0.2, holdout=None, floor=0.0)))
    assert at(higher, "floor") < at(higher, "synthetic") < at(higher, "ceiling")
    assert str(bullet(metric("m", None))) == ""


def test_rare_categories_are_folded_and_shares_kept() -> None:
    n = 40
    column = {
        "column": "c", "kind": "categorical", "labels": [f"v{i}" for i in range(n)] + ["missing: ?"],
        "real": [i / 1000 for i in range(n)] + [0.22], "synthetic": [1 / 41] * (n + 1), "holdout": [],
        "missing_labels": 1,
    }  # fmt: skip
    labels, real, synthetic, _ = folded(column)
    assert len(labels) == 25
    assert labels[-1] == "missing: ?"
    assert labels[-2] == "17 others"
    assert sum(real) == pytest.approx(1.0)
    assert sum(synthetic) == pytest.approx(1.0)
    assert "v39" in labels
    assert "v0" not in labels
    assert str(histogram(column)).count("<rect") == 25


def test_heat_map_draws_each_known_pair_once() -> None:
    pairs = {
        "columns": ["a", "b", "c"],
        "first": [0, 0, 1],
        "second": [1, 2, 2],
        "trend": {"synthetic": [0.1, None, 0.3]},
    }
    assert str(heat(pairs)).count("<rect") == 2
    assert str(heat({**pairs, "trend": {"synthetic": [None] * 3}})) == ""


def test_figures_as_text() -> None:
    assert percent(0.1234) == "12.3 %"
    assert percent(None) == "–"
    assert cell(0.0123, "share") == "1.23 %"
    assert cell(0.5, "auc") == "0.500"
    assert axis(1900.0) == "1,900"
    assert axis(0.5) == "0.5"
    assert short("x" * 50, 10) == "x" * 9 + "…"


def test_headline_carries_its_status() -> None:
    assert build(report())["headline"][0]["status"] == "close"
