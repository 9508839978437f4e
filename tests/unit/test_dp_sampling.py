"""Rows of a one-pass generator: exactly by its probabilities, under any condition; shards are parts of one draw."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.accounting import gaussian
from models.dp.encoding import encoding_of
from models.dp.one_pass import OnePass
from models.dp.pairs import choose
from models.dp.release import release_for
from models.dp.target import Posterior, TargetModel
from models.encoding.encoding import TableEncoding
from models.errors import InvalidArtifact, InvalidCondition
from models.options import FitOptions
from models.schema import Column, Kind, RuleText, Schema
from models.support import warnings_of
from models.synthesize import Synthesizer, impute, sample
from models.table import Table

COLUMNS = (
    Column("sex", Kind.CATEGORICAL, categories=("f", "m"), public=True),
    Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True, missing_codes=("",)),
    Column("income", Kind.CATEGORICAL, categories=("low", "middle", "high"), public=True),
    Column("id", Kind.IDENTIFIER),
)
CONSTANT = Column("country", Kind.CATEGORICAL, categories=("here",), public=True)
K = 60


def made(rules: tuple[RuleText, ...] = (), columns: tuple[Column, ...] = COLUMNS, seed: int = 0) -> Synthesizer:
    """A synthesizer with a mixture of our own: latent rows that differ much."""
    encoding = encoding_of(Schema(columns, rules=rules))
    sizes = encoding.layout.sizes
    rng = np.random.default_rng(seed)
    parts = [rng.dirichlet(np.full(size, 0.2), K) for size in sizes]
    for p in parts:
        p[p < 1e-3] = 0  # cells that a latent row never has
    table = np.concatenate([p / p.sum(1, keepdims=True) for p in parts], 1).astype(np.float32)
    drawn = release_for(np.zeros((10, len(sizes)), int), choose(sizes), gaussian(5.0))
    model = OnePass(sizes, table, 5_000, drawn, 0.9, 0.1)
    manifest = {"options": FitOptions().to_json(), "model": "one_pass", "split": {"fraction": 0.0}}
    return Synthesizer(encoding.schema, encoding, model, tuple(range(len(sizes))), table.mean(0), manifest)


def chances(synthesizer: Synthesizer, masses: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of each column's cells given that cells have these masses, summed over latent rows by hand."""
    encoding: TableEncoding = synthesizer.encoding
    assert isinstance(synthesizer.model, OnePass)
    weight = np.ones(K)
    tables = {}
    for column, p in zip(encoding.columns, synthesizer.model.columns(), strict=True):
        name = column.column.name
        tables[name] = p.astype(float) * masses.get(name, 1.0)
        weight = weight * tables[name].sum(1)
    out = {}
    for name, p in tables.items():
        total = p.sum(1, keepdims=True)
        shares = np.divide(p, total, out=np.zeros_like(p), where=total > 0)
        out[name] = weight @ shares / weight.sum()
    return out


def found(synthesizer: Synthesizer, table: Table) -> dict[str, np.ndarray]:
    encoding = synthesizer.encoding
    codes = encoding.encode(table)
    return {
        c.column.name: np.bincount(codes[:, i], minlength=encoding.layout.sizes[i]) / len(codes)
        for i, c in enumerate(encoding.columns)
    }


def agree(synthesizer: Synthesizer, table: Table, masses: dict[str, np.ndarray]) -> None:
    wanted, seen = chances(synthesizer, masses), found(synthesizer, table)
    for name, p in wanted.items():
        # Spread evenly, rows scatter less than independent ones, for which this is four standard deviations.
        assert (np.abs(seen[name] - p) <= 4 * np.sqrt(p * (1 - p) / len(table)) + 1e-9).all(), name


def cells(name: str, wanted: Any) -> np.ndarray:
    encoding = made().encoding
    return np.array([float(wanted(x)) for x in range(encoding.layout.sizes[encoding.slots[name].start])])


@pytest.mark.parametrize("rows", [2_000, 20_000])
def test_rows_have_the_probabilities_of_the_mixture(rows: int) -> None:
    synthesizer = made()
    agree(synthesizer, sample(synthesizer, rows, seed=1), {})


