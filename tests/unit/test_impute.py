"""impute: missing cells are drawn given the known ones of their rows; nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.errors import InvalidData, InvalidInput, InvalidSchema
from models.options import FitOptions
from models.schema import Column, Kind, RuleText, Schema
from models.synthesize import Synthesizer, fit, impute
from models.table import Table

OPTIONS = FitOptions(seed=3, steps=250, hidden=64, batch=256, threads=1, adversarial="never", learning_rate=5e-3)
GROUPS = ("a", "b", "c", "d")
COLUMNS = (
    Column("id", Kind.IDENTIFIER, storage="int64"),
    Column("group", Kind.CATEGORICAL, categories=(*GROUPS, "never seen")),
    Column("noisy", Kind.CATEGORICAL, categories=GROUPS, missing_codes=("?", "")),
    Column("half", Kind.CATEGORICAL, categories=("low", "high"), missing_codes=("",)),
    Column("x", Kind.DECIMAL, minimum=0, maximum=4, decimals=3, missing_codes=("N", "")),
    Column("level", Kind.INTEGER, minimum=10, maximum=40, missing_codes=("",)),
)
SCHEMA = Schema(COLUMNS)


def rows(count: int, seed: int = 0) -> dict[str, list[str]]:
    """`noisy` is `group` in 95% of rows; `half` and `level` follow from `group`; x is near it, "N" in group d."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, count)
    noisy = np.where(rng.random(count) < 0.95, group, rng.integers(0, 4, count))
    x = np.round(group + rng.random(count), 3)
    return {
        "id": [str(i) for i in range(count)],
        "group": [GROUPS[g] for g in group],
        "noisy": [GROUPS[g] for g in noisy],
        "half": ["low" if g < 2 else "high" for g in group],
        "x": ["N" if g == 3 else f"{v:.3f}" for g, v in zip(group, x, strict=True)],
        "level": [str(10 * (g + 1)) for g in group],
    }


def table(data: dict[str, list[str]], schema: Schema = SCHEMA) -> Table:
    return Table(schema, pa.table({n: pa.array(data[n], pa.string()) for n in schema.names}))


def with_gaps(data: dict[str, list[str]], name: str, code: str = "", share: float = 0.2) -> np.ndarray:
    """Put a missing code into a share of the column's cells -> which."""
    hit = np.random.default_rng(len(name)).random(len(data[name])) < share
    data[name] = [code if h else v for h, v in zip(hit, data[name], strict=True)]
    return hit


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    """Learnt from rows with gaps of their own, so that "missing" is a cell that would be drawn."""
    data = rows(4_000)
    for name in ("noisy", "half"):
        with_gaps(data, name)
    return fit(table(data), options=OPTIONS)


def test_only_the_missing_cells_of_the_asked_columns_change(synthesizer: Synthesizer) -> None:
    data = rows(900, seed=1)
    hits = {name: with_gaps(data, name) for name in ("noisy", "half", "level")}
    before = table(data)
    done = impute(synthesizer, before, ["noisy", "level"], seed=4)
    assert {n: c for n, c in done.filled.items() if c} == {n: hits[n].sum() for n in ("noisy", "level")}
    for name in SCHEMA.names:
        old, new = (np.array(t.data.column(name).to_pylist()) for t in (before, done.table))
        changed = hits[name] if name in ("noisy", "level") else np.zeros(len(old), bool)
        assert (old[~changed] == new[~changed]).all()
        assert not np.isin(new[changed], ["", "?", "N"]).any()
    assert done.table.values("noisy").missing.max() == -1


def test_what_follows_from_another_column_is_restored(synthesizer: Synthesizer) -> None:
    truth = rows(900, seed=2)
    data = {k: list(v) for k, v in truth.items()}
    hits = {name: with_gaps(data, name) for name in ("noisy", "half", "level")}
    done = impute(synthesizer, table(data)).table.data
    right = {n: np.array(done.column(n).to_pylist())[h] == np.array(truth[n])[h] for n, h in hits.items()}
    assert right["noisy"].mean() > 0.9  # 0.95 + 0.05 / 4 is the best there is on average, less what a draw scatters
    assert right["half"].mean() > 0.97
    assert right["level"].mean() > 0.97


