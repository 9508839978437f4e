"""Samples keep the rules of their schema in every row, and cost what is said; all else stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.errors import InvalidCondition, InvalidSchema
from models.gan.ruling import ROUNDS, Costs
from models.options import FitOptions
from models.rules import counts, joined_costs, parse_rules
from models.schema import Column, Kind, Schema, rules_from_json
from models.synthesize import Synthesizer, fit, sample, sample_batches
from models.table import Table

CHILD = "age < 16 -> marital_status = single"
RULES = [CHILD, "first_job <= last_job", "marital_status = widowed and sex = F -> age >= 20"]
STATES = ("single", "married", "widowed")


def people(rows: int = 4_000, seed: int = 0) -> Table:
    """Ages, marital states that break the rules now and then, two jobs in either order, an unrelated town."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 91, rows)
    state = np.where(age < 20, np.where(rng.random(rows) < 0.15, 1, 0), rng.integers(0, 3, rows))
    first, last = rng.integers(15, 60, rows), rng.integers(15, 70, rows)
    columns = (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("age", Kind.INTEGER, minimum=0, maximum=90),
        Column("sex", Kind.CATEGORICAL, categories=("F", "M")),
        Column("marital_status", Kind.CATEGORICAL, categories=STATES),
        Column("first_job", Kind.INTEGER, minimum=15, maximum=60, missing_codes=("N",)),
        Column("last_job", Kind.INTEGER, minimum=15, maximum=70, missing_codes=("N",)),
        Column("town", Kind.CATEGORICAL, categories=("a", "b", "c", "d")),
    )
    data = {
        "id": np.arange(rows).astype(str),
        "age": age.astype(str),
        "sex": rng.choice(["F", "M"], rows),
        "marital_status": np.array(STATES)[state],
        "first_job": np.where(age < 15, "N", first.astype(str)),
        "last_job": np.where(age < 15, "N", last.astype(str)),
        "town": rng.choice(["a", "b", "c", "d"], rows, p=[0.4, 0.3, 0.2, 0.1]),
    }
    return Table(Schema(columns), pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in data.items()}))


def under(made: Synthesizer, *rules: Any) -> Synthesizer:
    """The same weights under other rules."""
    schema = replace(made.schema, rules=rules_from_json(list(rules)))
    return replace(made, schema=schema, encoding=replace(made.encoding, schema=schema))


def broken(table: Table, *rules: Any) -> list[int]:
    schema = replace(table.schema, rules=rules_from_json(list(rules)))
    return counts(parse_rules(schema), Table(schema, table.data))


@pytest.fixture(scope="module")
def made() -> Synthesizer:
    real = people()
    real = Table(replace(real.schema, rules=rules_from_json(RULES)), real.data)
    return fit(real, options=FitOptions(threads=1, steps=120, hidden=96, adversarial="never"))


@pytest.fixture(scope="module")
def free(made: Synthesizer) -> Table:
    return sample(under(made), 9_000)


def test_rules_hold_in_every_row_and_the_rest_stays(made: Synthesizer, free: Table) -> None:
    costs = Costs()
    batches = list(sample_batches(made, 9_000, costs=costs))
    table = Table(made.schema, pa.Table.from_batches(batches))
    before = broken(free, *RULES)
    assert min(before[:2]) > 100
    assert broken(table, *RULES) == [0, 0, 0]
    told = costs.to_json()
    assert told["rows"] == 9_000
    assert [round(r["redrawn_share"] * 9_000) for r in told["rules"]] == before
    assert told["rules"][0]["rule"] == CHILD
    assert 0.1 < told["redrawn_share"] < 0.9
    assert told["conditioned_rows"] == 0
    assert told["draws_per_row"] == pytest.approx(1 / (1 - told["redrawn_share"]), rel=0.1)
    # Rows that broke no rule are the very rows of the free sample.
    whole = np.array(free.data.to_pylist()) == np.array(table.data.to_pylist())
    assert whole.mean() > 0.97 * (1 - told["redrawn_share"])
    # A column that has nothing to do with the rules keeps its shares, within the noise of two samples.
    for town in "abcd":
        shares = [np.mean([v == town for v in t.data.column("town").to_pylist()]) for t in (free, table)]
        assert abs(shares[0] - shares[1]) < 4 * np.sqrt(2 * shares[0] * (1 - shares[0]) / 9_000)


def test_rows_follow_the_generator_given_the_rules(made: Synthesizer, free: Table) -> None:
    """What is left of a free sample once rows that break a rule are dropped has the same shares."""
    only = under(made, CHILD)
    table = sample(only, 9_000, seed=5)
    rule = parse_rules(only.schema)[0]
    kept = free.take(np.flatnonzero(~rule.broken(Table(only.schema, free.data))))
    for name, least, most in (("age", 0, 15), ("age", 16, 40), ("first_job", 15, 30)):
        a, b = (t.values(name).values for t in (kept, table))
        share = [np.mean((v >= least) & (v <= most)) for v in (a, b)]
        assert abs(share[0] - share[1]) < 4 * np.sqrt(0.25 / len(a) + 0.25 / len(b))


