"""The encoding of a public schema: which cells there are, that rows come back, and that nothing is ever refused."""

from __future__ import annotations

import inspect
import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.conditions import Condition
from models.dp import encoding as module
from models.dp.encoding import codes_of, curve_of, encoding_of
from models.encoding.encoding import encoding_from
from models.errors import InvalidPrivacy
from models.schema import Column, Kind, Schema
from models.table import Table


def number(**parts: object) -> Column:
    return Column("x", Kind.INTEGER, public=True, **parts)  # type: ignore[arg-type]


def cells(column: Column, bins: int = 32) -> list[tuple[float, float]]:
    curve = curve_of(column, bins)
    return list(zip(curve.low.tolist(), curve.high.tolist(), strict=True))


def stored(column: Column, *words: str | None) -> Table:
    return Table(Schema((column,)), pa.table({column.name: pa.array(words, pa.string())}))


def test_a_border_belongs_to_the_bin_above_and_twice_is_a_bin_of_its_own() -> None:
    assert cells(number(edges=(0, 10, 20))) == [(0, 9), (10, 20)]
    assert cells(number(edges=(0, 0, 10, 99, 99))) == [(0, 0), (1, 9), (10, 98), (99, 99)]
    assert cells(number(edges=(0, 10, 10, 20))) == [(0, 9), (10, 10), (11, 20)]
    # Bounds beyond the edges make bins of their own; bins that hold no value of the column are none.
    assert cells(number(minimum=-5, maximum=30, edges=(0, 10))) == [(-5, -1), (0, 9), (10, 30)]
    assert cells(number(edges=(0, 0.25, 0.75, 3))) == [(0, 0), (1, 3)]
    assert cells(Column("x", Kind.DECIMAL, decimals=1, public=True, edges=(0, 0.3, 0.7))) == [
        (0, pytest.approx(0.2)),
        (pytest.approx(0.3), pytest.approx(0.7)),
    ]


def test_few_values_have_a_cell_each_and_more_are_cut_evenly() -> None:
    assert cells(number(minimum=17, maximum=80)) == [(v, v) for v in range(17, 81)]
    found = cells(number(minimum=17, maximum=81))
    assert (len(found), found[0][0], found[-1][1]) == (32, 17, 81)
    assert {high - low for low, high in found} == {1, 2}
    assert all(a[1] + 1 == b[0] for a, b in itertools.pairwise(found))
    assert cells(number(minimum=3, maximum=3)) == [(3, 3)]
    assert cells(number(minimum=0.2, maximum=0.7)) == [(1, 1)]


def test_numbers_too_fine_for_a_grid_keep_their_atoms() -> None:
    column = Column("x", Kind.DECIMAL, decimals=15, public=True, edges=(-1.0, 0.0, 0.0, 1e10))
    curve = curve_of(column)
    assert curve.step == 0
    assert curve.encode(np.array([-1.0, -1e-12, 0.0, 1e-12, 1e10])).T[0].tolist() == [0, 0, 1, 2, 2]
    assert cells(number(minimum=-1e300, maximum=1e300), 2)[1][1] == 1e300


def test_datetimes_are_cut_where_their_format_can_tell() -> None:
    day = Column(
        "x", Kind.DATETIME, datetime_format="%d.%m.%Y", public=True, minimum="01.01.2020", maximum="31.12.2020"
    )
    assert len(cells(day)) == 32
    year = Column("x", Kind.DATETIME, datetime_format="%Y", public=True, minimum="1990", maximum="2020")
    assert len(cells(year)) == 31
    month = Column("x", Kind.DATETIME, datetime_format="%Y-%m", public=True, minimum="1990-01", maximum="2020-12")
    encoding = encoding_of(Schema((month,)))
    words = [f"{y}-{m:02}" for y in range(1990, 2021) for m in range(1, 13)]
    codes = codes_of(stored(month, *words), encoding)
    assert set(np.bincount(codes[:, 0])) == {11, 12}
    back = encoding.decode(
        codes, np.random.default_rng(0).random((len(codes), encoding.uniforms)), np.arange(len(codes))
    )
    again = codes_of(Table(encoding.schema, back), encoding)
    assert (again == codes).all()


