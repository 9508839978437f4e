"""A whole table as cells and back: kinds, missing codes, surrogates, copies, two-stage categories."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.conditions import Condition
from models.encoding.encoding import Resolution, TableEncoding, encoding_from, fit_encoding
from models.errors import InvalidArtifact
from models.schema import Column, Kind, Schema
from models.table import Table

RESOLUTION = Resolution(direct=40, coarse=16, fine=8)


def make_table(rows: int = 3_000) -> Table:
    rng = np.random.default_rng(0)
    labels = tuple(f"place {i:04d}" for i in range(900))
    region = rng.choice(["N", "S", "E"], rows).tolist()
    columns = (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("card", Kind.IDENTIFIER),
        Column("name", Kind.TEXT, missing_codes=("",)),
        Column("region", Kind.CATEGORICAL, categories=("E", "N", "S")),
        Column("region2", Kind.CATEGORICAL, categories=("E", "N", "S")),
        Column("place", Kind.CATEGORICAL, categories=labels),
        Column("income", Kind.INTEGER, minimum=0, maximum=500_000, missing_codes=("N", "-9")),
        Column("born", Kind.DATETIME, datetime_format="%d/%m/%Y", minimum="01/01/1950", maximum="31/12/2005"),
        Column("constant", Kind.CATEGORICAL, categories=("x",)),
        Column("empty", Kind.CATEGORICAL, categories=("a", "b"), missing_codes=("?",)),
    )
    born = np.datetime64("1950-01-01") + rng.integers(0, 20_000, rows)
    income = np.round(rng.gamma(2, 20_000, rows)).astype(int).astype(str)
    income[:300] = "N"
    income[300:500] = "-9"
    data = {
        "id": [str(i) for i in range(1, rows + 1)],
        "card": [f"C-{i:05d}x" for i in rng.permutation(rows)],
        "name": ["" if i % 5 == 0 else f"person {i}" for i in range(rows)],
        "region": region,
        "region2": region,
        "place": np.array(labels)[(rng.random(rows) ** 2 * 900).astype(int)].tolist(),
        "income": income.tolist(),
        "born": [f"{str(d)[8:]}/{str(d)[5:7]}/{str(d)[:4]}" for d in born],
        "constant": ["x"] * rows,
        "empty": ["?"] * rows,
    }
    schema = Schema(columns, duplicates=(("region2", "region"),))
    return Table(schema, pa.table({c.name: pa.array(data[c.name], pa.string()) for c in columns}))


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table()


@pytest.fixture(scope="module")
def encoding(table: Table) -> TableEncoding:
    return fit_encoding(table, RESOLUTION)


def back(encoding: TableEncoding, table: Table, **conditions: Condition) -> Table:
    cells = encoding.encode(table).astype(np.int64)
    uniforms = np.random.default_rng(1).random((len(table), encoding.uniforms))
    return Table(table.schema, encoding.decode(cells, uniforms, np.arange(len(table)), conditions))


def test_labels_missing_codes_and_copies_come_back_exactly(encoding: TableEncoding, table: Table) -> None:
    again = back(encoding, table)
    for name in ("region", "region2", "place", "constant", "empty"):
        assert again.data.column(name).to_pylist() == table.data.column(name).to_pylist()
    for name in ("income", "born"):
        np.testing.assert_array_equal(again.values(name).missing, table.values(name).missing)


def test_numbers_and_dates_stay_within_a_cell(encoding: TableEncoding, table: Table) -> None:
    again = back(encoding, table)
    for name, tolerance in (("income", 2_000.0), ("born", 86_400 * 120.0)):
        gap = np.nanmedian(np.abs(again.values(name).values - table.values(name).values))
        assert gap < tolerance


def test_many_categories_take_two_slots(encoding: TableEncoding) -> None:
    sizes = encoding.cells("place").sizes
    assert len(sizes) == 2
    assert sum(sizes) < 400


def test_codes_are_of_the_smallest_type_and_constants_take_no_slot(encoding: TableEncoding, table: Table) -> None:
    assert encoding.encode(table).dtype in (np.uint8, np.int16)
    assert encoding.cells("constant").sizes == ()
    assert encoding.cells("empty").sizes == ()
    assert encoding.encode(table).shape == (len(table), len(encoding.layout.sizes))


def test_surrogates_are_fresh_unique_and_in_the_pattern(encoding: TableEncoding, table: Table) -> None:
    again = back(encoding, table)
    assert again.data.column("id").to_pylist()[:3] == ["1", "2", "3"]
    cards = again.data.column("card").to_pylist()
    assert len(set(cards)) == len(cards)
    assert all(c.startswith("C-") and c.endswith("x") and len(c) == 8 for c in cards)
    names = again.data.column("name").to_pylist()
    assert abs(np.mean([n == "" for n in names]) - 0.2) < 0.03
    assert not set(names) & {n for n in table.data.column("name").to_pylist() if n}


def test_restriction_leaves_only_cells_that_meet_the_condition(encoding: TableEncoding, table: Table) -> None:
    missing = encoding.cells("income").restrict(Condition("income", missing=True))
    assert missing.mass.sum() == 2
    rare = table.data.column("place").to_pylist()[0]
    place = encoding.cells("place").restrict(Condition("place", values=(rare,), missing=False))
    assert place.mass.sum() == 1


def test_storing_and_loading_change_nothing(encoding: TableEncoding, table: Table) -> None:
    again = encoding_from(table.schema, encoding.to_json(), encoding.tensors())
    assert back(again, table).data.equals(back(encoding, table).data)


def test_a_damaged_encoding_is_refused(encoding: TableEncoding, table: Table) -> None:
    raw = encoding.to_json()
    raw["columns"][0]["name"] = 7
    with pytest.raises(InvalidArtifact):
        encoding_from(table.schema, raw, encoding.tensors())
