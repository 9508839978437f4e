"""Tables from elsewhere under the real table's schema: spellings are read, misfits are counted, nonsense is refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from models.errors import InvalidInput
from models.evaluation.context import Context
from models.evaluation.matching import INVALID, UNSEEN, match
from models.evaluation.matrix import read_matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.validity import validity
from models.progress import SILENT
from models.schema import Column, Dependency, Kind, RuleText, Schema
from models.table import Table

REAL = Schema(
    (
        Column("age", Kind.INTEGER, missing_codes=("?",)),
        Column("grade", Kind.CATEGORICAL, categories=("1", "2", "3")),
        Column("job", Kind.CATEGORICAL, categories=("cook", "clerk")),
        Column("pay", Kind.DECIMAL, decimals=2),
        Column("born", Kind.DATETIME, datetime_format="%Y-%m-%d"),
        Column("name", Kind.TEXT),
    ),
    dependencies=(Dependency(("grade",), "job"),),
    rules=(RuleText(("age < 16",), ("job = clerk",)), RuleText(("grade = 1",), ("pay < 9",))),
)
ROWS: dict[str, list[str]] = {
    "age": ["31", "64", "?", "12"],
    "grade": ["1", "2", "3", "1"],
    "job": ["cook", "clerk", "cook", "clerk"],
    "pay": ["1.50", "2.00", "3.25", "9.99"],
    "born": ["1990-01-31", "1957-05-01", "2000-12-24", "2009-07-07"],
    "name": ["a", "b", "c", "d"],
}


def table(schema: Schema = REAL, /, **columns: list[str]) -> Table:
    return Table(schema, pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()}))


def other(**changed: list[str]) -> Table:
    """A table that has ROWS but for some columns, all of text unless the real schema has them."""
    return table(Schema(tuple(Column(n, Kind.TEXT) for n in {**ROWS, **changed})), **{**ROWS, **changed})


def one(**changed: list[str]) -> tuple[Table, Table, list[dict[str, Any]]]:
    matched = match(table(**ROWS), {"synthetic": other(**changed)})
    return matched.real, matched.others["synthetic"], matched.findings["cells"]


def test_equal_tables_need_nothing() -> None:
    real, synthetic, cells = one()
    assert (cells, real.schema, synthetic.schema) == ([], REAL, REAL)
    assert synthetic.data.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("column", "cells", "read", "what"),
    [
        ("grade", ["1.0", "2.0", "3.0", "1"], ["1", "2", "3", "1"], ("spelled otherwise, and read", 3, 3)),
        ("age", ["31", "", "?", "12"], ["31", "?", "?", "12"], None),
        ("born", ["31.01.1990", *ROWS["born"][1:]], ROWS["born"], ("dates in another format, and read", 1, 1)),
    ],
)  # fmt: skip
def test_other_spellings_are_read(column: str, cells: list[str], read: list[str], what: Any) -> None:
    given = other(**{column: cells})
    own = Column("born", Kind.DATETIME, datetime_format="%d.%m.%Y")
    given = Table(given.schema.with_column(own), given.data)
    matched = match(table(**ROWS), {"synthetic": given})
    assert matched.others["synthetic"].data.column(column).to_pylist() == read
    found = [(c["what"], c["cells"], c["distinct"]) for c in matched.findings["cells"]]
    assert found == ([] if what is None else [what])
    read_matrix(matched.others["synthetic"], matched.real.schema.modelled, "synthetic")


def test_missing_codes_of_the_other_table_and_blanks() -> None:
    given = other(job=["cook", "", "NA", "clerk"])
    codes = Column("job", Kind.CATEGORICAL, categories=("cook", "clerk"), missing_codes=("NA", ""))
    matched = match(table(**ROWS), {"synthetic": Table(given.schema.with_column(codes), given.data)})
    assert matched.others["synthetic"].data.column("job").to_pylist() == ["cook", "", "", "clerk"]
    assert matched.real.schema["job"].missing_codes == ("",)
    assert [c["what"] for c in matched.findings["cells"]] == ["missing, written otherwise"]


def context_of(real: Table, synthetic: Table, holdout: Table | None = None) -> Context:
    modelled = real.schema.modelled
    held = real.take(slice(0, 0)) if holdout is None else holdout
    known, other, made = (read_matrix(t, modelled, "real") for t in (real, held, synthetic))
    return Context(known, other, made, None, 0, EvaluationOptions(), SILENT)


def test_misfits_are_counted_and_shown() -> None:
    real, synthetic, cells = one(
        job=["cook", "pilot", "nurse", "clerk"], pay=["1.50", "much", "2", "3"], age=["31", "1.5", "2.5", "12"]
    )
    assert real.schema["job"].categories == ("cook", "clerk", UNSEEN)
    assert synthetic.data.column("job").to_pylist() == ["cook", UNSEEN, UNSEEN, "clerk"]
    assert real.schema["pay"].missing_codes == (INVALID,)
    assert {(c["column"], c["what"], c["cells"], c["distinct"]) for c in cells} == {
        ("job", "not among the categories", 2, 2), ("pay", "no numbers", 1, 1),
        ("age", "fractions, where the real table has whole numbers", 2, 2),
    }  # fmt: skip
    assert all(c["table"] == "synthetic" and c["of"] == 4 for c in cells)
    part = validity(context_of(real, synthetic))
    assert [(m.subject, m.value, m.status) for m in part.metrics] == [
        ("", 0.25, "fail"), ("age", 0.5, "fail"), ("job", 0.5, "fail"), ("pay", 0.25, "fail"),
    ]  # fmt: skip
    assert [c["column"] for c in part.sections["validity"]["columns"]] == ["age", "job", "pay"]


def test_labels_that_a_real_holdout_lacks_as_often_are_no_fault() -> None:
    real = table(Schema((Column("job", Kind.CATEGORICAL, categories=("a", "b")),)), job=["a", "b"] * 50)
    held = table(Schema((Column("job", Kind.CATEGORICAL),)), job=["a", "b"] * 48 + ["c"] * 4)
    matched = match(real, {"synthetic": held, "holdout": held})
    part = validity(context_of(matched.real, matched.others["synthetic"], matched.others["holdout"]))
    assert [(m.value, m.holdout, m.status) for m in part.metrics] == [(0.04, 0.04, "pass")] * 2
    alone = validity(context_of(matched.real, matched.others["synthetic"]))
    assert [(m.value, m.bar, m.status) for m in alone.metrics] == [(0.04, 0.0, "fail")] * 2


def test_columns_that_not_all_have_are_left_out_with_what_is_said_of_them() -> None:
    given = {k: v for k, v in ROWS.items() if k not in ("grade", "name")} | {"extra": ["x"] * 4}
    matched = match(table(**ROWS), {"synthetic": table(Schema(()), **given), "holdout": other()})
    assert matched.findings["compared"] == ["age", "job", "pay", "born"]
    assert matched.findings["left_out"] == [
        {"column": "grade", "lacking": ["synthetic"]}, {"column": "name", "lacking": ["synthetic"]}
    ]  # fmt: skip
    assert matched.findings["extra"] == {"synthetic": ["extra"], "holdout": []}
    assert matched.real.schema.rules == REAL.rules[:1]
    assert matched.real.schema.dependencies == ()
    assert matched.real.names == matched.others["holdout"].names == ["age", "job", "pay", "born"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pay": ["low", "high", "high", "3"]}, "75% of its cells are no numbers"),
        ({"born": ["soon", "late", "now", "then"]}, "dates of the form %Y-%m-%d"),
        ({"job": ["x", "y", "z", "z"]}, "none of the real table's categories"),
    ],
)
def test_another_type_is_refused_without_a_value(changed: dict[str, list[str]], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as error:
        one(**changed)
    assert error.value.error_code == "other_types"
    assert next(iter(changed)) in error.value.message
    assert "synthetic" in error.value.message
    assert "schema" in error.value.hint
    assert not any(value in error.value.message + error.value.hint for value in ("low", "soon", "'x'"))


def test_nothing_in_common_and_an_absent_target_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no modelled column in common") as error:
        match(table(**ROWS), {"synthetic": table(Schema(()), AGE=["1"], name=["x"])})
    assert error.value.error_code == "no_common_columns"
    assert "age, grade" in error.value.hint
    assert "AGE" in error.value.hint
    lacking = table(Schema(()), **{k: v for k, v in ROWS.items() if k != "job"})
    with pytest.raises(InvalidInput, match="'job'") as error:
        match(table(**ROWS), {"synthetic": other(), "holdout": lacking}, needed=["job"])
    assert "holdout" in error.value.message
