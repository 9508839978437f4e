"""Rules of a schema: how they are written, checked, refused and counted, and the conditions that keep them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.conditions import parse_conditions
from models.errors import InvalidCondition, InvalidSchema
from models.rules import Undecided, check_conditions, check_rules, counts, parse_rules, reconcile
from models.schema import Column, Kind, Schema, merge_schema, schema_from_json
from models.table import Table

COLUMNS = (
    Column("age", Kind.INTEGER, minimum=0, maximum=90),
    Column("marital_status", Kind.CATEGORICAL, categories=("single", "married", "bed and board"), missing_codes=("N",)),
    Column("hours", Kind.DECIMAL, minimum=0, maximum=99, decimals=1, missing_codes=("N",)),
    Column("start", Kind.DATETIME, datetime_format="%Y-%m-%d", minimum="1990-01-01", maximum="2020-12-31"),
    Column("end", Kind.DATETIME, datetime_format="%Y-%m-%d", minimum="2000-01-01", maximum="2024-12-31"),
    Column("first", Kind.INTEGER, minimum=10, maximum=60, missing_codes=("?",)),
    Column("name", Kind.TEXT),
)
ROWS = [
    ("15", "single", "N", "2001-01-01", "2002-01-01", "12", "a"),
    ("15", "married", "3.5", "2001-01-01", "2000-06-01", "20", "b"),
    ("40", "married", "38.0", "2010-05-05", "2010-05-05", "?", "c"),
    ("12", "N", "0.0", "2010-05-05", "2012-05-05", "11", "d"),
    ("30", "bed and board", "N", "2010-05-05", "2011-05-05", "35", "e"),
]


def ruled(*rules: Any) -> Schema:
    return schema_from_json(Schema(COLUMNS).to_json() | {"rules": list(rules)})


def table(schema: Schema) -> Table:
    columns = zip(*ROWS, strict=True)
    return Table(schema, pa.table({c.name: pa.array(v, pa.string()) for c, v in zip(COLUMNS, columns, strict=True)}))


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("age < 16 -> marital_status = single", [1, 3]),  # a missing value is not `single`
        ({"if": ["age<16"], "then": ["marital_status = single"]}, [1, 3]),
        ({"if": "age<16", "then": "marital_status = single"}, [1, 3]),
        ("age<16 and marital_status is not missing -> marital_status = single", [1]),
        ({"if": ["age<16", "marital_status=married"], "then": ["hours is missing", "age>=14"]}, [1]),
        ("marital_status = bed and board -> age >= 18 and hours is not missing", [4]),
        ("start <= end", [1]),
        ("start < end", [1, 2]),
        ("first <= age", [1, 4]),  # says nothing of the row where `first` is missing
        ("first > age -> age >= 30", [1]),
        ("'first' <= 'age'", [1, 4]),
        ("first <= 12", [1, 2, 4]),
        ("10 <= first <= 60 -> age in (12, 15)", [4]),
    ],
)
def test_what_a_rule_says(rule: Any, broken: list[int]) -> None:
    schema = ruled(rule)
    (found,) = parse_rules(schema)
    assert np.flatnonzero(found.broken(table(schema))).tolist() == broken
    assert counts([found], table(schema)) == [len(broken)]
    again = schema_from_json(schema.to_json())
    assert again.rules == schema.rules
    check_rules(again)


@pytest.mark.parametrize(
    ("rule", "place", "words"),
    [
        ("height < 16 -> age = 3", ("rules", 1, "if", 0, "column", "height"), "no column 'height'"),
        ("age < 16 -> marital_status = wed", ("rules", 1, "then", 0, "column", "marital_status"), "no such label"),
        ("age < 16 -> age > 95", ("rules", 1, "then", 0, "column", "age"), "no value that meets"),
        ("age > 95 -> marital_status = single", ("rules", 1, "if", 0, "column", "age"), "no value that meets"),
        ("name = x -> age > 5", ("rules", 1, "if", 0, "column", "name"), "surrogates"),
        ("age is missing -> hours > 5", ("rules", 1, "if", 0, "column", "age"), "never missing"),
        ("start <= age", ("rules", 1, "then", 0, "column", "start"), "cannot be compared with 'age'"),
        ("age <= age", ("rules", 1, "then", 0, "column", "age"), "cannot be compared"),
        ("age <", ("rules", 1, "then", 0, "column", "age"), "compares with nothing"),
        ("age < 16 -> ", ("rules", 1), "must be a text"),
        ({"if": ["age<16"]}, ("rules", 1), "must be a text"),
        ({"if": ["age<16"], "then": []}, ("rules", 1), "must be a text"),
        ({"if": [3], "then": ["age<16"]}, ("rules", 1), "must be a text"),
        ({"when": ["age<16"], "then": ["age<17"]}, ("rules", 1), "must be a text"),
        (7, ("rules", 1), "must be a text"),
    ],
)
def test_wrong_rules_are_refused_by_their_place(rule: Any, place: tuple[Any, ...], words: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        check_rules(ruled("age<16 -> hours is missing", rule))
    assert caught.value.errors[0].loc == place
    assert words in caught.value.message


def test_rules_that_are_no_list_are_refused() -> None:
    for rules in ("age<16", {"if": []}, ["age<16"] * 201):
        with pytest.raises(InvalidSchema, match="rules"):
            schema_from_json(Schema(COLUMNS).to_json() | {"rules": rules})


def test_contradictions_are_found() -> None:
    check_rules(ruled("age<16 -> marital_status=single", "age>=16 -> marital_status=married"))
    check_rules(ruled("age<16 -> marital_status=single", "marital_status=single -> hours<5", "hours>=5 -> age>20"))
    with pytest.raises(InvalidSchema, match="contradict"):
        check_rules(
            ruled("age<50 -> marital_status=single", "age>=40 -> marital_status=married", "40<=age<50", "start<=end")
        )


def test_patches_replace_rules_and_leave_them() -> None:
    schema = merge_schema(Schema(COLUMNS), {"rules": ["age<16 -> hours is missing"]})
    assert [r.text() for r in schema.rules] == ["age<16 -> hours is missing"]
    same = merge_schema(schema, {"columns": [{"name": "age", "maximum": 80}], "rules": None})
    assert same.rules == schema.rules
    assert merge_schema(schema, {"rules": []}).rules == ()
    assert "rules" in replace(schema, rules=()).to_json()


RULES = [
    "age<16 -> marital_status=single",
    "hours>40 -> age>=18",
    "start<end",
    "first<=age",
    "marital_status is missing -> hours is missing",
]


@pytest.mark.parametrize("given", [[], ["age>=60"], ["hours>50"], ["marital_status is missing"], ["end<2000-03-01"]])
def test_reconciled_conditions_keep_every_rule(given: list[str]) -> None:
    schema = ruled(*RULES)
    rules = parse_rules(schema)
    asked = parse_conditions(given, schema)
    found = reconcile(rules, schema, asked)
    assert found is not None
    rng = np.random.default_rng(0)
    rows = 60_000
    days = lambda a, b: (np.datetime64(a) + rng.integers(0, b, rows)).astype(str)  # noqa: E731
    data = {
        "age": rng.integers(0, 91, rows).astype(str),
        "marital_status": rng.choice(["single", "married", "N"], rows),
        "hours": np.where(rng.random(rows) < 0.5, "N", rng.integers(0, 100, rows).astype(str)),
        "start": days("1990-01-01", 11_000),
        "end": days("2000-01-01", 9_000),
        "first": np.where(rng.random(rows) < 0.3, "?", rng.integers(10, 61, rows).astype(str)),
        "name": np.full(rows, "x"),
    }
    drawn = Table(schema, pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in data.items()}))
    met = np.logical_and.reduce([c.matches(drawn) for c in found])
    assert met.sum() >= 5
    for condition in asked:
        assert condition.matches(drawn)[met].all()
    for rule in rules:
        assert not rule.broken(drawn)[met].any()


def test_conditions_that_no_rule_allows_are_not_reconciled() -> None:
    schema = ruled(*RULES)
    asked = parse_conditions(["age<10", "marital_status=married"], schema)
    assert reconcile(parse_rules(schema), schema, asked) is None
    with pytest.raises(InvalidCondition, match="rules"):
        check_conditions(schema, asked)
    check_conditions(schema, asked[:1])
    check_conditions(Schema(COLUMNS), asked)


def test_rules_too_many_to_decide_on_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.rules._NODES", 1)
    schema = ruled(*RULES)
    check_rules(schema)
    check_conditions(schema, parse_conditions(["age<10"], schema))
    with pytest.raises(Undecided):
        reconcile(parse_rules(schema), schema, ())