def test_conditions_of_all_kinds_are_met_exactly() -> None:
    synthesizer = made()
    curve = synthesizer.encoding.columns[1].codec
    low, high = curve.low, curve.high  # type: ignore[attr-defined]
    missing = len(low)
    above = np.array([max(0.0, b - max(a, 65) + 1) / (b - a + 1) for a, b in zip(low, high, strict=True)] + [0.0])
    labels = cells("income", lambda x: x in (0, 2))
    for where, masses in (
        (["sex=f"], {"sex": cells("sex", lambda x: x == 0)}),
        (["age>=65"], {"age": above}),
        (["age is missing"], {"age": cells("age", lambda x: x == missing)}),
        (["age is not missing"], {"age": cells("age", lambda x: x != missing)}),
        (["income in (low, high)", "sex!=f"], {"income": labels, "sex": cells("sex", lambda x: x == 1)}),
        (["age>=65", "income in (low, high)", "sex=m"], {"age": above, "income": labels, "sex": np.array([0, 1])}),
    ):
        table = sample(synthesizer, 16_384, where=where, seed=2)
        agree(synthesizer, table, masses)
        if where[0] == "age>=65":
            assert (table.values("age").values >= 65).all()
        if "sex=f" in where:
            assert set(table.column("sex").to_pylist()) == {"f"}


def test_a_condition_that_cuts_a_bin_draws_within_it() -> None:
    synthesizer = made(columns=(COLUMNS[0], Column("pay", Kind.INTEGER, minimum=0, maximum=9_999, public=True)))
    table = sample(synthesizer, 4_000, where=["pay>=1000", "pay<1100"], seed=2)
    values = table.values("pay").values
    assert values.min() >= 1_000
    assert values.max() < 1_100
    assert len(np.unique(values)) > 50


def test_shards_are_parts_of_one_draw() -> None:
    synthesizer = made()
    for how in ({}, {"where": ["age>=65"]}, {"balance": "income"}):
        whole = sample(synthesizer, 20_000, seed=5, **how).data
        for start, rows in ((0, 5_000), (4_321, 9_000), (8_192, 8_192), (19_990, 10)):
            part = sample(synthesizer, rows, seed=5, start=start, **how).data
            assert part.equals(whole.slice(start, rows)), how
    assert not sample(synthesizer, 100, seed=6).data.equals(sample(synthesizer, 100, seed=5).data)


def test_balance_gives_the_asked_shares_and_the_mixtures_own_conditionals() -> None:
    synthesizer = made()
    table = sample(synthesizer, 10_000, balance="income:low=0.5,high=0.5", seed=1)
    counts = dict(zip(*np.unique(table.column("income").to_pylist(), return_counts=True), strict=True))
    assert counts == {"low": 5_000, "high": 5_000}
    low = table.take(np.flatnonzero(np.array(table.column("income").to_pylist()) == "low"))
    agree(synthesizer, low, {"income": np.array([1.0, 0, 0])})


def test_rules_hold_in_every_row_and_nothing_else_moves() -> None:
    rule = RuleText(("age<16",), ("income=low",))
    free, ruled = made(), made((rule,))
    table = sample(ruled, 12_000, seed=3)
    young = table.values("age").numbers() < 16
    assert young.any()
    assert set(np.array(table.column("income").to_pylist())[young]) == {"low"}
    # By rejection: of the rows that keep the rule, those without one have the same shares.
    plain = sample(free, 40_000, seed=4)
    kept = plain.take(
        np.flatnonzero(
            ~((plain.values("age").numbers() < 16) & (np.array(plain.column("income").to_pylist()) != "low"))
        )
    )
    for name, p in found(free, kept).items():
        assert np.abs(p - found(ruled, table)[name]).max() < 0.02