def test_what_follows_tells_of_what_it_follows_from(synthesizer: Synthesizer) -> None:
    """The column that others follow from has no value: theirs leave one, which is more than the network alone knows."""
    assert [d.column.name for d in synthesizer.encoding.derived] == ["level"]
    schema = SCHEMA.with_column(Column("group", Kind.CATEGORICAL, categories=GROUPS, missing_codes=("",)))
    truth = rows(600, seed=3)
    data = {k: list(v) for k, v in truth.items()} | {"noisy": ["?"] * 600, "half": [""] * 600, "x": [""] * 600}
    with_gaps(data, "group", share=1.0)
    done = impute(synthesizer, table(data, schema), ["group"])
    assert done.table.data.column("group").to_pylist() == truth["group"]
    assert done.filled["group"] == 600


def test_seeds_are_draws_and_rows_are_drawn_by_themselves(synthesizer: Synthesizer) -> None:
    data = rows(500, seed=4)
    for name in ("noisy", "x", "group"):
        data[name] = [""] * 500 if name == "x" else data[name]
    given = table(data)
    first, again, other = (impute(synthesizer, given, ["x"], seed=s).table.data for s in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    few = impute(synthesizer, given.take(slice(0, 100)), ["x"], seed=1).table.data
    same = np.array(few.column("x").to_pylist()) == np.array(first.column("x").to_pylist()[:100])
    assert same.mean() > 0.95  # products of other batch shapes may round another way


def test_codes_with_a_meaning_can_be_left(synthesizer: Synthesizer) -> None:
    data = rows(400, seed=5)
    structural = np.array(data["x"]) == "N"
    hit = with_gaps(data, "x") & ~structural
    data["x"] = ["N" if s else v for s, v in zip(structural, data["x"], strict=True)]
    kept = impute(synthesizer, table(data), codes=[""])
    assert (np.array(kept.table.data.column("x").to_pylist())[structural] == "N").all()
    assert kept.filled["x"] == hit.sum()
    every = impute(synthesizer, table(data))
    assert every.filled["x"] == (hit | structural).sum()


def test_a_code_that_only_the_new_table_has(synthesizer: Synthesizer) -> None:
    schema = SCHEMA.with_column(Column("level", Kind.INTEGER, minimum=10, maximum=40, missing_codes=("n/a",)))
    data = rows(300, seed=6)
    truth = list(data["level"])
    hit = with_gaps(data, "level", "n/a")
    done = impute(synthesizer, table(data, schema))
    assert done.filled["level"] == hit.sum()
    assert done.table.data.column("level").to_pylist() == truth


def test_labels_that_training_never_had_say_nothing(synthesizer: Synthesizer) -> None:
    data = rows(300, seed=7) | {"group": ["never seen"] * 300, "noisy": [""] * 300}
    done = impute(synthesizer, table(data))
    assert set(done.table.data.column("group").to_pylist()) == {"never seen"}
    assert done.table.values("noisy").missing.max() == -1


def test_filled_cells_keep_the_rules_of_the_schema(synthesizer: Synthesizer) -> None:
    data = rows(1_500, seed=8) | {"noisy": [""] * 1_500}
    free = impute(synthesizer, table(data)).table.data
    rule = RuleText(("group = a",), ("noisy in (a, b)",))
    odd = RuleText(("group = b",), ("half = high",))

    def breaks(made: pa.Table) -> int:
        pairs = zip(made.column("group").to_pylist(), made.column("noisy").to_pylist(), strict=True)
        return sum(group == "a" and noisy not in ("a", "b") for group, noisy in pairs)

    assert breaks(free) > 0
    for rules, broken in (((rule,), 0), ((rule, odd), data["group"].count("b"))):
        schema = replace(SCHEMA, rules=rules)
        ruled = replace(synthesizer, schema=schema, encoding=replace(synthesizer.encoding, schema=schema))
        done = impute(ruled, table(data))
        assert breaks(done.table.data) == 0
        assert done.broken == broken  # what known cells break cannot be mended
        untouched = [n for n in SCHEMA.names if n != "noisy"]
        assert done.table.data.select(untouched).equals(free.select(untouched))


def test_what_does_not_fit_is_refused_with_its_place(synthesizer: Synthesizer) -> None:
    data = rows(20)
    for name, wrong, error in (
        ("group", "zzz", InvalidSchema),
        ("x", "99", InvalidData),
        ("level", "q", InvalidSchema),
    ):
        column = [*data[name]]
        column[5] = wrong
        with pytest.raises(error, match=f"{name}.*line 7") as caught:
            impute(synthesizer, table(data | {name: column}))
        assert wrong not in caught.value.message
    with pytest.raises(InvalidInput, match="lacks 'half'"):
        impute(synthesizer, table(data).select([n for n in SCHEMA.names if n != "half"]))
    for columns, why in ((["id"], "identifier"), (["nothing"], "no column")):
        with pytest.raises(InvalidInput, match=why):
            impute(synthesizer, table(data), columns)
