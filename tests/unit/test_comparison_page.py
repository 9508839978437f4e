"""The page of a comparison of methods: ranking, drawings with tables, nothing but text from outside."""

from service.reports.html import render, render_side, tables
from tests.comparison_report import comparison, search, side_by_side


def test_methods_are_ranked_with_their_standing() -> None:
    page = render(comparison())
    found = {t.name: t for t in tables(page)}
    ranking = found["target-1-ranking"]
    assert [row[1][0] for row in ranking.rows] == ["forest", "knn", "svm"]
    assert [row[3][0] for row in ranking.rows] == ["best", "worse", "unavailable"]
    assert "took too long" in page
    assert ranking.csv().splitlines()[1].startswith("1,forest,0.87,0.85,0.89,best,")
    assert found["target-1-confusion"].rows[0][1:] == [["90"], ["10"], ["0.9"]]
    assert "shaded" in page


def test_every_drawing_has_a_sentence_and_a_table() -> None:
    page = render(comparison())
    figures = page.split("<figure")[1:]
    assert len(figures) == 5
    for figure in figures:
        inside = figure.split("</figure>")[0]
        assert "<svg" in inside
        assert 'class="look"' in inside
    names = {t.name for t in tables(page)}
    assert {"target-1-roc-curves", "target-1-thresholds-of-forest", "target-1-learning-curve-of-forest"} <= names
    assert "F1 is highest, 0.500, at 0.5" in page


def test_hostile_targets_stay_text() -> None:
    page = render(comparison("<script>alert(1)</script>|x"))
    assert "<script>alert" not in page
    assert page.count("<script>") == 1


def test_a_search_shows_the_best_so_far_and_trials_as_dots() -> None:
    page = render(search())
    assert "Search of options" in page
    assert "The best value, 0.8, was found by trial 2 of 4." in page
    (table,) = [t for t in tables(page) if t.name == "search-1"]
    assert [row[0][0] for row in table.rows] == ["2", "3", "0", "1"]
    best = page.split("Best so far</title>")[1].split("</g>")[0]
    assert ("L" in best, best.count("<circle")) == (True, 0)
    assert page.split("<title>Trial</title>")[1].split("</g>")[0].count("<circle") == 3


def test_without_any_method() -> None:
    page = render({**comparison(), "sections": {}})
    assert "No method was compared" in page


def test_side_by_side_marks_the_best_and_the_edition() -> None:
    page = render_side(side_by_side("<i>"))
    assert 'class="marking internal"' in page
    assert "<i>" not in page
    (table,) = [t for t in tables(page) if t.title == "Headline figures of each report"]
    assert table.rows[0][2:] == [["0.3", "0.2", "0.4"], ["0.01"], ["–"]]
    assert '<span class="best"><data value="0.01">' in page
