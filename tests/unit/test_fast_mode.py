"""Fast mode: a student draws what the generator would, near enough, under the same pairs, rules, conditions."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.artifacts import read_bundle, write_bundle
from models.errors import InvalidArtifact, InvalidInput
from models.options import FitOptions
from models.rules import parse_rules
from models.schema import Column, Kind, Schema, rules_from_json
from models.support import warnings_of
from models.synthesize import Synthesizer, fit, sample, with_student
from models.table import Table
from worker.reporting import Reporter
from worker.verbs.sample import run as draw

OPTIONS = FitOptions(seed=2, steps=200, hidden=96, threads=1, adversarial="never", fast=True, learning_rate=5e-3)
ROWS = 20_000
STATES = ("single", "married", "widowed")


def people(rows: int = 6_000) -> Table:
    """Age; sex; a state that hangs on age; a letter that follows from it; a wage of two stages that children lack."""
    rng = np.random.default_rng(1)
    age = rng.integers(0, 91, rows)
    sex = rng.integers(0, 2, rows)
    state = np.where(age < 20, 0, np.where(rng.random(rows) < age / 90, 2, 1))
    wage = np.round(rng.gamma(4, 4_000 + 4_000 * sex)).astype(int).astype(str)
    columns = (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("age", Kind.INTEGER, minimum=0, maximum=90),
        Column("sex", Kind.CATEGORICAL, categories=("F", "M")),
        Column("state", Kind.CATEGORICAL, categories=STATES),
        Column("letter", Kind.CATEGORICAL, categories=("m", "s", "w")),
        Column("wage", Kind.INTEGER, minimum=0, maximum=200_000, missing_codes=("N",)),
    )
    words = {
        "id": np.arange(rows).astype(str),
        "age": age.astype(str),
        "sex": np.array(["F", "M"])[sex],
        "state": np.array(STATES)[state],
        "letter": np.array(["s", "m", "w"])[state],
        "wage": np.where(age < 16, "N", wage),
    }
    return Table(Schema(columns), pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in words.items()}))


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.gan.student.DRAWN_CELLS", 90_000)
        patch.setattr("models.gan.student.STEPS", 100)
        yield


@pytest.fixture(scope="module")
def made() -> Synthesizer:
    return fit(people(), options=OPTIONS)


@pytest.fixture(scope="module")
def drawn(made: Synthesizer) -> tuple[Table, Table]:
    """Rows of the full generator, and of the student."""
    return sample(made, ROWS, seed=1), sample(made, ROWS, seed=1, mode="fast")


def joint(table: Table) -> np.ndarray:
    """Shares of age bands, sexes, states and wage bands (missing: one of its own), all four together."""
    age = np.clip(table.values("age").values // 20, 0, 3).astype(int)
    wage = table.values("wage")
    band = np.where(wage.missing >= 0, 0, 1 + np.nan_to_num(wage.values) // 15_000).clip(0, 4).astype(int)
    out = np.zeros((4, 2, 3, 5))
    np.add.at(out, (age, table.values("sex").values, table.values("state").values, band), 1 / len(table))
    return out


def test_its_rows_are_distributed_as_the_generators(drawn: tuple[Table, Table]) -> None:
    full, fast = map(joint, drawn)
    off = np.abs(full - fast).sum() / 2
    assert off > 0  # another network drew them
    alone = full.sum((1, 2, 3))[:, None, None, None] * full.sum((0, 2, 3))[None, :, None, None]
    alone = alone * full.sum((0, 1, 3))[None, None, :, None] * full.sum((0, 1, 2))[None, None, None, :]
    assert np.abs(full - alone).sum() / 2 > 0.4
    assert off < 0.05


def test_what_never_meets_and_what_follows_hold(made: Synthesizer, drawn: tuple[Table, Table]) -> None:
    assert made.manifest["impossible_pairs"]
    assert made.manifest["derived"]
    states = drawn[1].data.column("state").to_pylist()
    letters = drawn[1].data.column("letter").to_pylist()
    assert {*zip(states, letters, strict=True)} == {("single", "s"), ("married", "m"), ("widowed", "w")}
    absent = drawn[1].values("wage").missing >= 0
    assert abs(absent.mean() - 16 / 91) < 0.02
    assert (absent & (drawn[1].values("state").values != 0)).sum() == 0
    assert len(set(drawn[1].data.column("id").to_pylist())) == ROWS


def test_parts_and_threads_give_the_same_rows(made: Synthesizer, drawn: tuple[Table, Table]) -> None:
    part = sample(made, 9_000, seed=1, start=8_000, mode="fast")
    assert part.data.equals(drawn[1].data.slice(8_000, 9_000).combine_chunks())
    two = replace(made, manifest={**made.manifest, "options": replace(OPTIONS, threads=2).to_json()})
    for mode, one in zip(("full", "fast"), drawn, strict=True):
        assert sample(two, ROWS, seed=1, mode=mode).data.combine_chunks().equals(one.data.combine_chunks())


def test_it_is_stored_and_can_be_made_later_without_the_data(
    made: Synthesizer, drawn: tuple[Table, Table], tmp_path: Path
) -> None:
    made.save(tmp_path / "with")
    found = Synthesizer.load(tmp_path / "with")
    assert sample(found, ROWS, seed=1, mode="fast").data.equals(drawn[1].data)
    replace(made, student=None).save(tmp_path / "without")
    later = with_student(Synthesizer.load(tmp_path / "without"))
    assert sample(later, ROWS, seed=1, mode="fast").data.equals(drawn[1].data)
    assert 0 < later.manifest["fast"]["kl"] < 1


@pytest.mark.parametrize("how", ["nan", "short", "hidden", "lacking"])
def test_a_damaged_student_is_refused(made: Synthesizer, tmp_path: Path, how: str) -> None:
    made.save(tmp_path)
    parts, tensors = read_bundle(tmp_path, "synthesizer")
    tensors = {k: np.array(v) for k, v in tensors.items()}
    if how == "nan":
        tensors["student.head"][0, 0] = np.nan
    elif how == "short":
        tensors["student.embed"] = tensors["student.embed"][:-1]
    elif how == "hidden":
        tensors["student.bias"] = np.zeros((3, 3), np.float32)
    else:
        del tensors["student.bias"]
    kept = {k: parts[k] for k in ("schema", "encoding", "network", "order", "manifest")}
    write_bundle(tmp_path / "bad", "synthesizer", kept, tensors)
    with pytest.raises(InvalidArtifact):
        Synthesizer.load(tmp_path / "bad")


def test_conditions_are_met_by_whichever_can(made: Synthesizer) -> None:
    easy, hard = ["age>=20"], ["wage>=60000", "sex=M"]
    fast = sample(made, 500, where=easy, seed=1, mode="fast")
    assert (fast.values("age").values >= 20).all()
    assert not fast.data.equals(sample(made, 500, where=easy, seed=1).data)
    assert sample(made, 500, where=hard, seed=1, mode="fast").data.equals(sample(made, 500, where=hard, seed=1).data)
    codes = [{w.code for w in warnings_of(made, where, mode="fast")} for where in (easy, hard)]
    assert "fast_mode" in codes[0] & codes[1]
    assert "drawn_in_full" in codes[1] - codes[0]
    assert "fast_mode" not in {w.code for w in warnings_of(made, easy)}


def test_rules_and_balances_hold(made: Synthesizer) -> None:
    rule = "age < 40 -> state = single"
    schema = replace(made.schema, rules=rules_from_json([rule]))
    ruled = replace(made, schema=schema, encoding=replace(made.encoding, schema=schema))
    table = sample(ruled, 9_000, seed=1, mode="fast")
    assert not any(r.broken(table).any() for r in parse_rules(schema))
    even = sample(made, 900, balance="state", seed=1, mode="fast")
    assert np.bincount(even.values("state").values).tolist() == [300, 300, 300]


def test_only_modes_that_exist(made: Synthesizer) -> None:
    with pytest.raises(InvalidInput, match="full, fast"):
        sample(made, 5, mode="quick")


@pytest.mark.parametrize("stored", [True, False])
def test_a_job_draws_what_its_spec_says(made: Synthesizer, tmp_path: Path, stored: bool) -> None:
    (made if stored else replace(made, student=None)).save(tmp_path / "synthesizer")
    (tmp_path / "out").mkdir()
    told = io.StringIO()
    job = {"threads": 1, "spec": {"rows": 40, "where": [], "seed": 1, "mode": "fast"}}
    outcome = draw(job, tmp_path, Reporter(told, tmp_path, 1e9))
    assert [w["code"] for w in outcome["warnings"]] == ["fast_mode"]
    assert "fast_mode" in told.getvalue()
    assert "nats a row" in outcome["warnings"][0]["message"]
    found = pq.read_table(tmp_path / "out" / "sample.parquet")
    assert found.equals(sample(made, 40, seed=1, mode="fast").data)


def test_a_table_of_one_slot_and_one_of_none() -> None:
    rng = np.random.default_rng(0)
    schema = Schema((Column("sex", Kind.CATEGORICAL, categories=("F", "M")),))
    for words in (np.array(["F", "M"])[(rng.random(300) < 0.3).astype(int)], np.full(300, "F")):
        table = Table(schema, pa.table({"sex": pa.array(words.tolist(), pa.string())}))
        made = fit(table, options=replace(OPTIONS, steps=10))
        drawn = sample(made, 2_000, seed=1, mode="fast").data.column("sex").to_pylist()
        assert abs(drawn.count("M") / 2_000 - (words == "M").mean()) < 0.05


def test_labels_keep_their_shares_inside_their_groups_and_the_target_may_come_last() -> None:
    """More labels than have cells of their own; what comes first in the table is drawn last."""
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(1, 701) ** 1.1
    number = rng.choice(700, 20_000, p=weight / weight.sum())
    label = (number % 3 == 0) ^ (rng.random(20_000) < 0.05)
    columns = (
        Column("odd", Kind.CATEGORICAL, categories=("n", "y")),
        Column("town", Kind.CATEGORICAL, categories=tuple(f"t{i:03d}" for i in range(700))),
    )
    words = {
        "odd": np.array(["n", "y"])[label.astype(int)],
        "town": np.array([f"t{i:03d}" for i in range(700)])[number],
    }
    table = Table(Schema(columns), pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in words.items()}))
    made = fit(table, options=replace(OPTIONS, holdout=0.0, target="odd"))
    assert made.order[-1] == made.encoding.slots["odd"].start
    drawn = sample(made, 20_000, seed=1, mode="fast")
    towns = [np.bincount(t.values("town").values, minlength=700) / 20_000 for t in (table, drawn)]
    again = np.bincount(rng.choice(number, 20_000), minlength=700) / 20_000
    assert np.abs(towns[0] - towns[1]).sum() < 1.5 * np.abs(towns[0] - again).sum()
    common = drawn.values("town").values < 30
    agree = (drawn.values("town").values % 3 == 0) == (drawn.values("odd").values == 1)
    assert agree[common].mean() > 0.85