def test_shards_are_the_rows_of_the_whole(made: Synthesizer) -> None:
    whole = sample(made, 9_000)
    shard = sample(made, 700, start=8_000)
    same = np.array(shard.data.to_pylist()) == np.array(whole.data.slice(8_000, 700).to_pylist())
    assert same.mean() > 0.98  # products of other batch shapes may round another way
    assert broken(shard, *RULES) == [0, 0, 0]
    assert len(set(whole.data.column("id").to_pylist())) == 9_000


@pytest.mark.parametrize(
    "where",
    [["age<14"], ["marital_status=widowed", "sex=F"], ["first_job>=50", "last_job<=55"], ["last_job is missing"]],
)
def test_rules_and_conditions_hold_together(made: Synthesizer, where: list[str]) -> None:
    table = sample(made, 1_000, where=where)
    assert broken(table, *RULES) == [0, 0, 0]
    for text in where:
        assert broken(table, text) == [0]


def test_rules_and_balances_hold_together(made: Synthesizer) -> None:
    table = sample(made, 900, balance="marital_status")
    assert broken(table, *RULES) == [0, 0, 0]
    found = [table.data.column("marital_status").to_pylist().count(s) for s in STATES]
    assert max(found) - min(found) <= 2


def test_what_chance_hardly_ever_meets_is_drawn_under_conditions(
    made: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.gan.ruling.ROUNDS", 2)
    costs = Costs()
    strict = ["last_job >= 66", "age < 30 -> town = d", "first_job is not missing and sex = F -> first_job = 33"]
    hard = under(made, *strict)
    table = Table(made.schema, pa.Table.from_batches(list(sample_batches(hard, 600, costs=costs))))
    assert broken(table, *strict) == [0, 0, 0]
    assert costs.conditioned > 300
    assert costs.to_json()["conditioned_rows"] == costs.conditioned
    assert ROUNDS > 2


def test_conditions_that_the_rules_forbid_are_refused_at_once(made: Synthesizer) -> None:
    with pytest.raises(InvalidCondition, match="rules"):
        sample_batches(made, 10, where=["age<16", "marital_status=married"])
    with pytest.raises(InvalidCondition, match="rules"):
        sample_batches(under(made, "town=a -> age>=16"), 10, where=["town=a", "age<10"])


def test_costs_of_parts_are_those_of_the_whole(made: Synthesizer) -> None:
    whole, parts = Costs(), [Costs(), Costs(), Costs()]
    list(sample_batches(made, 1_000, costs=whole))
    for costs, start, rows in zip(parts, (0, 300, 1_000), (300, 700, 0), strict=True):
        list(sample_batches(made, rows, start=start, costs=costs))
    told = joined_costs([c.to_json() for c in parts])
    expected = whole.to_json()
    assert told["rows"] == expected["rows"] == 1_000
    assert [r["rule"] for r in told["rules"]] == RULES
    # Products of other batch shapes may round another way, and with them a row.
    assert told["redrawn_share"] == pytest.approx(expected["redrawn_share"], abs=0.01)
    assert told["draws_per_row"] == pytest.approx(expected["draws_per_row"], abs=0.03)
    for a, b in zip(told["rules"], expected["rules"], strict=True):
        assert a["redrawn_share"] == pytest.approx(b["redrawn_share"], abs=0.01)
    assert joined_costs([Costs().to_json()])["rows"] == 0


def test_the_manifest_tells_what_the_rules_meet_in_the_data(made: Synthesizer) -> None:
    found = made.manifest["rules"]
    assert [r["rule"] for r in found] == RULES
    assert found[0]["training_rows_that_break_it"] > 20
    assert found[2]["training_rows_that_break_it"] == 0


def test_rules_are_checked_before_anything_is_fitted() -> None:
    real = people(60)
    wrong = replace(real.schema, rules=rules_from_json(["height > 3"]))
    with pytest.raises(InvalidSchema, match="height"):
        fit(Table(wrong, real.data))
    # A label that the schema knows and no row has: such rows cannot be drawn.
    town = replace(real.schema["town"], categories=("a", "b", "c", "d", "e"))
    never = replace(real.schema.with_column(town), rules=rules_from_json(["town = e"]))
    with pytest.raises(InvalidCondition, match="contradict the data"):
        fit(Table(never, real.data))


def test_where_no_conditions_are_found_chance_must_do(made: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.rules._NODES", 1)
    assert broken(sample(made, 300), *RULES) == [0, 0, 0]
    monkeypatch.setattr("models.gan.ruling.ROUNDS", 1)
    with pytest.raises(InvalidCondition, match="no row that keeps them"):
        sample(under(made, "age = 47"), 200)


def test_the_classic_model_keeps_rules_too() -> None:
    real = people(1_500)
    ruled = Table(replace(real.schema, rules=rules_from_json([CHILD, "first_job <= last_job"])), real.data)
    classic = fit(ruled, options=FitOptions(threads=1, model="ctgan", epochs=3, hidden=32))
    costs = Costs()
    table = Table(real.schema, pa.Table.from_batches(list(sample_batches(classic, 800, costs=costs))))
    assert broken(table, CHILD, "first_job <= last_job") == [0, 0]
    assert costs.rows == 800
    assert costs.redrawn > 0
    shard = sample(classic, 100, start=200)
    assert shard.data.equals(table.data.slice(200, 100).combine_chunks())
    assert broken(sample(classic, 200, where=["sex=F"]), CHILD, "sex=F") == [0, 0]
