"""Finding a domain: what a unit changes, what it costs, what comes out, and that no table makes it fail."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from models.accounting import delta as delta_of
from models.accounting import fits, gaussian
from models.dp import discovery as module
from models.dp import tree
from models.dp.discovery import discover
from models.dp.encoding import codes_of, encoding_of
from models.dp.noise import variance_of
from models.dp.release import SMOOTHING
from models.dp.stream import Stream
from models.errors import InvalidInput
from models.privacy.domain import HEAVY, NEW, assumed_public, check_domain, discovery, found_of, needs, public_part
from models.privacy.points import points_of
from models.schema import Column, Kind, Schema, schema_from_json
from models.table import Table

SCHEMA = Schema(
    (
        Column("town", Kind.CATEGORICAL, categories=("secret",), missing_codes=("?",)),
        Column("age", Kind.INTEGER, minimum=1, maximum=2),
        Column("pay", Kind.DECIMAL, decimals=2, public=True, minimum=0, maximum=100_000),
        Column("few", Kind.INTEGER, public=True, minimum=0, maximum=9),
        Column("id", Kind.IDENTIFIER),
    )
)


def fixed(number: int) -> object:
    return Stream(number.to_bytes(32, "big")).bytes


def table(rows: int, seed: int = 0, **columns: list[str | None]) -> Table:
    rng = np.random.default_rng(seed)
    words = {
        "town": rng.choice(["a", "b", "c", "?"], rows, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
        "age": rng.integers(18, 66, rows).astype(str).tolist(),
        "pay": np.where(rng.random(rows) < 0.4, 0, np.round(rng.lognormal(8, 1, rows), 2)).astype(str).tolist(),
        "few": rng.integers(0, 10, rows).astype(str).tolist(),
        "id": [str(i) for i in range(rows)],
        **columns,
    }
    return Table(SCHEMA, pa.table({name: pa.array(words[name], pa.string()) for name in SCHEMA.names}))


def exact(data: Table, units: np.ndarray | None, k: int) -> tuple[np.ndarray, dict[str, int]]:
    """All that gets noise: magnitudes and trees as one vector, and counts of labels and single values by name."""
    rows = module._Rows(data, units, None if units is None else np.sort(module.kept_rows(units, k)))
    found: dict[str, int] = {}
    words, count = rows.labels(SCHEMA["town"])
    found.update({f"town {w}": int(n) for w, n in zip(words, count, strict=True)})
    parts = []
    for name in ("age", "pay"):
        points = points_of(SCHEMA[name])
        values = rows.numbers(SCHEMA[name], points)
        singles, count = rows.singles(values)
        found.update({f"{name} {v}": int(n) for v, n in zip(singles, count, strict=True)})
        leaves = tree.leaves_of(points, 0.0, 100.0)
        parts.append(rows.magnitudes(values, points.grid))
        parts += tree.counts(leaves.of(values[np.isfinite(values)]), leaves)
    return np.concatenate(parts), found


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_unit_changes_what_is_claimed_and_no_more(k: int) -> None:
    """Every unit of up to k rows out of a small set: L2 norm sqrt(k) of labels, values and magnitudes, k of a level."""
    towns, ages = ["a", "new", "?"], ["20", "33.5", "-1e300", "x"]
    base = table(20)
    before_units = np.arange(20)
    before, labels = exact(base, before_units, k)
    sizes = [2 * tree.BITS + 1, *(tree.BRANCHING**n for n in range(1, 5)), 2 * tree.BITS + 1]
    worst = {"labels": 0.0, "magnitudes": 0.0, "level": 0.0}
    for rows in itertools.combinations_with_replacement(list(itertools.product(towns, ages)), k):
        added = table(k, town=[t for t, _ in rows], age=[a for _, a in rows], pay=[a for _, a in rows])
        both = Table(SCHEMA, pa.concat_tables([base.data, added.data]))
        after, now = exact(both, np.r_[before_units, np.full(k, 99)], k)
        for column in ("town", "age", "pay"):
            change = [now.get(w, 0) - labels.get(w, 0) for w in now.keys() | labels.keys() if w.startswith(column)]
            assert max(map(abs, change)) <= 1
            worst["labels"] = max(worst["labels"], math.hypot(*change))
        new = [w for w in now if w.startswith("town") and w not in labels]
        assert len(new) <= k
        assert all(now[w] == 1 for w in new)
        at = 0
        for size in [sizes[0], *_levels("age"), sizes[0], *_levels("pay")]:
            part = (after - before)[at : at + size]
            kind = "magnitudes" if size == sizes[0] else "level"
            worst[kind] = max(worst[kind], float(np.linalg.norm(part)))
            at += size
        assert at == len(after)
    assert worst["labels"] == pytest.approx(math.sqrt(min(k, 3)))
    assert worst["magnitudes"] <= math.sqrt(k) + 1e-9
    assert worst["level"] == pytest.approx(k)


def _levels(name: str) -> list[int]:
    n = tree.leaves_of(points_of(SCHEMA[name]), 0.0, 100.0).levels
    return [tree.BRANCHING**level for level in range(1, n + 1)]


@pytest.mark.parametrize("k", [1, 4])
def test_the_noise_of_all_counts_costs_the_planned_events(k: int) -> None:
    history = discovery(SCHEMA, 0.3, 1e-9, rows_per_unit=k)
    noise = module._planned(SCHEMA, history, k, fixed(0))
    assert noise is not None
    levels, wanted = 4, needs(SCHEMA)
    assert (wanted.labels, wanted.bounds, wanted.edges) == (("town",), ("age",), ("age", "pay"))
    squares = [("labels", 1, k), ("heavy", 2, k), ("magnitudes", 1, k)]
    mu = math.sqrt(sum(n * square / (noise.sd(kind) ** 2 - SMOOTHING) for kind, n, square in squares))
    assert 1 / mu == pytest.approx(history[0].sigma, rel=1e-6)
    assert 1 / mu >= history[0].sigma
    sd = noise.sd("quantiles", levels)
    assert 1 / math.sqrt(2 * levels * k**2 / (sd**2 - SMOOTHING)) >= history[2].sigma


@pytest.mark.parametrize(("sigma", "new", "k"), [(2.0, 1e-10, 1), (20.0, 1e-6, 3), (300.3, 1e-12, 10), (7.0, 0.05, 1)])
def test_a_label_of_one_unit_passes_the_threshold_with_the_claimed_chance_at_most(
    sigma: float, new: float, k: int
) -> None:
    noise = module._Noise(needs(SCHEMA), 1.0, 1.0, new, k, fixed(0))
    t = noise.threshold(sigma) - 1
    s2 = float(variance_of(sigma))
    n = np.arange(-int(60 * sigma), int(60 * sigma) + 1)
    mass = np.exp(-(n**2) / (2 * s2))
    tail = math.fsum(mass[n >= t]) / math.fsum(mass)
    assert 3 * k * tail <= new  # three histograms: of one column of labels, of two of numbers
    assert 3 * k * math.fsum(mass[n >= t - 6 - 0.2 * sigma]) / math.fsum(mass) > new  # and is not far from it


def test_of_two_neighbours_the_label_that_one_has_is_hardly_ever_found() -> None:
    """delta of the threshold .06 for three histograms: fewer than 20 in 1,000 expected; 35 has a chance below 1e-3."""
    schema = Schema((SCHEMA["town"],))
    history = discovery(schema, 1.0, 1e-9)
    history = (history[0], type(history[1])("approximate", NEW, epsilon=1e-12, delta=0.02))
    words = pa.table({"town": pa.array(["a"] * 400 + ["only one"], pa.string())})
    found = [discover(Table(schema, words), schema, history)["town"].categories for _ in range(1000)]
    assert 1 <= sum("only one" in f for f in found if f) <= 35
    assert all("a" in f for f in found if f)


def test_the_events_fit_the_share_together_with_what_was_spent() -> None:
    for spent in ((), (gaussian(20.0),)):
        history = discovery(SCHEMA, 0.5, 1e-9, spent=spent)
        assert [e.label for e in history][:2] == [HEAVY, NEW]
        assert fits((*spent, *history), 0.5, 1e-9)
        assert delta_of((*spent, *history), 0.48) > 1e-9
    public = Schema((SCHEMA["few"], SCHEMA["id"]))
    assert discovery(public, 0.5, 1e-9) == ()
    assert discover(table(5), public, ()) == public


def test_the_plan_depends_on_what_is_public_alone() -> None:
    other = SCHEMA.with_column(Column("town", Kind.CATEGORICAL, categories=tuple("abcdef"), missing_codes=("?",)))
    assert discovery(SCHEMA, 0.5, 1e-9) == discovery(other, 0.5, 1e-9) == discovery(public_part(SCHEMA), 0.5, 1e-9)


def test_a_large_budget_finds_labels_heavy_values_bounds_and_quantiles() -> None:
    data = table(20_000)
    schema = discover(data, SCHEMA, discovery(SCHEMA, 50.0, 1e-9), source=fixed(3))
    check_domain(schema, discover=False)
    assert schema["town"].categories == ("a", "b", "c")
    assert schema["town"].missing_codes == ("?", "")
    age = schema["age"]
    assert 17 <= age.minimum <= 19 < 64 <= age.maximum <= 68  # type: ignore[operator]
    assert age.edges is not None
    pay = schema["pay"]
    assert pay.edges is not None
    assert (pay.minimum, pay.maximum, pay.edges[:2]) == (0, 100_000, (0.0, 0.0))
    encoding = encoding_of(schema)
    cells = np.bincount(codes_of(data, encoding)[:, encoding.slots["pay"].start])
    assert cells[0] == (data.values("pay").values == 0).sum()
    assert 18 <= len(cells) <= 21
    assert cells[1:].max() < 1.5 * cells[1:].mean()


def test_what_was_found_is_told_apart_from_what_was_declared() -> None:
    schema = discover(table(3_000), SCHEMA, discovery(SCHEMA, 20.0, 1e-9), source=fixed(4))
    again = schema_from_json(json.loads(json.dumps(schema.to_json())))
    assert public_part(again).to_json() == public_part(schema).to_json()
    assert found_of(again["town"]) == ("categories",)
    assert found_of(again["age"]) == ("minimum", "maximum", "edges")
    assert found_of(again["pay"]) == ("edges",)
    assert assumed_public(public_part(again))[2:5] == [
        "column 'town': kind categorical; stored as string; missing codes '?', ''",
        "column 'age': kind integer; stored as string; 0 decimals",
        "column 'pay': kind decimal; stored as string; 2 decimals; minimum 0; maximum 100000",
    ]


def test_the_order_of_rows_leaves_no_trace() -> None:
    data, history = table(2_000), discovery(SCHEMA, 5.0, 1e-9)
    turned = data.take(np.arange(2_000)[::-1].copy())
    a, b = (discover(t, SCHEMA, history, source=fixed(9)) for t in (data, turned))
    assert a == b


HOSTILE = {
    "no rows": table(0),
    "one row": table(1),
    "all missing": table(50, town=["?"] * 50, age=[""] * 50, pay=[None] * 50),
    "one label": table(500, town=["x"] * 500),
    "every label once": table(500, town=[f"label {i}" for i in range(500)]),
    "not numbers": table(60, age=["nan", "inf", "-inf", "1e999", "x", "1_0"] * 10, pay=["NaN"] * 60),
    "huge": table(600, age=["1e308", "-1e308", "17"] * 200, pay=["1e300"] * 600),
    "tiny": table(600, age=["1e-300", "0", "-0.0"] * 200, pay=["5e-324"] * 600),
}


@pytest.mark.parametrize("name", list(HOSTILE))
@pytest.mark.parametrize("epsilon", [0.05, 100.0])
def test_no_table_makes_it_fail(name: str, epsilon: float) -> None:
    data = HOSTILE[name]
    schema = discover(data, SCHEMA, discovery(SCHEMA, epsilon, 1e-9), source=fixed(5))
    check_domain(schema, discover=False)
    schema_from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False)))
    encoding = encoding_of(schema)
    codes = codes_of(data, encoding)
    assert (codes < np.array(encoding.layout.sizes)).all()
    u = np.random.default_rng(0).random((len(codes), encoding.uniforms))
    assert encoding.decode(codes, u, np.arange(len(codes))).num_rows == len(data)


def test_datetimes_are_found_in_their_own_format() -> None:
    days = (np.datetime64("2019-01-01") + np.random.default_rng(0).integers(0, 700, 4000)).astype(str).tolist()
    for form, words in (
        ("%Y-%m-%d", days),
        ("%Y", [d[:4] for d in days]),
        ("%Y-%m", [d[:7] for d in days]),
        ("%Y-%m-%d", ["9999-12-31", "0001-01-01"] * 2000),
    ):
        column = Column("day", Kind.DATETIME, datetime_format=form, minimum=words[0])
        schema = Schema((column,))
        data = Table(schema, pa.table({"day": words}))
        found = discover(data, schema, discovery(schema, 30.0, 1e-9), source=fixed(6))
        schema_from_json(json.loads(json.dumps(found.to_json())))
        codes = codes_of(data, encoding_of(found))
        assert len(np.unique(codes)) >= 2
        if words is days:
            assert "2018-07-01" < str(found["day"].minimum) < "2019-01-06"
            assert "2020-11-24" < str(found["day"].maximum) < "2021-07-01"


def test_labels_are_ordered_by_what_they_say() -> None:
    column = Column("size", Kind.ORDINAL, categories=("x",))
    for words in (["xs", "s", "m", "l"], ["2", "9", "10", "100"], ["<10", "10-20", ">20"]):
        data = Table(Schema((column,)), pa.table({"size": words[::-1] * 500}))
        found = discover(data, Schema((column,)), discovery(Schema((column,)), 30.0, 1e-9), source=fixed(7))
        assert found["size"].categories == tuple(words)


def test_a_boolean_of_which_one_label_is_found_is_no_boolean() -> None:
    schema = Schema((Column("b", Kind.BOOLEAN, categories=("no", "yes"), storage="bool"),))
    data = Table(schema, pa.table({"b": ["no"] * 900 + ["yes"]}))
    assert discover(data, schema, discovery(schema, 1.0, 1e-9))["b"].kind is Kind.CATEGORICAL


def test_units_of_several_rows_are_bounded_first() -> None:
    """One unit with 10,000 rows of a label of its own is not more than a unit of three rows."""
    words = ["a"] * 3_000 + ["mine"] * 10_000
    schema = Schema((SCHEMA["town"],))
    data = Table(schema, pa.table({"town": words}))
    units = np.r_[np.arange(3_000), np.full(10_000, 5_000)]
    history = discovery(schema, 1.0, 1e-9, rows_per_unit=3)
    assert discover(data, schema, history, units=units, rows_per_unit=3)["town"].categories == ("a",)


def test_a_history_of_another_schema_is_refused() -> None:
    history = discovery(SCHEMA, 1.0, 1e-9)
    for wrong in ((), history[:2], (*history, gaussian(5.0)), (gaussian(5.0), *history[1:])):
        with pytest.raises(InvalidInput, match="history"):
            discover(table(5), SCHEMA, wrong)
    with pytest.raises(InvalidInput, match="unit"):
        discover(table(5), SCHEMA, history, rows_per_unit=2)
    with pytest.raises(InvalidInput, match="unit"):
        discover(table(5), SCHEMA, history, units=np.arange(4))


def test_rows_are_read_in_one_class() -> None:
    """`table` is an argument of discover, which makes `_Rows` of it; no other function touches it."""
    source = ast.parse(inspect.getsource(module))
    tops = [top for top in source.body if isinstance(top, ast.FunctionDef | ast.ClassDef)]
    readers = {
        top.name
        for top in tops
        for node in ast.walk(top)
        if "table" in (getattr(node, "id", ""), getattr(node, "attr", ""))
    }
    assert readers == {"discover", "_Rows"}


def test_a_consistent_tree_adds_up_and_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.integers(0, 50, tree.BRANCHING**3)
    levels = [leaves.reshape(tree.BRANCHING**n, -1).sum(1) for n in (1, 2, 3)]
    assert np.allclose(tree.consistent(levels), leaves)
    runs = [tree.consistent([level + rng.normal(0, 5, level.shape) for level in levels]) for _ in range(400)]
    assert np.abs(np.mean(runs, 0) - leaves).max() < 5 * 5 / math.sqrt(400)
    # Least squares: the first node's error is that of its own count and its children's, weighed.
    first = np.array(runs)[:, : tree.BRANCHING**2].sum(1) - levels[0][0]
    k = tree.BRANCHING
    weigh = Fraction(k**3 - k**2, k**3 - 1)
    assert np.std(first) == pytest.approx(5 * math.sqrt(weigh), rel=0.15)
