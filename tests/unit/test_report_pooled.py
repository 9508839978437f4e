"""The section of several samples on the page: figures, drawings, tables, and absent where there is one sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import service.reports
from populace.records import Report
from populace.scorecard import scorecard
from service.reports.html import render
from service.reports.html.pooled import look, pooled
from service.reports.html.tables import tables
from tests.fidelity_report import metric, report

SCHEMA = Path(str(service.reports.__file__)).with_name("report.schema.json")
HOSTILE = "<b>age</b>"


def estimate(name: str, value: float, covered: bool, overlap: float = 0.5, error: float | None = 1.0) -> dict[str, Any]:
    return {
        "name": name, "estimate": value, "error": 1.2, "low": value - 2.4, "high": value + 2.4, "degrees": None,
        "between": 0.75, "real": 10.0, "real_error": error, "overlap": overlap, "covered": covered,
    }  # fmt: skip


def section() -> dict[str, Any]:
    regression = {
        "kind": "regression", "label": f"pay ~ {HOSTILE}", "request": {}, "note": "3 estimates", "all": 3,
        "estimates": [estimate("far", 17.0, False, 0.0), estimate(HOSTILE, 12.5, False), estimate("near", 10.5, True)],
    }  # fmt: skip
    empty = {"kind": "table", "label": "pay by hat", "request": {}, "note": "No cell has 5 rows.", "all": 0,
             "estimates": []}  # fmt: skip
    return {
        "kind": "simple", "rule": "rows of a model fitted once", "samples": 4, "rows": {"real": 9, "synthetic": 9},
        "defaults": False, "note": "", "analyses": [regression, empty],
    }  # fmt: skip


def whole() -> dict[str, Any]:
    found = report(pooled=section())
    more = {"section": "pooled", "direction": "higher", "bar": 0.5, "status": "fail", "note": "4 samples"}
    found["metrics"] += [
        metric("pooled_cover", 0.33, f"pay ~ {HOSTILE}", **more, expected=0.95),
        metric("pooled_worst", 7.0, f"pay ~ {HOSTILE}", **{**more, "direction": "lower"}),
    ]
    found["replicates"] = [{"id": "smp_2", "row_count": 1234, "seed": 8}]
    return found


def test_the_page_has_figures_drawings_and_tables_of_all_samples() -> None:
    page = render(whole())
    start = page.index('<section id="pooled">')
    part = page[start : page.index("</section>", start)]
    assert "on 4 samples of one synthesizer" in part
    assert "rows of a model fitted once" in part
    assert "Combined intervals that hold the real estimate" in part
    assert HOSTILE not in page
    assert "No cell has 5 rows." in part
    assert part.count('class="point"') == 3
    assert "2 of 3 do not, first of all far; 1 do not meet the real interval at all." in part
    found = {t.name: t for t in tables(page) if t.section == "pooled"}
    assert list(found) == ["pooled-figures", "pooled-1"]
    lines = found["pooled-1"].csv().splitlines()
    assert lines[1].split(",") == ["far", "10", "1", "17", "1.2", "14.6", "19.4", "0.75", "0", "no"]
    assert "smp_2" in page
    assert 'href="#pooled"' in page


def test_one_sample_has_no_such_section() -> None:
    assert 'id="pooled"' not in render(report())
    assert pooled(None) is None
    sparse = pooled({"samples": 3})
    assert sparse is not None
    assert sparse["analyses"] == []
    assert 'id="pooled"' in render(report(pooled={"samples": 3}))


def test_distances_are_in_standard_errors_of_the_real_estimate() -> None:
    found = pooled({"samples": 2, "analyses": [{"estimates": [estimate("a", 14.0, False, error=2.0),
                                                             estimate("b", 1.0, False, error=None)]}]})  # fmt: skip
    assert found is not None
    a, b = found["analyses"][0]["drawn"]
    assert (a["value"], a["low"], a["high"]) == pytest.approx((2.0, 0.8, 3.2))
    assert a["other"]["high"] == pytest.approx(1.96, abs=1e-3)
    assert b["value"] is None
    assert "and all do" in look({"estimates": [estimate("a", 10.0, True)]})


def test_it_fits_the_published_schema() -> None:
    valid = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    found = {"version": 2, "kind": "fidelity", **whole()}
    valid.validate(found)
    found["sections"]["pooled"]["analyses"][0]["estimates"][0].pop("covered")
    assert not valid.is_valid(found)


def test_the_scorecard_tells_of_all_samples() -> None:
    found = whole()
    lines = scorecard(Report(id="r", metrics=tuple(found["metrics"]), sections=found["sections"])).splitlines()
    assert f"4 samples combined, pay ~ {HOSTILE}: 1 of 3 intervals hold the real estimate (fail)." in lines
    assert "4 samples combined, pay by hat: No cell has 5 rows." in lines
