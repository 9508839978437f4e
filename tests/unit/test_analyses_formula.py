"""Formulas and registered analyses: read by our own grammar, refused with the place, never run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.evaluation.analyses.formula import parse_formula, term_text
from models.evaluation.analyses.requests import CrossTable, Regression, analyses_from_json, check_analyses
from models.evaluation.options import EvaluationOptions
from models.schema import Column, Kind

COLUMNS = (
    Column("pay", Kind.DECIMAL),
    Column("age", Kind.INTEGER),
    Column("weekly hours", Kind.INTEGER),
    Column("job", Kind.CATEGORICAL, categories=("cook", "clerk", "none")),
    Column("rich", Kind.BOOLEAN, categories=("no", "yes")),
)


@pytest.mark.parametrize(
    ("text", "terms", "intercept"),
    [
        ("y ~ a + b", ["a", "b"], True),
        ("y ~ a*b - 1", ["a", "b", "a:b"], False),
        ("y ~ 0 + a:b", ["a:b"], False),
        ("y ~ -1 + a", ["a"], False),
        ("y ~ a - 1 + 1", ["a"], True),
        ("y ~ 1", [], True),
        ("log(y) ~ C(a) + log(b) + I(c^2) + c**3", ["C(a)", "log(b)", "I(c^2)", "I(c^3)"], True),
        ("y ~ (a + b):c - b:c", ["a:c"], True),
        ("y ~ a*b*c - a:b:c", ["a", "b", "a:b", "c", "a:c", "b:c"], True),
        ("y ~ a:b + b:a", ["a:b"], True),
        ("`my y` ~ `a + b` + x.1", ["`a + b`", "x.1"], True),
    ],
)
def test_the_notation_of_wilkinson_and_rogers(text: str, terms: list[str], intercept: bool) -> None:
    formula = parse_formula(text)
    assert [term_text(t) for t in formula.terms] == terms
    assert formula.intercept is intercept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "y",
        "y ~",
        "y ~ a +",
        "~ a",
        "y ~ a b",
        "y ~ a ~ b",
        "y ~ 2*a",
        "y ~ y + a",
        "y ~ (a + b)^2",
        "y ~ a^9",
        "y ~ a^1",
        "y ~ C(log(a))",
        "y ~ I(a)",
        "y ~ a; b",
        "y ~ `a",
        "C(y) ~ a",
        "y ~ a:b:c:d:e",
        "y ~ " + "(" * 500 + "a" + ")" * 500,
        "y ~ " + "+".join(f"a{i}" for i in range(500)),
        "y ~ " + "*".join("abcdefghij"),
        "y ~ __import__('os').system('true')",
        "y ~ open(a)",
        "y ~ a.__class__()",
        "y ~ x" + "x" * 3_000,
    ],
)
def test_anything_else_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_formula(text, ("analyses", 0, "formula"))
    assert error.value.hint
    assert error.value.errors[0].loc == ("analyses", 0, "formula")


@given(st.text(alphabet="ab~+-*:^()`1 0.CIlog", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        formula = parse_formula(text)
    except InvalidInput:
        return
    assert formula.columns


def test_analyses_come_back_from_json() -> None:
    raw = [
        {"kind": "regression", "formula": "pay ~ age", "family": "gaussian"},
        {
            "kind": "regression", "formula": "job ~ age", "family": "binomial", "event": "cook", "missing": "level",
            "rare": 0.01, "title": "who cooks",
        },
        {"kind": "table", "columns": ["job", "rich"], "statistic": "count"},
        {"kind": "table", "columns": ["job"], "statistic": "share", "of": "rich", "event": "no"},
    ]  # fmt: skip
    found = analyses_from_json(raw)
    assert [a.to_json() for a in found] == raw
    check_analyses(found, COLUMNS)
    assert isinstance(found[0], Regression)
    assert isinstance(found[2], CrossTable)
    assert found[3].label == "share of rich by job"
    options = EvaluationOptions.from_json({"analyses": raw})
    assert EvaluationOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    ("raw", "loc"),
    [
        ("pay ~ age", ("analyses",)),
        ([3], ("analyses", 0)),
        ([{"kind": "model"}], ("analyses", 0, "kind")),
        ([{"kind": "regression"}], ("analyses", 0, "formula")),
        ([{"kind": "regression", "formula": "pay ~ age", "family": "gamma"}], ("analyses", 0, "family")),
        ([{"kind": "regression", "formula": "pay ~ age", "engine": "r"}], ("analyses", 0, "engine")),
        ([{"kind": "regression", "formula": "log(pay) ~ age", "family": "poisson"}], ("analyses", 0, "formula")),
        ([{"kind": "regression", "formula": "pay ~ age", "event": "yes"}], ("analyses", 0, "event")),
        ([{"kind": "regression", "formula": "pay ~ age", "rare": 2}], ("analyses", 0, "rare")),
        ([{"kind": "table", "columns": []}], ("analyses", 0, "columns")),
        ([{"kind": "table", "columns": ["job", "job"]}], ("analyses", 0, "columns")),
        ([{"kind": "table", "columns": ["job"], "statistic": "mode"}], ("analyses", 0, "statistic")),
        ([{"kind": "table", "columns": ["job"], "statistic": "mean"}], ("analyses", 0, "of")),
        ([{"kind": "table", "columns": ["job"], "statistic": "mean", "of": "job"}], ("analyses", 0, "of")),
        ([{"kind": "table", "columns": ["job"]}] * 21, ("analyses",)),
    ],
)
def test_malformed_analyses_are_refused_with_the_place(raw: object, loc: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidInput) as error:
        analyses_from_json(raw)
    assert error.value.errors[0].loc == loc


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"kind": "regression", "formula": "wage ~ age"}, "'wage'"),
        ({"kind": "table", "columns": ["sex"]}, "'sex'"),
        ({"kind": "regression", "formula": "job ~ age"}, "labels"),
        ({"kind": "regression", "formula": "job ~ age", "family": "binomial"}, "3 labels"),
        ({"kind": "regression", "formula": "rich ~ age", "family": "binomial", "event": "maybe"}, "no label"),
        ({"kind": "regression", "formula": "pay ~ log(job)"}, r"log\(job\)"),
        ({"kind": "table", "columns": ["rich"], "statistic": "mean", "of": "job"}, "no mean"),
    ],
)
def test_analyses_that_do_not_suit_the_columns_are_refused(raw: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as error:
        check_analyses(analyses_from_json([raw]), COLUMNS)
    assert error.value.hint
