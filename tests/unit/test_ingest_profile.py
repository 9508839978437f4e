"""The profile answers a data scientist's questions; check_schema and table_from_frame."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.errors import InvalidData, InvalidInput, InvalidSchema, TooLarge
from models.ingest import Limits, check_schema, infer_schema, profile, table_from_frame
from models.ingest.profile_relations import cramers_v, give_away
from models.schema import Column, Kind, RuleText, Schema, merge_schema
from models.table import Table

N = 2_000


def people() -> pa.Table:
    """A table with one of every trouble that the profile should point at."""
    rng = np.random.default_rng(0)
    age = rng.integers(0, 90, N)
    child = age < 16
    income = np.round(np.exp(rng.normal(10, 1, N)), 2)
    left = rng.random(N) < 0.06
    columns: dict[str, list[str]] = {
        "person_id": [str(i + 1) for i in range(N)],
        "age": [str(a) if i != 7 else "190" for i, a in enumerate(age)],
        "sex": rng.choice(["f", "m"], N).tolist(),
        "job": ["" if c else w for c, w in zip(child, rng.choice(["a", "b", "c"], N), strict=True)],
        "hours": ["N" if c else str(h) for c, h in zip(child, rng.integers(1, 60, N), strict=True)],
        "income": [f"{v:.2f}" for v in income],
        "pressure": [str(v) if v > 85 else "0" for v in rng.integers(80, 200, N)],
        "joined": [str(d) for d in np.datetime64("2015-01-01") + rng.integers(0, 900, N)],
        "left": ["yes" if v else "no" for v in left],
        "reason": ["moved" if v else "stays" for v in left],
        "country": ["UK"] * N,
        "note": [f"note number {i}, free text" for i in range(N)],
    }
    columns["sex2"] = columns["sex"]
    for values in columns.values():  # 40 rows repeat the rows before them, apart from the identifier
        if values is not columns["person_id"] and values is not columns["note"]:
            values[1_000:1_040] = values[960:1_000]
    columns["note"][1_000:1_040] = columns["note"][960:1_000]
    return pa.table(columns)


@pytest.fixture(scope="module")
def table() -> Table:
    data = people()
    return Table(infer_schema(data), data)


@pytest.fixture(scope="module")
def answers(table: Table) -> dict[str, Any]:
    out = profile(table, target="left")
    return dict(json.loads(json.dumps(out, allow_nan=False)))


def column(answers: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in answers["columns"] if c["name"] == name)


def test_gaps_by_code_and_together(answers: dict[str, Any], table: Table) -> None:
    children = int(table.values("hours").missing.__ge__(0).sum())
    assert column(answers, "hours")["missing"]["by_code"] == [{"code": "N", "rows": children}]
    assert column(answers, "job")["missing"]["share"] == pytest.approx(children / N, abs=1e-6)
    assert answers["gaps"]["together"] == [{"columns": ["job", "hours"], "rows": children}]
    assert answers["gaps"]["pairs"][0]["together"] == 1.0
    assert answers["rows"] == answers["rows_profiled"] == N


def test_distributions(answers: dict[str, Any], table: Table) -> None:
    income = column(answers, "income")
    values = table.values("income").values
    assert income["mean"] == pytest.approx(values.mean())
    assert income["quantiles"]["0.5"] == pytest.approx(np.median(values))
    histogram = income["histogram"]
    assert sum(histogram["rows"]) + histogram["below"] + histogram["above"] == N
    assert len(histogram["edges"]) == len(histogram["rows"]) + 1
    q1, q3 = np.quantile(values, [0.25, 0.75])
    beyond = (values < q1 - 3 * (q3 - q1)) | (values > q3 + 3 * (q3 - q1))
    assert income["outliers"]["far_fence"] == int(beyond.sum()) > 0
    sex = column(answers, "sex")
    assert {t["value"]: t["rows"] for t in sex["top"]} == pd.Series(
        table.data["sex"].to_pylist()
    ).value_counts().to_dict()
    joined = column(answers, "joined")["quantiles"]
    assert joined["0"] == min(table.data["joined"].to_pylist())


def test_values_of_identifiers_and_texts_are_not_shown(answers: dict[str, Any]) -> None:
    for name in ("person_id", "note"):
        assert set(column(answers, name)) == {"name", "kind", "evidence", "missing", "unique"}
    assert "free text" not in json.dumps(answers)


def test_findings_name_what_is_wrong_worst_first(answers: dict[str, Any]) -> None:
    found = {(f["code"], f["column"]) for f in answers["findings"]}
    assert {
        ("implausible_range", "age"),
        ("identifier", "person_id"),
        ("text", "note"),
        ("constant", "country"),
        ("duplicate_column", "sex2"),
        ("duplicate_rows", None),
        ("leak", "reason"),
        ("imbalanced_target", "left"),
        ("missing", "hours"),
        ("check_type", "pressure"),
        ("outliers", "income"),
    } <= found
    order = [("error", "warning", "info").index(f["severity"]) for f in answers["findings"]]
    assert order == sorted(order)
    assert all(f["message"] and f["hint"] for f in answers["findings"])


def test_rows_that_break_a_rule_are_counted_and_not_shown(table: Table) -> None:
    rules = (RuleText(("age < 16",), ("income <= 9000",)), RuleText((), ("age <= 190",)))
    ruled = Table(replace(table.schema, rules=rules), table.data)
    answers = profile(ruled)
    age, income = ruled.values("age").values, ruled.values("income").values
    broken = int(((age < 16) & (income > 9_000)).sum())
    assert broken > 0
    assert answers["rules"][0] == {"rule": "age < 16 -> income <= 9000", "broken_rows": broken}
    found = [f["message"] for f in answers["findings"] if f["code"] == "broken_rule"]
    assert found[0].startswith(f"{broken:,} row(s)")


def test_duplicates_identifiers_and_constants(answers: dict[str, Any]) -> None:
    assert answers["duplicates"] == {"rows": 0, "rows_apart_from_identifiers": 40, "columns": [["sex2", "sex"]]}
    assert answers["identifiers"] == ["person_id"]
    assert answers["constants"] == ["country"]


def test_target(answers: dict[str, Any], table: Table) -> None:
    target = answers["target"]
    share = table.data["left"].to_pylist().count("yes") / N
    assert target["smallest_share"] == pytest.approx(share, abs=1e-6)
    assert target["majority_accuracy"] == pytest.approx(1 - share, abs=1e-6)
    assert target["columns"][0] == {"column": "reason", "score": 1.0, "leak": True}
    assert all(c["score"] < 0.7 for c in target["columns"][1:])


def test_a_number_as_target(table: Table) -> None:
    data = table.data.append_column(
        "double", pa.array([f"{2 * float(v):.2f}" for v in table.data["income"].to_pylist()])
    )
    answers = profile(Table(infer_schema(data), data), target="income")
    assert answers["target"]["measure"] == "R2"
    best = answers["target"]["columns"][0]
    assert best["column"] == "double"
    assert best["score"] > 0.8
    assert "smallest_share" not in answers["target"]


@pytest.mark.parametrize(
    ("target", "word"), [("wealth", "no column"), ("person_id", "identifier"), ("country", "never")]
)
def test_impossible_targets(table: Table, target: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as caught:
        profile(table, target=target)
    assert caught.value.hint
    assert caught.value.errors[0].loc == ("target",)


def test_associations(table: Table) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=N)
    data = pa.table(
        {
            "x": [f"{v:.3f}" for v in x],
            "y": [f"{v:.3f}" for v in -x],
            "z": [f"{v:.3f}" for v in rng.normal(size=N)],
            "label": ["low" if v < -0.4 else "mid" if v < 0.4 else "high" for v in x],
            "coin": rng.choice(["a", "b"], N).tolist(),
        }
    )
    found = profile(Table(infer_schema(data), data))["associations"]
    matrix = dict(zip(found["columns"], found["matrix"], strict=True))
    at = {n: i for i, n in enumerate(found["columns"])}
    assert matrix["x"][at["y"]] == pytest.approx(-1)
    assert abs(matrix["x"][at["z"]]) < 0.1
    assert matrix["x"][at["label"]] > 0.8
    assert matrix["x"][at["coin"]] < 0.1
    assert found["rows_used"] == N


def test_cramers_v_is_one_for_copies_and_near_zero_for_noise() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(0, 5, 3_000)
    assert cramers_v(a, a) == pytest.approx(1, abs=1e-6)
    assert cramers_v(a, (a + 1) % 5) == pytest.approx(1, abs=1e-6)
    assert cramers_v(a, rng.integers(0, 4, 3_000)) < 0.05
    assert cramers_v(a, np.zeros(3_000, np.int64)) == 0


def test_unrelated_columns_give_nothing_away(table: Table) -> None:
    values = {c.name: table.values(c.name) for c in table.schema.modelled}
    scores = {f["column"]: f["score"] for f in give_away(table.schema["sex"], table.schema.modelled, values)}
    assert scores["sex2"] == 1
    assert 0.4 < scores["age"] < 0.6


def test_long_tables_are_profiled_on_spread_rows(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.ingest.profiling.MOST_ROWS", 500)
    answers = profile(table)
    assert (answers["rows"], answers["rows_profiled"]) == (N, 500)


# ---- check_schema


def test_the_inferred_schema_fits(table: Table) -> None:
    check_schema(table)


@pytest.mark.parametrize(
    ("change", "line", "word"),
    [
        ({"name": "age", "maximum": 100}, 9, "above its maximum"),
        ({"name": "age", "minimum": 200, "maximum": None}, 2, "below its minimum"),
        ({"name": "hours", "missing_codes": []}, None, "no finite number"),
        ({"name": "income", "kind": "integer"}, 2, "fractions"),
        ({"name": "sex", "categories": ["f", "x"]}, None, "neither categories nor missing codes"),
        ({"name": "sex", "missing_codes": ["f"]}, None, "missing codes too"),
        ({"name": "joined", "datetime_format": "%d/%m/%Y"}, 2, "no date of the format"),
        ({"name": "joined", "minimum": "2016-01-01"}, None, "below its minimum"),
        ({"name": "joined", "maximum": "next year"}, None, "no date of its format"),
        ({"name": "note", "kind": "integer"}, 2, "no finite number"),
        ({"name": "left", "kind": "categorical", "categories": ["yes"]}, None, "neither"),
    ],
)
def test_contradictions_name_column_and_line(table: Table, change: dict[str, Any], line: int | None, word: str) -> None:
    schema = merge_schema(table.schema, {"columns": [change]})
    with pytest.raises(InvalidSchema) as caught:
        check_schema(Table(schema, table.data))
    error = caught.value
    assert error.errors[0].loc == ("column", change["name"])
    assert word in error.message
    assert error.hint
    assert line is None or f"first at line {line})" in error.message
    assert "190" not in json.dumps(error.to_problem())


def test_every_contradiction_is_listed(table: Table) -> None:
    schema = merge_schema(
        table.schema, {"columns": [{"name": "age", "maximum": 1}, {"name": "sex", "categories": ["q", "r"]}]}
    )
    with pytest.raises(InvalidSchema) as caught:
        check_schema(Table(schema, table.data))
    assert [e.loc[1] for e in caught.value.errors] == ["age", "sex"]


def test_a_schema_of_another_table(table: Table) -> None:
    short = replace(table.schema, columns=table.schema.columns[1:])
    with pytest.raises(InvalidSchema, match="person_id"):
        check_schema(Table(short, table.data))
    extra = Schema((*table.schema.columns, Column("ghost", Kind.TEXT)))
    with pytest.raises(InvalidSchema, match="ghost"):
        check_schema(Table(extra, table.data))
    swapped = Schema(table.schema.columns[::-1])
    with pytest.raises(InvalidSchema, match="another place"):
        check_schema(Table(swapped, table.data))


def test_declared_labels_need_not_occur(table: Table) -> None:
    check_schema(
        Table(
            merge_schema(table.schema, {"columns": [{"name": "job", "categories": ["a", "b", "c", "d"]}]}), table.data
        )
    )


# ---- table_from_frame


def test_frames_of_many_types() -> None:
    n = 60
    frame = pd.DataFrame(
        {
            "age": np.arange(n) * 7 % 50,
            "income": np.where(np.arange(n) % 7 == 0, np.nan, np.arange(n) * 1.25),
            "whole": pd.array([None if i % 9 == 0 else i * 3 % 40 for i in range(n)], dtype="Int64"),
            "sex": pd.Categorical(["f", "m"] * (n // 2)),
            "flag": [True, False, True] * (n // 3),
            "joined": pd.date_range("2015-01-01", periods=n, freq="D"),
            "mixed": [1, "one", 2.5] * (n // 3),
            5: ["x", None, "y"] * (n // 3),
        }
    )
    table = table_from_frame(frame)
    assert {c.name: c.kind.value for c in table.schema.columns} == {
        "age": "integer",
        "income": "decimal",
        "whole": "integer",
        "sex": "categorical",
        "flag": "boolean",
        "joined": "datetime",
        "mixed": "categorical",
        "5": "categorical",
    }
    assert table.schema["income"].missing_codes == ("",)
    assert np.allclose(table.values("income").values, frame["income"], equal_nan=True)
    assert table.values("5").missing.tolist() == [-1, 0, -1] * (n // 3)
    check_schema(table)


def test_frames_that_are_no_tables() -> None:
    with pytest.raises(InvalidData, match="infinite"):
        table_from_frame(pd.DataFrame({"a": [1.0, np.inf, 2.0]}))
    with pytest.raises(InvalidData, match="fit into a cell"):
        table_from_frame(pd.DataFrame({"a": [[1], [2], [3]]}))
    with pytest.raises(InvalidData, match="Repeated"):
        table_from_frame(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    with pytest.raises(InvalidData, match="row"):
        table_from_frame(pd.DataFrame({"a": [1]}))
    with pytest.raises(InvalidData, match="no column"):
        table_from_frame(pd.DataFrame(index=range(3)))
    with pytest.raises(TooLarge):
        table_from_frame(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), limits=Limits(max_columns=1))