SCHEMA = Schema(
    (
        Column("age", Kind.INTEGER, public=True, minimum=0, maximum=120, missing_codes=("-9", "")),
        Column("gain", Kind.INTEGER, public=True, edges=(0, 0, 5000, 99_999)),
        Column("area", Kind.CATEGORICAL, public=True, categories=("b", "a", "c"), missing_codes=("?",)),
        Column("sex", Kind.BOOLEAN, public=True, categories=("f", "m")),
        Column("pay", Kind.DECIMAL, decimals=2, public=True, minimum=-1.5, maximum=1000),
        Column("day", Kind.DATETIME, None, "2020-01-01", "2021-01-01", datetime_format="%Y-%m-%d", public=True),
        Column("one", Kind.CATEGORICAL, public=True, categories=("x",)),
        Column("id", Kind.IDENTIFIER, missing_codes=("",), evidence={"rule": "key"}),
        Column("note", Kind.TEXT),
    )
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_that_were_decoded_encode_to_their_cells(seed: int) -> None:
    encoding, rng = encoding_of(SCHEMA), np.random.default_rng(seed)
    codes = np.stack([rng.integers(size, size=50) for size in encoding.layout.sizes], 1)
    table = Table(SCHEMA, encoding.decode(codes, rng.random((50, encoding.uniforms)), np.arange(50)))
    assert (codes_of(table, encoding) == codes).all()
    for column in SCHEMA.columns:  # the strict reader finds nothing wrong either
        table.values(column.name)


def test_bounds_are_attained_and_every_value_of_a_bin_is() -> None:
    encoding = encoding_of(Schema((number(minimum=0, maximum=130),)), bins=4)
    u = (np.arange(4000) + 0.5) / 4000
    drawn = encoding.columns[0].decode(np.repeat(np.arange(4), 1000)[:, None], np.stack([np.tile(u[::4], 4)] * 2, 1))
    values, counts = np.unique(drawn.values, return_counts=True)
    assert values.tolist() == list(range(131))
    assert counts.max() - counts.min() <= 2


def test_what_the_domain_does_not_know_goes_to_a_fixed_cell() -> None:
    encoding = encoding_of(SCHEMA)

    def cell(name: str, word: str | None) -> int:
        column = encoding.cells(name)
        return int(column.encode(module.lenient(pa.array([word], pa.string()), column.column))[0, 0])

    blank = cell("age", "")
    assert cell("age", "-9") == blank - 1
    for word in ("nan", "inf", "-inf", "1e999", "abc", "0x10", "1_0", None, "NaN"):
        assert cell("age", word) == blank
    assert cell("age", "-1e300") == 0
    assert cell("age", "1e300") == cell("age", "120") == blank - 2
    assert cell("area", "nowhere") == cell("area", None) == cell("area", "?") == 3
    assert cell("sex", "unknown") == cell("sex", "f") == 0
    assert cell("gain", "nan") == cell("gain", "-7") == 0
    assert cell("gain", "0.5") in (0, 1)  # a fraction of an integer column: the nearest
    assert cell("day", "31.12.2020") == cell("day", "1066-01-01") == 0
    assert codes_of(Table(SCHEMA, pa.table({n: pa.array([], pa.string()) for n in SCHEMA.names})), encoding).shape == (
        0,
        6,
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=6), st.floats().map(str), st.sampled_from(["0", "5", "-9", "a", "?"]))
    )
)
def test_a_row_is_mapped_by_itself(words: list[str | None]) -> None:
    encoding = encoding_of(SCHEMA)
    for name in ("age", "gain", "area", "pay", "day"):
        column = encoding.cells(name)
        together = column.encode(module.lenient(pa.array(words, pa.string()), column.column))[:, 0].tolist()
        alone = [int(column.encode(module.lenient(pa.array([w], pa.string()), column.column))[0, 0]) for w in words]
        assert together == alone


def test_the_encoding_comes_from_the_schema_alone() -> None:
    assert list(inspect.signature(encoding_of).parameters) == ["schema", "bins"]
    encoding = encoding_of(SCHEMA)
    assert encoding.schema["id"].evidence == {}
    assert encoding.layout.sizes == (34, 3, 4, 2, 32, 32)
    table = pa.table({"id": encoding.surrogates[0].draw(np.arange(2), np.array([0.0, 0.5]))})
    assert table["id"].to_pylist() == ["id-00000001", "id-00000002"]


def test_it_is_stored_and_read_like_any_other() -> None:
    encoding = encoding_of(SCHEMA)
    again = encoding_from(encoding.schema, json.loads(json.dumps(encoding.to_json())), encoding.tensors())
    codes = np.random.default_rng(1).integers(0, encoding.layout.sizes, (40, len(encoding.layout.sizes)))
    u = np.random.default_rng(2).random((40, encoding.uniforms))
    assert again.layout.sizes == encoding.layout.sizes
    assert again.decode(codes, u, np.arange(40)).equals(encoding.decode(codes, u, np.arange(40)))


def test_conditions_work_as_on_any_encoding() -> None:
    column, left = encoding_of(SCHEMA).restrict(Condition("gain", low=1.0))
    assert left.mass[:, 0].tolist() == [0, 1, 1]
    values = column.decode(np.array([[1], [2]]), np.full((2, 2), 0.01), Condition("gain", low=4990.0))
    assert (values.values >= 4990).all()


def test_a_schema_that_is_not_public_is_refused() -> None:
    with pytest.raises(InvalidPrivacy, match="area"):
        encoding_of(SCHEMA.with_column(Column("area", Kind.CATEGORICAL, categories=("a", "b"))))
