"""What is public of a schema, what a private job refuses for want of a domain, and how a custodian declares one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from models.errors import InvalidPrivacy, InvalidSchema
from models.privacy.domain import assumed_public, bounds, check_domain, lacking, public_part
from models.schema import Column, Dependency, Kind, RuleText, Schema, merge_schema, schema_from_json

SCHEMA = Schema(
    (
        Column("age", Kind.INTEGER, minimum=17, maximum=90, missing_codes=("-9",), evidence={"rows": 31_415}),
        Column("area", Kind.CATEGORICAL, categories=("secret town", "b"), evidence={"unique": 2}),
        Column("day", Kind.DATETIME, datetime_format="%d/%m/%Y", minimum="01/02/2020", maximum="03/04/2021"),
        Column("id", Kind.IDENTIFIER, evidence={"unique": 31_415}),
    ),
    dependencies=(Dependency(("area",), "age"),),
    duplicates=(("day", "age"),),
    rules=(RuleText(("age < 18",), ("area = b",)),),
)
DECLARED = merge_schema(
    SCHEMA,
    {
        "columns": [
            {"name": "age", "public": True, "minimum": 0, "maximum": 120, "edges": [0, 18, 18, 65, 120]},
            {"name": "area", "public": True, "categories": ["a", "b", "c"]},
            {"name": "day", "public": True, "edges": ["01/02/2020", "01/01/2021"]},
        ]
    },
)


def test_a_declared_domain_is_stored_and_read_again() -> None:
    again = schema_from_json(json.loads(json.dumps(DECLARED.to_json())))
    assert again == DECLARED
    assert again["age"].edges == (0, 18, 18, 65, 120)
    assert (again["age"].public, again["id"].public) == (True, False)
    check_domain(again, discover=False)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"public": "yes"}, "public"),
        ({"public": 1}, "public"),
        ({"edges": [5]}, "edges"),
        ({"edges": 5}, "edges"),
        ({"edges": "5, 6"}, "edges"),
        ({"edges": list(range(1001))}, "edges"),
        ({"edges": [20, 18]}, "edges"),
        ({"edges": [18, 18, 18]}, "edges"),
        ({"edges": [18, float("nan")]}, "edges"),
        ({"edges": [18, float("inf")]}, "edges"),
        ({"edges": [18, 10**400]}, "edges"),
        ({"edges": [True, 20]}, "edges"),
        ({"edges": ["18", "20"]}, "edges"),
        ({"edges": [16, 20]}, "edges"),
        ({"edges": [18, 91]}, "edges"),
        ({"public": True, "maximum": float("inf")}, "maximum"),
        ({"public": True, "minimum": -(10**400)}, "minimum"),
        ({"name": "day", "edges": [1, 2]}, "edges"),
        ({"name": "day", "edges": ["01/02/2020", "2020-03-01"]}, "edges"),
        ({"name": "day", "edges": ["01/03/2020", "01/02/2020"]}, "edges"),
        ({"name": "day", "edges": ["01/01/2020", "01/03/2020"]}, "edges"),
        ({"name": "day", "public": True, "minimum": "2020"}, "minimum"),
        ({"name": "day", "public": True, "minimum": "01/01/2022"}, "minimum"),
        ({"name": "area", "edges": [1, 2]}, "edges"),
    ],
)
def test_a_malformed_domain_names_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        merge_schema(SCHEMA, {"columns": [{"name": "age", **change}]})
    assert caught.value.errors[0].loc == ("columns", 0, place)


def test_another_kind_starts_without_a_declared_domain() -> None:
    text = merge_schema(DECLARED, {"columns": [{"name": "age", "kind": "text"}]})["age"]
    assert (text.public, text.edges, text.minimum) == (False, None, None)
    weight = merge_schema(DECLARED, {"columns": [{"name": "age", "kind": "weight"}]})["age"]
    assert (weight.public, weight.edges) == (True, (0, 18, 18, 65, 120))


def test_every_column_without_a_domain_is_named_with_both_remedies_and_no_value() -> None:
    with pytest.raises(InvalidPrivacy) as caught:
        check_domain(SCHEMA, discover=False)
    error = caught.value
    assert "'age' lacks minimum and maximum" in error.message
    assert "'area' lacks categories" in error.message
    assert "'day' lacks minimum and maximum" in error.message
    assert "'id'" not in error.message
    assert [d.loc for d in error.errors] == [("schema", "columns", n) for n in ("age", "area", "day")]
    assert '"public": true' in error.hint
    assert "domain share" in error.hint
    told = json.dumps(error.to_problem())
    assert not any(value in told for value in ("secret", "17", "90", "2020", "2021", "31415"))
    assert error.status == 422
    check_domain(SCHEMA, discover=True)
    half = merge_schema(SCHEMA, {"columns": [{"name": n, "public": True} for n in ("area", "day")]})
    half = half.with_column(Column("age", Kind.INTEGER, minimum=0, public=True))
    with pytest.raises(InvalidPrivacy, match=r"^1 column.*'age' lacks maximum\.$"):
        check_domain(half, discover=False)


def test_a_table_of_texts_has_nothing_to_model() -> None:
    with pytest.raises(InvalidPrivacy, match="modelled"):
        check_domain(Schema((Column("id", Kind.IDENTIFIER),)), discover=True)


def test_bounds_are_the_declared_ones_or_else_the_outermost_edges() -> None:
    assert bounds(DECLARED["age"]) == (0, 120)
    assert bounds(SCHEMA["age"]) is None
    assert bounds(Column("x", Kind.DECIMAL, public=True, edges=(1.5, 2))) == (1.5, 2)
    assert bounds(Column("x", Kind.DECIMAL, public=True, maximum=3, edges=(1.5, 2))) == (1.5, 3)
    assert bounds(DECLARED["day"]) == (1580515200, 1617408000)
    assert lacking(Column("x", Kind.DECIMAL, public=True, minimum=5, maximum=4)) == ("minimum", "maximum")


def test_the_public_part_holds_nothing_that_was_found_in_rows() -> None:
    found = public_part(SCHEMA)
    assert all((c.categories, c.minimum, c.maximum, c.edges, c.evidence) == (None,) * 4 + ({},) for c in found.columns)
    assert (found.dependencies, found.duplicates) == ((), ())
    assert found.rules == SCHEMA.rules
    assert found["age"].missing_codes == ("-9",)
    kept = public_part(DECLARED)
    assert kept["area"].categories == ("a", "b", "c")
    assert (kept["age"].minimum, kept["age"].edges) == (0, (0, 18, 18, 65, 120))
    # Two tables whose inferred schemas differ, declared alike, have one public part.
    other = SCHEMA.with_column(Column("area", Kind.CATEGORICAL, categories=("x",), evidence={"unique": 1}))
    assert public_part(other) == found


def test_what_is_assumed_public_is_told_column_by_column() -> None:
    lines = assumed_public(DECLARED)
    told = "\n".join(lines)
    assert "(4)" in lines[0]
    for part in ("'age': kind integer", "missing codes '-9'", "minimum 0; maximum 120", "5 edges", "its 3 categories",
                 "format %d/%m/%Y", "rule: age < 18 -> area = b", "column 'id': kind identifier"):  # fmt: skip
        assert part in told
    assert "secret" not in "\n".join(assumed_public(SCHEMA))
    assert "90" not in "\n".join(assumed_public(SCHEMA))


def test_what_was_declared_public_without_being_written_is_said_to_come_from_the_file() -> None:
    adopted = merge_schema(
        SCHEMA, {"columns": [{"name": "area", "public": True}, {"name": "age", "public": True, "minimum": 0}]}
    )
    told = "\n".join(assumed_public(public_part(adopted)))
    assert "its 2 categories (as read from the file" in told
    assert "maximum 90 (as read from the file" in told
    assert "minimum 0;" in told
    again = merge_schema(adopted, {"columns": [{"name": "area", "public": True}, {"name": "age", "maximum": 120}]})
    told = "\n".join(assumed_public(again))
    assert "its 2 categories (as read from the file" in told
    assert "maximum 120 (" not in told


def test_it_needs_neither_torch_nor_pandas() -> None:
    code = "import sys, models.privacy.domain as d; print({'torch', 'pandas', 'pyarrow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
