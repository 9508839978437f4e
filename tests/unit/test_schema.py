"""The schema as JSON: round trip, refusals with their place, and overriding parts of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.errors import InvalidSchema
from models.schema import Column, Dependency, Dialect, Kind, Schema, merge_schema, schema_from_json

SCHEMA = Schema(
    (
        Column("age", Kind.INTEGER, minimum=0, maximum=90, missing_codes=("-9",), storage="int64"),
        Column("sex", Kind.BOOLEAN, categories=("f", "m")),
        Column("day", Kind.DATETIME, datetime_format="%Y-%m-%d", minimum="2015-01-01", maximum="2016-01-01"),
        Column("x", Kind.DECIMAL, decimals=2, fixed_decimals=True, evidence={"rule": "decimal"}),
        Column("area", Kind.CATEGORICAL, categories=("a", "b")),
        Column("id", Kind.IDENTIFIER),
    ),
    Dialect(delimiter=";", quoting="text"),
    (Dependency(("area",), "sex"),),
    (("x", "age"),),
)


def test_json_round_trip() -> None:
    assert schema_from_json(json.loads(json.dumps(SCHEMA.to_json()))) == SCHEMA


def test_lookups() -> None:
    assert SCHEMA["age"].numeric
    assert SCHEMA["sex"].labelled
    assert not SCHEMA["id"].modelled
    assert "nope" not in SCHEMA
    assert [c.name for c in SCHEMA.modelled] == ["age", "sex", "day", "x", "area"]
    with pytest.raises(InvalidSchema, match="nope"):
        SCHEMA["nope"]
    with pytest.raises(InvalidSchema, match="same name"):
        Schema((Column("a", Kind.TEXT), Column("a", Kind.TEXT)))


def column(**change: Any) -> dict[str, Any]:
    return {"columns": [{"name": "a", "kind": "integer", **change}]}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (column(kind="number"), "kind"),
        (column(name=""), "name"),
        (column(name=7), "name"),
        (column(colour="red"), "colour"),
        (column(minimum="0"), "minimum"),
        (column(minimum=True), "minimum"),
        (column(minimum=5, maximum=4), "minimum"),
        (column(decimals=-1), "decimals"),
        (column(decimals=1.5), "decimals"),
        (column(decimals=True), "decimals"),
        (column(fixed_decimals="yes"), "fixed_decimals"),
        (column(storage="blob"), "storage"),
        (column(missing_codes="NA"), "missing_codes"),
        (column(missing_codes=[1]), "missing_codes"),
        (column(missing_codes=["a", "a"]), "missing_codes"),
        (column(kind="categorical"), "categories"),
        (column(kind="categorical", categories=[]), "categories"),
        (column(kind="boolean", categories=["a", "b", "c"]), "categories"),
        (column(kind="datetime"), "datetime_format"),
        (column(kind="datetime", datetime_format="%Y", minimum=5), "minimum"),
        (column(evidence="because"), "evidence"),
        ({"columns": ["age"]}, ""),
    ],
)
def test_malformed_columns_name_their_place(raw: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        schema_from_json(raw)
    assert caught.value.errors[0].loc == ("columns", 0, place)
    assert caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"columns": {}},
        {"columns": [], "version": 99},
        {**SCHEMA.to_json(), "dialect": {"colour": "red"}},
        {**SCHEMA.to_json(), "dialect": "csv"},
        {**SCHEMA.to_json(), "dependencies": [{"dependent": "x"}]},
        {**SCHEMA.to_json(), "dependencies": 5},
        {**SCHEMA.to_json(), "duplicates": ["abc"]},
        {**SCHEMA.to_json(), "duplicates": [["a"]]},
    ],
)
def test_malformed_schemas_are_refused_with_a_hint(raw: Any) -> None:
    with pytest.raises(InvalidSchema) as caught:
        schema_from_json(raw)
    assert caught.value.hint


def test_merging_overrides_parts() -> None:
    merged = merge_schema(SCHEMA, {"columns": [{"name": "age", "maximum": 120}]})
    assert (merged["age"].maximum, merged["age"].minimum, merged["age"].missing_codes) == (120, 0, ("-9",))
    assert merged["sex"] == SCHEMA["sex"]
    assert merged.dialect == SCHEMA.dialect
    text = merge_schema(SCHEMA, {"columns": [{"name": "area", "kind": "text"}]})["area"]
    assert (text.kind, text.categories) == (Kind.TEXT, None)
    ordinal = merge_schema(SCHEMA, {"columns": [{"name": "area", "kind": "ordinal", "categories": ["b", "a"]}]})["area"]
    assert ordinal.categories == ("b", "a")
    assert merge_schema(SCHEMA, {}) == SCHEMA
    weight = merge_schema(SCHEMA, {"columns": [{"name": "x", "kind": "weight"}]})["x"]
    assert (weight.kind, weight.decimals, weight.fixed_decimals) == (Kind.WEIGHT, 2, True)


@pytest.mark.parametrize(
    "patch",
    [[], {"columns": {}}, {"columns": [5]}, {"columns": [{"kind": "text"}]}, {"columns": [{"name": "ghost"}]},
     {"columns": [{"name": ["age"]}]}, {"columns": [{"name": "area", "kind": "datetime"}]},
     {"columns": [{"name": "area", "kind": []}]}, {"columns": [{"name": "age", "kind": "boolean"}]}],
)  # fmt: skip
def test_merging_refuses_what_does_not_fit(patch: Any) -> None:
    with pytest.raises(InvalidSchema):
        merge_schema(SCHEMA, patch)
