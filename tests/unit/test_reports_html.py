"""The report page: complete, escaped, offline, and in order of importance."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from service.reports.html import content_security_policy, render, series
from service.reports.html.assets import script
from service.reports.html.charts import bullet, heat
from service.reports.html.figures import axis, cell, percent, short, visible
from service.reports.html.histogram import folded, histogram
from service.reports.html.pages import build
from service.reports.html.standing import judged, view, worst_first
from service.reports.html.tables import guarded, tables
from tests.fidelity_report import metric, report

HOSTILE = "<script>alert(1)</script>\"'&\u202e" + "é😀" * 400


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
    for expected in ("Verdict", "Shape of columns", "3.00%", "1,234 rows", "age>=65", "seed 7", "too few rows"):
        assert expected in words
    assert re.search(r"No differential privacy", words)


def test_worst_column_comes_first() -> None:
    page = render(report())
    assert page.index("<figcaption><bdi>age") < page.index("<figcaption><bdi>sex")


def test_hostile_names_stay_text() -> None:
    page = render(report(HOSTILE))
    found = Elements(page)
    assert found.tags.count("script") == 1
    assert page.count(f"<script>{script()}</script>") == 1
    assert not any("<data" in v for _, v in found.attributes)
    assert not any(k.startswith("on") for k, _ in found.attributes)
    assert "&lt;script&gt;" in page
    assert len(page) < 3_000_000


def test_nothing_is_loaded_from_elsewhere() -> None:
    found = Elements(render(report()))
    assert not {"link", "img", "iframe", "object"} & set(found.tags)
    assert not any(word in script() for word in ("fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval(", "https:"))
    assert all(v.startswith("#") for k, v in found.attributes if k in ("href", "src"))


def test_policy_allows_only_the_pages_own_style_and_script() -> None:
    for tag in ("style", "script"):
        own = re.search(rf"<{tag}>(.*?)</{tag}>", render(report()), re.DOTALL)
        assert own is not None
        digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in content_security_policy()
    assert "unsafe" not in content_security_policy()
    assert 'style="' not in render(report())


@pytest.mark.parametrize("absent", ["verdict", "scorecard", "columns", "pairs"])
def test_absent_sections_are_named(absent: str) -> None:
    data = report()
    del data["sections"][absent]
    assert "No " in render(data) or "too few" in render(data)


def test_a_small_evaluation_without_target_and_holdout_renders() -> None:
    data = report()
    data["sections"]["utility"] = {"target": None, "note": "No target was named."}
    for entry in data["sections"]["pairs"]["worst"]:
        del entry["holdout"]
    assert "Start the job with a" in render(data | {"metrics": []})


def test_report_without_anything_renders() -> None:
    bare = {**report(), "metrics": [], "sections": {}, "meta": {}, "synthesizer": {}}
    assert "No verdict was drawn up" in render(bare)
    assert "No target was named" in render(bare)


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
    assert labels[-2] == "all others"
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
    assert percent(0.1234) == "12.3%"
    assert percent(None) == "–"
    assert cell(0.0123, "share") == "1.23%"
    assert cell(0.5, "auc") == "0.500"
    assert axis(1900.0) == "1,900"
    assert axis(0.5) == "0.5"
    assert short("x" * 50, 10) == "x" * 9 + "…"


def test_headline_carries_its_status() -> None:
    assert build(report())["headline"][0]["status"] == "fail"


def test_figures_with_a_status_are_not_judged_again() -> None:
    data = report()
    data["metrics"] = [metric("shape", 0.03, bar=0.05, status="pass"), metric("other", 0.9, bar=None, status="")]
    shown = judged(data["metrics"], data["meta"])
    assert [(m["bar"], m["status"]) for m in shown] == [(0.05, "pass"), (None, "")]


def test_what_copying_reads_is_the_worst_known() -> None:
    """The ceiling of these is what a copy of the training data reads; it must not excuse the sample."""
    figure = metric("copies", 1.0, section="disclosure", low=0.99, high=1.0, goal=0.0015, ceiling=1.0, holdout=0.0015)
    shown = view(judged([figure], {})[0])
    assert shown["status"] == "fail"
    assert (shown["ceiling"], shown["floor"]) == (None, 1.0)


def test_names_cannot_turn_round_the_text_after_them() -> None:
    page = render(report("abc\u202egnp"))
    assert "\u202e" not in page
    assert "abc\ufffdgnp" in page
    assert visible(7) == 7


def test_curves_have_tables() -> None:
    model = {
        "model": "boosting", "trained_on": "synthetic", "scores": {}, "confusion": [[3, 1], [0, 4]],
        "roc": {"fpr": [0.0, 0.0, 0.5, 1.0], "tpr": [0.0, 0.6, 0.8, 1.0]},
        "calibration": [{"predicted": 0.2, "observed": 0.25, "rows": 8}],
    }  # fmt: skip
    utility = {
        "target": "t", "task": "binary", "classes": ["no", "yes"], "rows": {"training": 9, "holdout": 8},
        "models": [model, {**model, "trained_on": "real"}],
    }  # fmt: skip
    found = series.roc(utility)
    assert found is not None
    assert found["rows"][0] == (0.0, [0.6, 0.6])
    assert found["rows"][5] == (0.25, [pytest.approx(0.7)] * 2)
    page = render(report(utility=utility))
    for expected in ("ROC curves", "Calibration", "Table of", "boosting, trained on real rows", "Confusion"):
        assert expected in " ".join(" ".join(Elements(page).text).split())


def test_regression_has_no_unit_square() -> None:
    points = [{"predicted": 10.0, "observed": 12.0, "rows": 5}, {"predicted": 50.0, "observed": 47.0, "rows": 5}]
    utility = {
        "target": "t", "task": "regression", "classes": [], "rows": {"training": 9, "holdout": 10},
        "models": [{"model": "mlp", "trained_on": "synthetic", "scores": {}, "calibration": points}],
    }  # fmt: skip
    found = series.calibration(utility)
    assert found is not None
    assert not found["shares"]
    assert "47.000" in render(report(utility=utility))


def test_distances_stand_beside_the_control() -> None:
    section = {"percentiles": [1, 50], "distance_to_training": {"synthetic": [0.1, 0.5], "holdout": [0.2, 0.6]}}
    found = series.distances(section)
    assert found is not None
    assert found["names"] == ["Sample", "Holdout (control)"]
    assert found["rows"] == [(1, [0.1, 0.2]), (50, [0.5, 0.6])]
    assert "Holdout (control)" in render(report(disclosure={**section, "copies": 3}))
    assert series.distances(None) is None


def test_long_curves_are_thinned_with_both_ends() -> None:
    assert series.thin([1, 2, 3]) == [1, 2, 3]
    got = series.thin(list(range(1_000)), 5)
    assert got == [0, 250, 500, 749, 999]


def test_a_tall_bar_is_cut_and_says_its_shares() -> None:
    column = {
        "column": "c", "kind": "categorical", "labels": ["a", "b", "c", "d"], "real": [0.9, 0.04, 0.03, 0.03],
        "synthetic": [0.8, 0.1, 0.05, 0.05], "holdout": None, "missing_labels": 0,
    }  # fmt: skip
    drawn = str(histogram(column))
    assert "90.0%, sample 80.0%" in drawn
    assert 'class="line gap"' in drawn


def test_a_wide_table_stays_below_three_megabytes() -> None:
    labels = [f"{'label ' * 40}{i}" for i in range(30)]
    share = [1 / 30] * 30
    names = [f"{'column ' * 30}{i}" for i in range(2_000)]
    columns = [
        {"column": n, "kind": "categorical", "labels": labels, "real": share, "holdout": share, "synthetic": share,
         "missing_labels": 0}
        for n in names
    ]  # fmt: skip
    data = report(columns=columns)
    data["metrics"] += [metric("shape", i / 9_999, n) for i, n in enumerate(names)]
    page = render(data)
    assert len(page.encode()) < 3_000_000
    assert "1,900 more columns" in page
    assert page.count("<figcaption>") == 102  # and those of the pairs and the training


def test_verdict_counts_the_headline_figures() -> None:
    page = " ".join(" ".join(Elements(render(report())).text).split())
    assert "0 pass 1 fails 0 unavailable" in page
    assert "Of 1 headline figure, 0 read as real rows that nothing was trained on do." in page


def test_the_verdict_is_not_green_while_any_figure_fails() -> None:
    data = report()
    for one in data["metrics"]:
        one["status"] = "pass"
    assert 'class="verdict good"' in render(data)
    data["metrics"].append(metric("trend", 0.3, "a pair", bar=0.1, status="fail"))
    assert build(data)["count"]["fail"] == 0
    assert 'class="verdict bad"' in render(data)


def test_rules_and_their_cost() -> None:
    assert 'id="rules"' not in render(report())
    rules: dict[str, Any] = {
        "broken": [{"rule": "age < 16 -> sex = <b>", "training_rows": 1_205, "synthetic_rows": 0}],
        "training": 9_000,
        "synthetic": 10_000,
    }
    page = render(report(rules=rules))
    assert "age &lt; 16 -&gt; sex = &lt;b&gt;" in page
    assert "1,205" in page
    assert "drawn again," not in page.split('id="rules"')[1].split("</section>")[0]
    cost = {"rows": 10_000, "redrawn_share": 0.0312, "draws_per_row": 1.0345, "conditioned_rows": 7, "rules": []}
    page = render(report(rules={**rules, "cost": cost}))
    assert "3.12% of the rows were drawn again, 1.034 draws a row" in page or "1.035 draws a row" in page
    assert "7 rows broke a rule time and again" in page


def test_tables_of_the_page_are_csv_with_their_values() -> None:
    page = render(report("=SUM(A1)|b"))
    found = {t.name: t for t in tables(page)}
    assert {"scorecard", "pairs", "column-sex", "column-sum-a1-b", "training"} <= set(found)
    assert found["column-sex"].csv() == "Value,Real,Holdout,Synthetic\nF,0.5,0.4,0.6\nM,0.5,0.6,0.4\n"
    head, row = found["scorecard"].csv().splitlines()
    assert head.startswith("Figure,Value,Reads,Bar")
    assert row.split(",")[1:3] == ["0.03", "fail"]
    assert found["pairs"].csv().splitlines()[1].startswith("'=SUM(A1)|b,sex,0.1,")
    assert len(found) == len(list(tables(page)))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("=1+1", "'=1+1"), ("+1", "'+1"), ("@a", "'@a"), ("-cmd", "'-cmd"), ("-1.5", "-1.5"), ("-2.5e-3", "-2.5e-3"),
     ("-12%", "-12%"), ("a=b", "a=b"), ("\tx", "'\tx")],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_compute_are_quoted(cell: str, shown: str) -> None:
    assert guarded(cell) == shown


def test_the_list_of_sections_is_that_of_the_page() -> None:
    page = render(report("<section id=x><h2>no</h2>"))
    listed = re.findall(r'<li><a href="#([a-z-]+)">', page)
    assert listed == re.findall(r'<section [^>]*?id="([a-z-]+)"', page)
    assert 'class="fails"' in page.split("</nav>")[0]


def test_what_fails_comes_first() -> None:
    data = report()
    data["metrics"] = [
        metric("shape", 0.01, "a", bar=0.02, status="pass"), metric("shape", 0.5, "b", bar=0.02, status="fail"),
        metric("shape", None, "c", bar=None, status="unavailable"), metric("shape", 0.04, "d", bar=0.02, status="fail"),
        metric("shape", 0.3, "e", bar=None, status=""), metric("trend", 0.3, "f", bar=0.1, status="fail"),
    ]  # fmt: skip
    assert [m["subject"] for m in worst_first(data["metrics"])] == ["b", "f", "d", "a", "e", "c"]
    assert [m["subject"] for m in build(data)["failing"]] == ["b", "f", "d"]
    assert 'id="failing"' in render(data)


def test_hostile_names_stay_text_in_the_new_sections() -> None:
    name = "<script>alert(1)</script>|\"'&\u202e"
    row = {"subject": name, "value": 0.3, "bar": 0.1, "expected": 0.05, "holdout": 0.04, "status": "fail"}
    table = {"columns": [name, "sex"], "at": [0, 1], "labels": [[name, "b"], [name, name]],
             "real": [[0.4, 0.1], [0.1, 0.4]], "synthetic": [[0.25, 0.25], [0.25, 0.25]]}  # fmt: skip
    group = {**row, "real": 0.2, "synthetic": 0.1, "real_rows": 9}
    data = report(name)
    data["sections"]["pairs"]["tables"] = [table]
    data["sections"] |= {
        "subgroups": {"rows": [group, group], "errors": [], "note": name},
        "associations": {"rows": [group, group], "vanished": [], "weak": 0.1},
        "detection": {"columns": [{"column": name, "importance": 0.1, "auc_alone": 0.9}] * 2,
                      "pairs": [{"columns": [name, name], "auc": 0.8, "gain": 0.1}] * 2},
        "disclosure": {"inference": {"known": [name], "columns": [
            {"column": name, "guess": 0.1, "cap": {"training": 0.9, "holdout": 0.1}}]}},
    }  # fmt: skip
    data["metrics"].append(metric("c2st", 0.2, section="detection", direction="higher", note=name))
    page = render(data)
    found = Elements(page)
    assert found.tags.count("script") == 1
    assert "\u202e" not in page
    assert not any(k.startswith("on") for k, _ in found.attributes)
    ids = [t.name for t in tables(page)]
    assert "group-sizes" in ids
    assert all(re.fullmatch(r"[a-z0-9-]+", i) for i in ids)
