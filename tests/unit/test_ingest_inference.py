"""Schema inference: kinds, domains, dates, missing codes and dependencies, each with its evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidData
from models.ingest import check_schema, infer_schema
from models.ingest.counting import count_words
from models.schema import Column, Dialect, Kind, Schema, schema_from_json
from models.streaming import typed
from models.table import Table, read_values, write_values

N = 200


def infer(storages: dict[str, str] | None = None, **columns: Sequence[str | None]) -> Schema:
    """Schema of the columns, beside one that keeps the table from being hopeless."""
    rows = len(next(iter(columns.values())))
    filler = [["left", "right", "top"][i % 3] for i in range(rows)]
    data = pa.table({**columns, "filler": filler}, schema=pa.schema([(n, pa.string()) for n in [*columns, "filler"]]))
    schema = infer_schema(data, Dialect(), storages)
    check_schema(Table(schema, data))
    assert schema_from_json(json.loads(json.dumps(schema.to_json()))) == schema
    return schema


def one(values: Sequence[str | None], name: str = "x", storage: str | None = None) -> Column:
    return infer({name: storage} if storage else None, **{name: values})[name]


def cycle(*values: str) -> list[str]:
    return [values[i % len(values)] for i in range(N)]


def draw(low: float, high: float, digits: int, seed: int = 0) -> list[str]:
    return [f"{v:.{digits}f}" for v in np.random.default_rng(seed).uniform(low, high, N)]


@pytest.mark.parametrize(
    ("name", "values", "kind", "categories"),
    [
        ("colour", cycle("red", "green", "blue"), Kind.CATEGORICAL, ("blue", "green", "red")),
        ("flag", cycle("1", "0"), Kind.BOOLEAN, ("0", "1")),
        ("churn", cycle("Yes", "No"), Kind.BOOLEAN, ("No", "Yes")),
        ("angina", cycle("N", "Y", "N"), Kind.BOOLEAN, ("N", "Y")),
        ("sex", cycle("1", "2"), Kind.CATEGORICAL, ("1", "2")),
        ("puma", cycle("01", "02", "10"), Kind.CATEGORICAL, ("01", "02", "10")),
        ("race", cycle("1", "2", "1", "9", "9", "6", "1"), Kind.CATEGORICAL, ("1", "2", "6", "9")),
        ("EDU", cycle("1", "3", "2", "3", "2", "10"), Kind.ORDINAL, ("1", "2", "3", "10")),
        ("month", cycle("July", "May", "June"), Kind.ORDINAL, ("May", "June", "July")),
        ("answer", cycle("good", "Fair", "poor"), Kind.ORDINAL, ("poor", "Fair", "good")),
        ("band", cycle("10-19", " 0-9", "20-29", "30+"), Kind.ORDINAL, (" 0-9", "10-19", "20-29", "30+")),
        ("mood", cycle("None", "Several", "Most"), Kind.ORDINAL, ("None", "Several", "Most")),
        ("region", cycle("S92"), Kind.CATEGORICAL, ("S92",)),
        ("pumps", cycle("1.0", "2.0", "3.0"), Kind.CATEGORICAL, ("1.0", "2.0", "3.0")),
    ],
)
def test_labels(name: str, values: list[str], kind: Kind, categories: tuple[str, ...]) -> None:
    column = one(values, name)
    assert (column.kind, column.categories, column.missing_codes) == (kind, categories, ())
    assert column.evidence["rule"]
    assert column.evidence["reason"]
    assert column.evidence["rows"] == column.evidence["present"] == N


def test_whole_numbers() -> None:
    column = one([str(i * 7 % 90) for i in range(N)], "age")
    assert (column.kind, column.minimum, column.maximum, column.decimals) == (Kind.INTEGER, 0, 89, 0)
    assert column.storage == "int64"
    assert isinstance(column.minimum, int)


def test_whole_numbers_with_a_point_stay_so() -> None:
    column = one([f"{i * 100}.0" for i in range(N)], "income")
    assert (column.kind, column.decimals, column.fixed_decimals, column.storage) == (Kind.INTEGER, 1, True, "double")


@pytest.mark.parametrize(
    ("values", "decimals", "fixed"),
    [
        (draw(0, 10, 4), 4, True),
        ([v.rstrip("0").rstrip(".") for v in draw(0, 10, 2)], 2, False),
        (["0.1", "2.591768000000229", *draw(0, 3, 2)[2:]], 14, False),
        (["1e-3", "2.5", *draw(0, 3, 2)[2:]], 3, False),
    ],
)
def test_decimals(values: list[str], decimals: int, fixed: bool) -> None:
    column = one(values)
    assert (column.kind, column.decimals, column.fixed_decimals) == (Kind.DECIMAL, decimals, fixed)
    numbers = [float(v) for v in values]
    assert (column.minimum, column.maximum) == (min(numbers), max(numbers))


@pytest.mark.parametrize(
    ("values", "least"),
    [
        ([str(float(v)) for v in draw(0, 10, 2)], 1),  # 5.0 beside 5.25, as pandas writes them
        (["5", *[f"{float(v):g}" for v in draw(0, 10, 2)]], 0),
        ([v.rstrip("0").rstrip(".") + "1" for v in draw(0, 10, 2)], 0),
    ],
)
def test_numbers_keep_the_decimals_that_all_have(values: list[str], least: int) -> None:
    column = one(values)
    assert (column.fixed_decimals, column.least_decimals) == (False, least)
    spelled = write_values(read_values(pa.array(values), column), column).to_pylist()
    assert spelled == values


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("Record_Number", [str(i + 1) for i in range(N)], "row_number"),
        ("No", [str(i + 1) for i in range(N)], "row_number"),
        ("PassengerId", [str((i * 37) % 1009) for i in range(N)], "unique_key"),
        ("customer", [f"{i * 7919 % 9973:04}-ABC" for i in range(N)], "unique_key"),
        ("token", [f"{i:08x}-0000-4000-8000-{i * 7:012x}" for i in range(N)], "uuid"),
        ("ID", [str(50_000 + i * 2 // 3 * 17) for i in range(N)], "repeated_key"),
    ],
)
def test_identifiers(name: str, values: list[str], rule: str) -> None:
    column = one(values, name)
    assert column.kind is Kind.IDENTIFIER
    assert column.evidence["rule"] == rule


def test_numbers_that_happen_to_be_unique_are_no_identifiers() -> None:
    assert one([str(1_000 + i * i) for i in range(N)], "income").kind is Kind.INTEGER
    assert one(draw(0, 1, 9), "score").kind is Kind.DECIMAL


def test_texts_are_not_modelled() -> None:
    names = one([f"Person {i}, Mrs. Anna" for i in range(N)], "name")
    assert (names.kind, names.modelled) == (Kind.TEXT, False)
    tickets = one([f"PC {i * 3 // 4}" for i in range(N)], "ticket")
    assert (tickets.kind, tickets.evidence["rule"]) == (Kind.TEXT, "mostly_unique")
    places = one([f"Town {i % 60}" for i in range(N)], "place")
    assert (places.kind, len(places.categories or ())) == (Kind.CATEGORICAL, 60)


def test_weights_need_the_name_of_a_survey_weight() -> None:
    values = [str(100 + i * 13 % 997) for i in range(N)]
    assert one(values, "fnlwgt").kind is Kind.WEIGHT
    assert one(values, "PWGTP").kind is Kind.WEIGHT
    assert one(values, "person_weight").kind is Kind.WEIGHT
    body = one(draw(40, 120, 1), "Weight")
    assert body.kind is Kind.DECIMAL
    assert any("survey weight" in w for w in body.evidence["warnings"])
    assert one(["-1", *values[1:]], "WGTP").kind is Kind.INTEGER


def test_all_missing_and_constant_columns() -> None:
    empty = one([""] * N)
    assert (empty.kind, empty.missing_codes, empty.evidence["rule"]) == (Kind.TEXT, ("",), "all_missing")
    nulls = one([None] * N, storage="double")
    assert (nulls.kind, nulls.missing_codes) == (Kind.TEXT, ("",))
    coded = one(cycle("NA"))
    assert coded.missing_codes == ("NA",)
    constant = one([*cycle("5")[:-1], ""])
    assert (constant.kind, constant.categories, constant.missing_codes) == (Kind.CATEGORICAL, ("5",), ("",))
    assert constant.evidence["warnings"]


MOMENT = datetime(2009, 1, 1, 3, 1)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
     "%Y-%m-%dT%H:%M:%SZ", "%-d/%-m/%Y", "%-m/%-d/%Y %-H:%M", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%d-%b-%y",
     "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S.%f"],
)  # fmt: skip
def test_dates(form: str) -> None:
    step = timedelta(days=3, hours=5, minutes=7, seconds=11, microseconds=130) if "%H" in form else timedelta(days=3)
    moments = [MOMENT + i * step for i in range(N)]
    column = one([m.strftime(form) for m in moments], "date_of_call")
    assert (column.kind, column.datetime_format) == (Kind.DATETIME, form)
    assert (column.minimum, column.maximum) == (moments[0].strftime(form), moments[-1].strftime(form))
    assert column.storage == ("timestamp" if "H" in form or "I" in form else "date")


@pytest.mark.parametrize(
    ("form", "digits"), [("%Y-%m-%d %H:%M:%S.%3f", 3), ("%Y-%m-%dT%H:%M:%S.%3fZ", 3), ("%d.%m.%Y %-H:%M:%S.%1f", 1)]
)
def test_fractions_of_a_second_keep_their_digits(form: str, digits: int) -> None:
    moments = [MOMENT + timedelta(days=i, seconds=13 * i, milliseconds=1000 * i // 7) for i in range(N)]
    words = [m.strftime(form.replace(f"%{digits}f", f"{m.microsecond:06d}"[:digits])) for m in moments]
    column = one(words)
    assert (column.kind, column.datetime_format, column.storage) == (Kind.DATETIME, form, "timestamp")
    got = read_values(pa.array(words), column)
    assert write_values(got, column).to_pylist() == words
    assert typed(pa.array(words), column).cast(pa.string()).to_pylist()[1][:19] == str(moments[1])[:19]


def test_ambiguous_dates_are_read_day_first_and_say_so() -> None:
    column = one([f"{1 + i % 12:02}/{1 + i % 11:02}/2015" for i in range(N)], "day")
    assert column.datetime_format == "%d/%m/%Y"
    assert "%m/%d/%Y" in column.evidence["warnings"][0]


def test_numbers_that_look_like_dates_are_numbers() -> None:
    assert one([str(20_150_101 + i * 31) for i in range(N)], "amount").kind is Kind.INTEGER
    assert one([f"20{i % 90 + 10}.0{i % 10}" for i in range(N)], "price").kind is Kind.DECIMAL


def test_far_dates_are_dates() -> None:
    days = [str(date(2015, 1, 1) + timedelta(days=i)) for i in range(N - 2)]
    column = one([*days, "9999-12-31", "1066-10-14"], "valid_until")
    assert (column.kind, column.minimum, column.maximum) == (Kind.DATETIME, "1066-10-14", "9999-12-31")


@pytest.mark.parametrize("code", ["", " ", "NA", "N/A", "NULL", "nan", "?", "-", ".", "<NA>", "#N/A"])
def test_plain_codes_are_proposed_everywhere(code: str) -> None:
    for values in (cycle("a", "b", code), cycle(*map(str, range(1, 60)), code)):
        column = one(values)
        assert column.missing_codes == (code,)
        assert column.evidence["missing"] == {code: values.count(code)}
        assert column.evidence["proposed"][code]


@pytest.mark.parametrize("code", ["N", "X", "None", "unknown", "*"])
def test_other_codes_need_a_column_of_numbers_or_dates(code: str) -> None:
    assert one(cycle("1", "2", "3", code)).missing_codes == (code,)
    assert one(cycle(*draw(0, 5, 2)[:50], code)).missing_codes == (code,)
    assert one(cycle("2015-01-01", "2015-02-03", "2016-05-06", code)).kind is Kind.DATETIME
    assert one(cycle("a", "b", "c", code)).missing_codes == ()
    assert one(cycle("Y", code)).missing_codes == ()


def test_minus_nine_is_a_code_only_below_whole_numbers_and_in_mass() -> None:
    assert one(cycle("1", "2", "3", "4", "-9"), "industry").missing_codes == ("-9",)
    assert one(cycle(*map(str, range(30)), "-9", "-1", "-2"), "change").missing_codes == ()
    assert one([*map(str, range(1, N)), "-9"], "balance").missing_codes == ()
    assert one(cycle("0.5", "3.25", "7.75", "-9"), "temperature").missing_codes == ()


def test_nines_are_a_code_only_far_above_everything() -> None:
    assert one(cycle(*map(str, range(20)), "999"), "days").missing_codes == ("999",)
    assert one(cycle(*map(str, range(20, 90)), "99"), "age").missing_codes == ()
    assert one([*cycle(*map(str, range(20)))[:-1], "999"], "days").missing_codes == ()


def test_a_code_that_several_columns_justify_holds_in_the_others() -> None:
    rare = ["1"] * (N - 3) + ["2", "2", "-9"]
    schema = infer(a=cycle("1", "2", "-9"), b=cycle("3", "4", "5", "-9"), c=rare, d=cycle("Y", "N"))
    assert schema["c"].missing_codes == ("-9",)
    assert schema["c"].evidence["proposed"]["-9"].startswith("shared")
    schema = infer(a=cycle("1", "2", "N"), b=cycle("3", "4", "N"), c=cycle("A1", "B2", "N"), d=cycle("Y", "N"))
    assert schema["c"].missing_codes == ("N",)
    assert schema["d"].missing_codes == ()


def test_namibia_is_a_country() -> None:
    countries = ["DE", "FR", "GB", "US", "ES", "IT", "PT", "NL", "BE", "AT", "CH", "SE", "NO", "DK", "FI", "PL", "NA"]
    assert one(cycle(*countries), "country").missing_codes == ()


def test_a_rare_stray_word_among_numbers_is_proposed() -> None:
    column = one([*(str(i // 2 * 7) for i in range(N - 2)), "n.v.", "n.v."], "amount")
    assert column.missing_codes == ("n.v.",)
    assert column.kind is Kind.INTEGER


def test_a_long_stray_word_is_proposed_too() -> None:
    stray = "not asked because the person was away"
    assert one([*(str(i // 2 * 7) for i in range(N - 1)), stray], "amount").missing_codes == (stray,)


def test_mixed_types_are_pointed_out() -> None:
    column = one([str(i % 40) if i % 3 else f"C{i % 5}" for i in range(N)], "mixed")
    assert any("mixed" in w for w in column.evidence["warnings"])


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e999"])
def test_infinities_name_column_and_line(word: str) -> None:
    values = [str(i / 2) for i in range(N)]
    values[57] = word
    with pytest.raises(InvalidData) as caught:
        infer(income=values)
    assert caught.value.errors[0].loc == ("column", "income", "line", 59)
    assert "finite" in caught.value.hint
    assert one(cycle("inf", "sup", "max")).kind is Kind.CATEGORICAL


def test_a_table_without_anything_to_model_is_refused() -> None:
    data = pa.table({"id": [str(i) for i in range(50)], "k": ["1"] * 50, "e": [""] * 50})
    with pytest.raises(InvalidData, match="No column") as caught:
        infer_schema(data)
    assert {e.loc[1] for e in caught.value.errors} == {"id", "k", "e"}


def test_duplicates_and_dependencies() -> None:
    area = cycle("A1", "A2", "B1", "B2", "C1")
    rng = np.random.default_rng(0)
    schema = infer(
        area=area,
        region=[a[0] for a in area],
        density=[{"A1": "5.5", "A2": "7.25", "B1": "5.5", "B2": "9", "C1": "1"}[a] for a in area],
        copy=area,
        noise=[str(v) for v in rng.integers(0, 5, N)],
        id=[str(i + 1) for i in range(N)],
    )
    assert schema.duplicates == (("copy", "area"),)
    assert [(d.determinants, d.dependent) for d in schema.dependencies] == [
        (("area",), "region"),
        (("area",), "density"),
    ]


def test_a_dependency_with_one_exception_is_none() -> None:
    area = cycle("A1", "A2", "B1", "B2")
    region = [a[0] for a in area]
    region[150] = "B" if region[150] == "A" else "A"
    assert infer(area=area, region=region).dependencies == ()


def test_long_columns_of_whole_numbers_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    column = pa.chunked_array([[str(v) for v in rng.integers(-100_000, 100_000, 90_000)] for _ in range(2)])
    slow = count_words(column)
    monkeypatch.setattr("models.ingest.counting._LONG", 1_000)
    quick = count_words(column)
    assert quick.words.to_pylist() != slow.words.to_pylist()  # sorted: the other way was taken
    assert dict(zip(quick.words.to_pylist(), quick.counts.tolist(), strict=True)) == dict(
        zip(slow.words.to_pylist(), slow.counts.tolist(), strict=True)
    )
    padded = pa.chunked_array([[f"{v:07}" for v in range(90_000)]])
    assert count_words(padded).words[1].as_py() == "0000001"


WORDS = st.one_of(
    st.sampled_from(["", "NA", "N", "?", "-9", "X", "yes", "no", "0", "1", "007", "1.50", "1e5", "2015-01-01", " 3 "]),
    st.integers(-50, 50).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(repr),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=40), st.sampled_from(["x", "id", "date", "weight", "age", "wgtp"]))
def test_every_inferred_schema_fits_its_data(values: list[str], name: str) -> None:
    """Whatever the cells are: the schema survives JSON, the data passes it, and codes and labels are written back."""
    try:
        column = one(values, name)
    except InvalidData as error:  # random letters can spell an infinity
        assert "infinite" in error.message  # noqa: PT017
        return
    table = Table(Schema((column,)), pa.table({name: pa.array(values, pa.string())}))
    if column.labelled:
        assert write_values(table.values(name), column).to_pylist() == values
    elif column.modelled:
        again: Any = Table(table.schema, pa.table({name: write_values(table.values(name), column)})).values(name)
        tolerance = 0.51 * 10.0**-column.decimals if column.kind is Kind.DECIMAL else 1e-6
        assert np.allclose(again.values, table.values(name).values, rtol=1e-14, atol=tolerance, equal_nan=True)
        assert (again.missing == table.values(name).missing).all()
