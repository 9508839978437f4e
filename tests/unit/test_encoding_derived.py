"""Columns that follow from another one: what is accepted, on what evidence, and how it comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.conditions import parse_conditions
from models.encoding.encoding import Resolution, TableEncoding, encoding_from, fit_encoding, restrictions_by_column
from models.errors import InvalidArtifact, InvalidCondition
from models.schema import Column, Kind, Schema
from models.table import Table

RESOLUTION = Resolution(direct=40, coarse=16, fine=8)
AREAS = tuple(f"area {i:02d}" for i in range(30))
JOBS = tuple(f"{i:03d}" for i in range(150))


def make_table(rows: int = 6_000, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    area = rng.integers(0, 30, rows)
    region = area // 6
    job = np.where(rng.random(rows) < 0.2, -1, (rng.random(rows) ** 1.5 * 150).astype(int))
    density = np.round(np.linspace(3.5, 4_000, 30), 1)[area]
    columns = (
        Column("area", Kind.CATEGORICAL, categories=AREAS),
        Column("density", Kind.DECIMAL, decimals=1),
        Column("region", Kind.CATEGORICAL, categories=tuple("VWXYZ")),
        Column("region2", Kind.CATEGORICAL, categories=tuple("VWXYZ")),
        Column("sector", Kind.CATEGORICAL, categories=tuple("abcdefg"), missing_codes=("N",)),
        Column("job", Kind.CATEGORICAL, categories=JOBS, missing_codes=("N",)),
        Column("coin", Kind.CATEGORICAL, categories=("h", "t")),
        Column("income", Kind.INTEGER),
    )
    data = {
        "area": [AREAS[a] for a in area],
        "density": [f"{d:g}" for d in density],
        "region": ["VWXYZ"[r] for r in region],
        "region2": ["VWXYZ"[r] for r in region],
        "sector": ["N" if j < 0 else "abcdefg"[j // 25] for j in job],
        "job": ["N" if j < 0 else JOBS[j] for j in job],
        "coin": rng.choice(["h", "t"], rows).tolist(),
        "income": (rng.integers(0, 90_000, rows) + 10_000 * region).astype(str).tolist(),
    }
    schema = Schema(columns, duplicates=(("region2", "region"),))
    return Table(schema, pa.table({c.name: pa.array(data[c.name], pa.string()) for c in columns}))


def changed(table: Table, name: str, cells: dict[int, str]) -> Table:
    texts = table.data.column(name).to_pylist()
    for row, text in cells.items():
        texts[row] = text
    at = table.data.column_names.index(name)
    return replace(table, data=table.data.set_column(at, name, pa.array(texts, pa.string())))


def sources(encoding: TableEncoding) -> dict[str, str]:
    return {d.column.name: d.source for d in encoding.derived}


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table()


@pytest.fixture(scope="module")
def encoding(table: Table) -> TableEncoding:
    return fit_encoding(table, RESOLUTION)


def test_chains_and_equal_columns_have_one_source_that_remains(encoding: TableEncoding) -> None:
    # area and density determine each other: the labelled one remains; region follows from both, its copy from it.
    assert sources(encoding) == {"density": "area", "region": "area", "region2": "region", "sector": "job"}
    assert [c.column.name for c in encoding.columns] == ["area", "job", "coin", "income"]


def test_derived_values_come_back_as_written(encoding: TableEncoding, table: Table) -> None:
    cells = encoding.encode(table).astype(np.int64)
    again = encoding.decode(cells, np.random.default_rng(1).random((len(table), encoding.uniforms)), np.arange(6_000))
    for name in ("area", "density", "region", "region2", "sector", "job"):
        assert again.column(name).to_pylist() == table.data.column(name).to_pylist(), name


def test_numbers_that_another_column_follows_from_are_codes(table: Table) -> None:
    as_number = replace(table.schema["job"], kind=Kind.INTEGER, categories=None)
    numbers = Table(table.schema.with_column(as_number), table.data)  # 150 values: more than RESOLUTION.direct
    found = fit_encoding(numbers, RESOLUTION)
    assert sources(found)["sector"] == "job"
    assert found.cells("job").codec.exact
    assert not fit_encoding(numbers, RESOLUTION, derive=False).cells("job").codec.exact
    assert not found.cells("income").codec.exact


def test_one_row_that_disagrees_is_enough(table: Table) -> None:
    other = next(d for d in table.data.column("density").to_pylist() if d != table.data.column("density")[17].as_py())
    spoilt = changed(table, "density", {17: other})
    assert sources(fit_encoding(spoilt, RESOLUTION)) == {"region": "area", "region2": "region", "sector": "job"}


def test_a_disagreement_in_a_later_chunk_is_seen(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.encoding.derived.CHUNK", 700)
    monkeypatch.setattr("models.encoding.derived.SAMPLE", 50)
    assert "sector" in sources(fit_encoding(table, RESOLUTION))
    row = table.data.column("sector").to_pylist().index("N", 5_000)
    assert "sector" not in sources(fit_encoding(changed(table, "sector", {row: "a"}), RESOLUTION))


def test_missing_counts_as_a_value(table: Table) -> None:
    row = table.data.column("sector").to_pylist().index("b")
    assert "sector" not in sources(fit_encoding(changed(table, "sector", {row: "N"}), RESOLUTION))


def test_near_identifiers_and_accidents_are_not_accepted() -> None:
    rng = np.random.default_rng(0)
    house = np.repeat(np.arange(400), 5)  # five rows each: the relation holds, but is theirs alone
    rare = np.where(rng.integers(0, 20, 2_000) == 3, "y", "n")
    group = np.arange(2_000) % 20
    flag = np.full(2_000, "n", dtype=object)
    flag[np.flatnonzero(group == 7)[:40]] = "y"
    group[(group == 7) & (flag == "n")] = 8  # forty rows of one group: too few to tell from chance
    data = {"house": house.astype(str), "tenure": (house % 3).astype(str), "rare": rare, "group": group.astype(str)}
    data["flag"] = flag
    columns = tuple(Column(n, Kind.CATEGORICAL, categories=tuple(sorted(set(map(str, v))))) for n, v in data.items())
    made = Table(Schema(columns), pa.table({n: pa.array(list(map(str, v)), pa.string()) for n, v in data.items()}))
    assert sources(fit_encoding(made, RESOLUTION)) == {}


def test_nothing_is_derived_from_binned_numbers_or_if_switched_off(table: Table) -> None:
    income = table.values("income").values
    steps = changed(table, "coin", dict(enumerate(np.where(income > 50_000, "h", "t").tolist())))
    assert "coin" not in sources(fit_encoding(steps, RESOLUTION))
    assert sources(fit_encoding(table, RESOLUTION, derive=False)) == {"region2": "region"}


@pytest.mark.parametrize(
    "where",
    [["density>=1000"], ["region=V"], ["region2 in (V, W)", "area!='area 00'"], ["sector is missing"],
     ["sector in (a, b)", "job>=010"], ["sector is not missing"], ["density<2500", "region!=V"]],
)  # fmt: skip
def test_conditions_on_derived_columns_fall_on_their_source(
    encoding: TableEncoding, table: Table, where: list[str]
) -> None:
    widened = replace(table.schema["density"], minimum=0.0, maximum=4_000.0)
    conditions = parse_conditions(where, table.schema.with_column(widened))
    left = restrictions_by_column(encoding, conditions)
    assert set(left) <= {"area", "job"}
    met = np.logical_and.reduce([c.matches(table) for c in conditions])
    for name, restriction in left.items():
        cells = encoding.cells(name).encode(table.values(name))
        kept = restriction.mass[cells[:, 0], 0] > 0
        np.testing.assert_array_equal(kept, met)


def test_conditions_that_leave_no_cell_are_refused_by_the_name_asked_for(encoding: TableEncoding, table: Table) -> None:
    with pytest.raises(InvalidCondition, match="'region'") as caught:
        restrictions_by_column(encoding, parse_conditions(["area='area 00'", "region=Z"], table.schema))
    assert caught.value.errors[0].loc == ("column", "region")


def test_storing_and_loading_change_nothing(encoding: TableEncoding, table: Table) -> None:
    again = encoding_from(table.schema, encoding.to_json(), encoding.tensors())
    assert sources(again) == sources(encoding)
    cells, u = encoding.encode(table).astype(np.int64), np.full((len(table), encoding.uniforms), 0.5)
    rows = np.arange(len(table))
    assert again.decode(cells, u, rows).equals(encoding.decode(cells, u, rows))


def test_hostile_parts_are_refused(encoding: TableEncoding, table: Table) -> None:
    raw, tensors = encoding.to_json(), encoding.tensors()
    at = next(i for i, d in enumerate(raw["derived"]) if d["name"] == "region")
    good = tensors[f"derived.{at}.values"]
    for wrong in (good + 5, good[:3], np.full_like(good, np.nan), good - 1):
        with pytest.raises(InvalidArtifact):
            encoding_from(table.schema, raw, tensors | {f"derived.{at}.values": wrong})
    for missing in (np.full(good.shape, 0), np.full(good.shape, -2)):
        with pytest.raises(InvalidArtifact):
            encoding_from(table.schema, raw, tensors | {f"derived.{at}.missing": missing})
    for change in ({"source": "nowhere"}, {"source": "region"}, {"name": "area"}, {"source": "region2"}):
        derived = [{**d, **change} if d["name"] == "region" else d for d in raw["derived"]]
        with pytest.raises(InvalidArtifact):
            encoding_from(table.schema, {**raw, "derived": derived}, tensors)
    with pytest.raises(InvalidArtifact):
        encoding_from(table.schema, {**raw, "derived": raw["derived"][:1]}, tensors)
