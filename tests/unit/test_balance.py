"""Balance: the grammar, the allotment of rows, and samples whose other columns follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.balance import Balance, allot, parse_balance, parts, rebalanced, values_in
from models.conditions import parse_conditions
from models.errors import InvalidCondition, InvalidInput
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample, sample_batches
from models.table import Table

SCHEMA = Schema(
    (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("income", Kind.CATEGORICAL, categories=("<=50K", ">50K", "a, b")),
        Column("age", Kind.INTEGER, minimum=0, maximum=90),
        Column("kids: all", Kind.INTEGER, minimum=0, maximum=3, missing_codes=("?",)),
        Column("job", Kind.CATEGORICAL, categories=("none", "some")),
    )
)
OPTIONS = FitOptions(seed=3, steps=200, hidden=64, batch=256, threads=1, adversarial="never", learning_rate=5e-3)


@pytest.fixture(scope="module")
def real() -> Table:
    """Who earns more is older; 8% do. Children have no job and earn little. "a, b" never occurs."""
    rng, n = np.random.default_rng(0), 3_000
    rich = rng.random(n) < 0.08
    age = np.where(rich, rng.integers(40, 91, n), rng.integers(0, 61, n))
    kids = np.where(rng.random(n) < 0.1, "?", rng.integers(0, 4, n).astype(str))
    job = np.where((age < 16) | (rng.random(n) < 0.2) & ~rich, "none", "some")
    data = {"id": np.arange(n).astype(str), "income": np.where(rich, ">50K", "<=50K"), "age": age.astype(str)}
    data |= {"kids: all": kids, "job": job}
    return Table(SCHEMA, pa.table({c: pa.array(data[c].tolist(), pa.string()) for c in SCHEMA.names}))


@pytest.fixture(scope="module")
def synthesizer(real: Table) -> Synthesizer:
    return fit(real, options=OPTIONS)


@pytest.mark.parametrize(
    ("raw", "shares"),
    [
        ("income", {}),
        ("income:<=50K=0.3,>50K=0.7", {"<=50K": 0.3, ">50K": 0.7}),
        (' income : "a, b" = 30% , >50K=70%', {"a, b": 0.3, ">50K": 0.7}),
        ("kids: all", {}),
        ("kids: all:1=.5,2=.5", {"1": 0.5, "2": 0.5}),
        ('"kids: all":?=.5,2=.5', {"?": 0.5, "2": 0.5}),
        ("kids: all:0=.333,1=.333,2=.333", dict.fromkeys("012", 1 / 3)),
        ({"column": "income"}, {}),
        ({"column": "income", "shares": {"<=50K": 1}}, {"<=50K": 1.0}),
    ],
)
def test_grammar(raw: Any, shares: dict[str, float]) -> None:
    found = parse_balance(raw, SCHEMA)
    assert dict(found.shares) == pytest.approx(shares)
    assert parse_balance(found.to_json(), SCHEMA) == found


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("incom", "no column 'incom'"),
        ("id", "identifier"),
        ("income:<=50K=0.5", "sum to 0.5"),
        ("income:<=50K=x", "no number"),
        ("income:<=50K", "no number"),
        ("income:rich=1", "no such label"),
        ("age:7=.5,7.0=.5", "twice"),
        ("age:91=1", "no value"),
        ({"income": 1}, "no object"),
        ({"column": "income", "shares": {}}, "no object"),
        ({"column": "income", "shares": {">50K": True}}, "no number"),
        (3, "no object"),
    ],
)
def test_what_is_malformed_is_refused(raw: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        parse_balance(raw, SCHEMA)


def test_conditions_restrict_first() -> None:
    where = parse_conditions(["income=>50K", "age<10"], SCHEMA)
    with pytest.raises(InvalidCondition):
        parse_balance("income:<=50K=.5,>50K=.5", SCHEMA, where)
    parse_balance("income:<=50K=0,>50K=1", SCHEMA, where)
    parse_balance("income", SCHEMA, where)
    with pytest.raises(InvalidCondition):
        parse_balance("kids: all:3=1", SCHEMA, parse_conditions(["kids: all<3"], SCHEMA))


def test_rows_are_allotted_exactly_and_by_their_number() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        shares = rng.dirichlet(np.full(int(rng.integers(1, 12)), 1.0))
        n = int(rng.integers(1, 3_000))
        whole, none = allot(shares, 0, n)
        assert not none.any()
        assert np.abs(np.bincount(whole, minlength=len(shares)) - n * shares).max() < 2
        a, b = sorted(rng.integers(0, n + 1, 2).tolist())
        piece, earlier = allot(shares, a, b - a)
        np.testing.assert_array_equal(piece, whole[a:b])
        np.testing.assert_array_equal(earlier, np.bincount(whole[:a], minlength=len(shares)))
    assert np.bincount(allot([0.3, 0.7], 0, 1_000)[0]).tolist() == [300, 700]
    assert np.bincount(allot([1 / 3] * 3, 0, 1_000)[0]).tolist() == [334, 333, 333]


def test_shares_are_exact_and_the_other_columns_follow(synthesizer: Synthesizer, real: Table) -> None:
    even = sample(synthesizer, 2_000, balance="income")
    income = np.array(even.data.column("income").to_pylist())
    assert (income == ">50K").sum() == (income == "<=50K").sum() == 1_000
    assert len(set(even.data.column("id").to_pylist())) == 2_000
    true = np.array(real.data.column("income").to_pylist())
    for label in ("<=50K", ">50K"):
        here, there = even.values("age").values[income == label], real.values("age").values[true == label]
        assert abs(here.mean() - there.mean()) < 8  # they lie 36 apart
    asked = sample(synthesizer, 1_000, balance={"column": "income", "shares": {"<=50K": 0.2, ">50K": 0.8}})
    assert asked.data.column("income").to_pylist().count(">50K") == 800


def test_shards_are_the_rows_of_the_whole(synthesizer: Synthesizer) -> None:
    whole = np.array(sample(synthesizer, 20_000, balance="income", seed=5).data.to_pylist())
    shard = np.array(sample(synthesizer, 3_000, balance="income", seed=5, start=15_000).data.to_pylist())
    assert (shard == whole[15_000:18_000]).mean() > 0.97
    assert max(b.num_rows for b in sample_batches(synthesizer, 20_000, balance="income")) <= 8_192


def test_conditions_and_a_balance_go_together(synthesizer: Synthesizer) -> None:
    where = ["age>=50", "kids: all is not missing"]
    table = sample(synthesizer, 600, where=where, balance="kids: all")
    for condition in parse_conditions(where, SCHEMA):
        assert condition.matches(table).all()
    assert np.bincount(table.values("kids: all").values.astype(int)).tolist() == [150] * 4
    few = sample(synthesizer, 300, where=["kids: all>=2"], balance="kids: all")
    assert np.bincount(few.values("kids: all").values.astype(int)).tolist() == [0, 0, 150, 150]
    missing = sample(synthesizer, 100, balance="kids: all:?=.5,3=.5")
    assert missing.data.column("kids: all").to_pylist().count("?") == 50


def test_what_was_never_learnt_cannot_be_balanced(synthesizer: Synthesizer) -> None:
    with pytest.raises(InvalidCondition, match="income"):
        sample(synthesizer, 10, balance='income:"a, b"=1')
    fine = fit(sample(synthesizer, 2_000), options=FitOptions(**{**OPTIONS.to_json(), "steps": 2, "direct": 5}))
    with pytest.raises(InvalidInput, match="too many values"):
        sample(fine, 10, balance="age")
    assert set(sample(fine, 10, balance="age:20=.5,70=.5").data.column("age").to_pylist()) == {"20", "70"}


def test_real_rows_are_left_out_to_meet_the_shares(real: Table) -> None:
    where = parse_conditions(["age>=20"], SCHEMA)
    found = parts(Balance("income"), SCHEMA, where, values_in(real, "income"))
    less = rebalanced(real, found, np.random.default_rng(0))
    income = less.data.column("income").to_pylist()
    assert income.count(">50K") == income.count("<=50K") == real.data.column("income").to_pylist().count(">50K")
    assert len(set(less.data.column("id").to_pylist())) == len(less)
