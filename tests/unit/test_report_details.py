"""The page of the details: every part laid out, worst first, each table with its CSV; hostile labels escaped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.evaluation.bars import judge
from models.evaluation.chance import Finding, rows_of
from models.evaluation.context import Context
from models.evaluation.details import details
from models.evaluation.fidelity import fidelity
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation
from models.evaluation.verdict import scorecard, verdict
from models.progress import SILENT
from service.reports.html import render
from service.reports.html.tables import tables
from tests.fidelity_report import metric
from tests.unit.test_evaluation_details import looked, people, thinned
from tests.unit.test_evaluation_weighted import doubled, survey
from tests.unit.test_reports_html import HOSTILE, report

PARTS = ("coverage", "missingness", "subgroups", "associations", "relations", "dates", "texts", "weights")


@pytest.fixture(scope="module")
def sections() -> dict[str, Any]:
    part = looked(thinned(people(2000, 300)))
    return dict(json.loads(json.dumps(part.sections, default=lambda v: v.tolist())))


def test_every_part_is_laid_out_with_its_tables(sections: dict[str, Any]) -> None:
    page = render(report(**sections))
    assert [p for p in PARTS if f'<section id="{p}">' not in page] == []
    found = {t.name: t for t in tables(page)}
    assert {
        "lost-labels",
        "beyond-range",
        "missingness",
        "group-sizes",
        "within-groups",
        "invented",
        "vanished",
    } <= set(found)
    assert {"functions", "impossible-pairs", "dates", "texts", "weighted-groups", "weighted-means"} <= set(found)
    lines = found["group-sizes"].csv().splitlines()
    assert lines[0].startswith("Group,Off by,low,high,Reads,Bar")
    assert lines[1].startswith("district = j")
    assert ",fail," in lines[1]


def test_scores_by_area_are_a_table_with_its_csv_small_areas_last() -> None:
    rows = [
        {"subject": f"region = {name}", "value": value, "low": 700.0, "high": 790.0, "status": status, "bar": 800.0,
         "expected": 900.0, "ceiling": 950.0, "holdout": 905.0, "floor": 600.0, "note": "120 real rows."}
        for name, value, status in ((HOSTILE, 750.0, "fail"), ("isles", None, "unavailable"))
    ]  # fmt: skip
    known = {"group": "region", "scores": {"synthetic": 900.0}, "equivalent": {"synthetic": 0.3}, "curve": []}
    page = render(report(k_marginal=known, k_marginal_areas={"columns": ["region"], "rows": rows, "note": "Known."}))
    assert "<script>alert" not in page
    found = next(t for t in tables(page) if t.name == "k-marginal-score-by-area")
    lines = found.csv().splitlines()
    assert lines[0].startswith("Area,Value,low,high,Reads,Bar")
    assert (",fail," in lines[1], "unavailable" in lines[2]) == (True, True)


def test_weighted_tables_stand_beside_counts_of_rows() -> None:
    made = doubled(survey(3000, 300))
    context = Context(survey(3000, 100), survey(700, 200), made, None, 0, EvaluationOptions(), SILENT)
    parts = fidelity(context), details(context)
    metrics = judge([m for part in parts for m in part.metrics], {})
    sections = {k: v for part in parts for k, v in part.sections.items()}
    sections |= {"verdict": verdict(metrics, context.names), "scorecard": scorecard(metrics)}
    whole = Evaluation(tuple(metrics), sections).to_json()
    page = render({**report(**whole["sections"]), "metrics": whole["metrics"]})
    found = {t.name: t.csv().splitlines() for t in tables(page)}
    assert {"weighted-groups", "weighted-shares", "weighted-pairs", "weighted-triples", "weighted-means"} <= set(found)
    assert found["weighted-groups"][0].endswith(
        "Real population,Share of it,Sample's population,Share of it,Share of real rows,Share of the sample's rows"
    )
    assert "sex = " in found["weighted-groups"][1]
    pair = next(line for line in found["weighted-pairs"] if line.startswith("region × sex")).split(",")
    assert "fail" in pair
    counted = next(m["value"] for m in whole["metrics"] if (m["name"], m["subject"]) == ("trend", "region × sex"))
    assert float(pair[-1]) == pytest.approx(counted)
    assert page.index("Fidelity, rows counted") < page.index("Fidelity, weighted")
    assert "weighted figures miss their bar" in page


def test_a_report_without_details_has_none_of_their_sections() -> None:
    page = render(report())
    assert not any(f'<section id="{p}">' in page for p in PARTS)


def test_hostile_labels_are_escaped() -> None:
    rows = rows_of([Finding(HOSTILE, (HOSTILE,), 0.5, 0.1, 0.2, None, {"real": 0.5, "synthetic": 0.2}, 0.1)])
    page = render(report(subgroups={"rows": rows, "errors": [], "note": HOSTILE, "columns": [], "areas": []}))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_further_targets_have_a_table_each_and_hostile_ones_are_escaped() -> None:
    found = report(
        utility={"target": "sex", "task": "binary", "classes": ["f", "m"], "rows": {"training": 90, "holdout": 80},
                 "models": [{"model": "tree", "trained_on": "real", "scores": {}}],
                 "others": [{"target": HOSTILE, "task": "regression", "classes": [], "models": [{}],
                             "rows": {"training": 90, "holdout": 80}}]},
    )  # fmt: skip
    found["metrics"] += [
        metric("utility_auc", 0.81, "tree", section="utility", unit="auc", direction="higher", status="pass"),
        metric("utility_r2", 0.42, f"tree × {HOSTILE}", section="utility", unit="score", direction="higher"),
        metric("utility_ranking", 0.3, HOSTILE, section="utility", unit="score", direction="higher"),
    ]
    page = render(found)
    assert "<script>alert" not in page
    own, other = (t for t in tables(page) if t.section == "utility" and t.title.startswith(("Scores on", "Scores for")))
    assert len(own.rows) == 1
    assert [row[0][0].split(" ")[0] for row in other.rows] == ["R2", "Ranking"]


def test_a_report_on_uploads_is_titled_by_both_tables() -> None:
    page = render({**report(), "synthetic": {"id": "ds_2", "name": "made.csv", "rows": 9, "sha256": "0"}})
    assert "Fidelity report: made.csv against age.csv</title>" in page
    assert "against" not in render(report()).split("</h1>")[0]