def test_conditions_that_nothing_meets_are_refused() -> None:
    synthesizer = made(columns=COLUMNS[:1] + COLUMNS[2:3])
    assert isinstance(synthesizer.model, OnePass)
    table = synthesizer.model.probabilities.copy()
    table[:] = 0
    table[: K // 2, [0, 2]] = 1
    table[K // 2 :, [1, 3]] = 1
    model = OnePass(synthesizer.model.sizes, table, 1, synthesizer.model.release, 1.0, 1.0)
    other = Synthesizer(
        synthesizer.schema, synthesizer.encoding, model, (0, 1), table.mean(0), dict(synthesizer.manifest)
    )
    assert len(sample(other, 10, where=["sex=f", "income=low"])) == 10
    with pytest.raises(InvalidCondition):
        sample(other, 10, where=["sex=f", "income=middle"])


def targeted(synthesizer: Synthesizer, column: int = 2) -> Synthesizer:
    """The same, with income drawn by a regression."""
    model = model_of(synthesizer)
    sizes = model.sizes
    coefficients = np.random.default_rng(8).normal(size=(sum(sizes) + 1, sizes[column])).astype(np.float32)
    return replace(synthesizer, model=replace(model, target=TargetModel(column, 0.75, coefficients)))


def model_of(synthesizer: Synthesizer) -> OnePass:
    assert isinstance(synthesizer.model, OnePass)
    return synthesizer.model


def test_a_target_with_a_model_of_its_own_follows_it_also_under_conditions() -> None:
    synthesizer = targeted(made())
    model = model_of(synthesizer)
    assert model.target is not None
    for where in ([], ["sex=f"], ["age>=65", "sex=m"]):
        table = sample(synthesizer, 16_384, where=where, seed=2)
        codes = synthesizer.encoding.encode(table)
        # Other conditions than on whole cells say no more than the cells themselves do.
        own = Posterior(tuple(model.columns()), 2).of(codes)
        wanted = model.target.pooled(codes, model.sizes, own).mean(0)
        assert found(synthesizer, table)["income"] == pytest.approx(wanted, abs=0.003)
        assert np.abs(found(made(), sample(made(), 16_384, where=where, seed=2))["income"] - wanted).max() > 0.05
    # Under a condition on itself: as the mixture has it.
    agree(synthesizer, sample(synthesizer, 16_384, where=["income!=low"], seed=2), {"income": np.array([0.0, 1, 1])})


def test_fast_mode_is_the_same() -> None:
    synthesizer = made()
    assert sample(synthesizer, 500, mode="fast", seed=1).data.equals(sample(synthesizer, 500, seed=1).data)


def test_missing_cells_are_imputed_by_bayes_rule() -> None:
    synthesizer = made()
    drawn = sample(synthesizer, 6_000, seed=1, where=["sex=f", "income=high", "age is not missing"])
    blank = drawn.data.set_column(1, "age", [[""] * len(drawn)])
    filled = impute(synthesizer, Table(synthesizer.schema, blank), ["age"], seed=3).table
    assert filled.column("sex").equals(drawn.column("sex"))
    a, b = found(synthesizer, drawn)["age"], found(synthesizer, filled)["age"]
    assert np.abs(a - b).max() < 0.03


def test_warnings_come_from_what_the_release_tells() -> None:
    synthesizer = made()
    assert [w.code for w in warnings_of(synthesizer, ["age=7", "sex=f", "income=high"], mode="fast")] in (
        ["rare_condition"],
        ["rare_conditions"],
    )
    assert warnings_of(synthesizer, ["sex=f"], mode="fast") == ()


def test_a_saved_synthesizer_draws_the_same(tmp_path: Path) -> None:
    synthesizer = targeted(made(columns=(*COLUMNS, CONSTANT)))
    synthesizer.save(tmp_path)
    again = Synthesizer.load(tmp_path)
    assert sample(again, 300, seed=9).data.equals(sample(synthesizer, 300, seed=9).data)
    assert isinstance(again.model, OnePass)
    assert isinstance(synthesizer.model, OnePass)
    one, two = again.model.release, synthesizer.model.release
    assert (one.workload, one.sd, one.events) == (two.workload, two.sd, two.events)
    assert all((a == b).all() for a, b in zip(one.counts, two.counts, strict=True))


@pytest.mark.parametrize(
    "damage",
    [
        lambda p, t: t["one_pass.probabilities"].fill(-1),
        lambda p, t: t["one_pass.probabilities"].fill(np.nan),
        lambda p, t: t.update({"one_pass.probabilities": t["one_pass.probabilities"][:, 1:]}),
        lambda p, t: t["one_pass.target"].fill(np.inf),
        lambda p, t: t.update({"one_pass.target": t["one_pass.target"][1:]}),
        lambda p, t: t.pop("one_pass.target"),
        lambda p, t: p["network"]["target"].update(column=9),
        lambda p, t: p["network"]["target"].update(weight=1.5),
        lambda p, t: t.pop("one_pass.counts"),
        lambda p, t: t.update({"one_pass.counts": t["one_pass.counts"][1:]}),
        lambda p, t: p["network"]["release"]["axes"].append([0, 99]),
        lambda p, t: p["network"]["release"].pop("sd"),
        lambda p, t: p["network"]["release"]["events"].append({"mechanism": "magic"}),
        lambda p, t: p["network"].update(rows="many"),
        lambda p, t: p.update(order=[0]),
    ],
)
def test_damage_is_told(tmp_path: Path, damage: Any) -> None:
    from models.artifacts import read_bundle, write_bundle

    targeted(made()).save(tmp_path)
    parts, tensors = read_bundle(tmp_path, "synthesizer")
    tensors = {k: v.copy() for k, v in tensors.items()}
    damage(parts, tensors)
    write_bundle(tmp_path, "synthesizer", parts, tensors)
    with pytest.raises(InvalidArtifact):
        Synthesizer.load(tmp_path)
