"""fit and sample with model ctgan, end to end, on small invented tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.artifacts import read_bundle, write_bundle
from models.conditions import parse_conditions
from models.ctgan.model import Ctgan
from models.ctgan.sampling import Draw
from models.errors import Cancelled, InvalidArtifact, InvalidCondition, InvalidInput
from models.options import FitOptions
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, impute, sample, sample_batches
from models.table import Table

OPTIONS = FitOptions(model="ctgan", seed=3, epochs=20, batch=200, hidden=64, noise=32, threads=1, learning_rate=1e-3)


def people(rows: int = 3_000, seed: int = 0) -> Table:
    """Age, sex, wage (missing for the young), birthday, a constant, a rare label, an identifier."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 91, rows)
    sex = np.where(rng.random(rows) < 0.5, "F", "M")
    wage = np.round(rng.gamma(4, 8_000 + 4_000 * (sex == "M"))).astype(int).astype(object).astype(str)
    wage = np.where(age < 16, "N", wage)
    day = np.datetime64("2019-12-31") - (age * 365 + rng.integers(0, 365, rows))
    columns = (
        Column("id", Kind.IDENTIFIER, storage="int64"),
        Column("age", Kind.INTEGER, minimum=0, maximum=90),
        Column("sex", Kind.CATEGORICAL, categories=("F", "M")),
        Column("wage", Kind.INTEGER, minimum=0, maximum=200_000, missing_codes=("N",)),
        Column("born", Kind.DATETIME, datetime_format="%Y-%m-%d"),
        Column("land", Kind.CATEGORICAL, categories=("x", "never seen")),
        Column("rare", Kind.CATEGORICAL, categories=("yes", "no")),
    )
    data = {"id": np.arange(1, rows + 1).astype(str), "age": age.astype(str), "sex": sex, "wage": wage}
    data |= {"born": day.astype(str), "land": np.full(rows, "x"), "rare": np.where(np.arange(rows) % 100, "no", "yes")}
    return Table(Schema(columns), pa.table({c.name: pa.array(data[c.name].tolist(), pa.string()) for c in columns}))


@pytest.fixture(scope="module")
def real() -> Table:
    return people()


@pytest.fixture(scope="module")
def synthesizer(real: Table) -> Synthesizer:
    return fit(real, options=OPTIONS)


@pytest.fixture(scope="module")
def drawn(synthesizer: Synthesizer) -> Table:
    return sample(synthesizer, 6_000)


def ctgan(synthesizer: Synthesizer) -> Ctgan:
    assert isinstance(synthesizer.model, Ctgan)
    return synthesizer.model


def test_the_manifest_says_which_model_it_was(synthesizer: Synthesizer) -> None:
    manifest = synthesizer.manifest
    assert manifest["model"] == manifest["options"]["model"] == "ctgan"
    assert manifest["plan"]["batch"] == 200
    assert manifest["steps"] == manifest["plan"]["steps"] == 20 * 13
    assert manifest["split"]["train_rows"] == 2_700
    assert {"step", "loss", "critic", "seconds"} <= set(manifest["curve"][-1])
    json.dumps(manifest, allow_nan=False)


def test_a_sample_keeps_domain_and_shares(drawn: Table, real: Table) -> None:
    for name in drawn.schema.names[1:]:
        got, was = drawn.values(name), real.values(name)
        assert set(np.unique(got.missing)) <= set(np.unique(was.missing))
        if not drawn.schema[name].labelled:
            low, high = drawn.schema[name].minimum, drawn.schema[name].maximum
            present = got.values[got.missing < 0]
            assert present.min() >= (low if isinstance(low, int) else was.values.min())
            assert present.max() <= (high if isinstance(high, int) else was.values.max())
    assert set(drawn.data.column("land").to_pylist()) == {"x"}
    assert drawn.data.column("id").to_pylist()[:2] == ["1", "2"]
    assert len(set(drawn.data.column("id").to_pylist())) == len(drawn)
    wage = drawn.values("wage").missing >= 0
    assert abs(wage.mean() - (real.values("wage").missing >= 0).mean()) < 0.02
    assert abs((drawn.values("sex").values == 0).mean() - 0.5) < 0.02


def test_shards_are_the_rows_of_the_whole(synthesizer: Synthesizer, drawn: Table) -> None:
    for start, count in ((1_000, 500), (37, 1), (5_990, 10)):
        shard = sample(synthesizer, count, start=start)
        assert shard.data.equals(drawn.data.slice(start, count))
    assert not sample(synthesizer, 500, seed=99).data.equals(drawn.data.slice(0, 500))
    where = ["sex=F", "age>=40"]
    assert sample(synthesizer, 50, where=where, start=80).data.equals(
        sample(synthesizer, 200, where=where).data.slice(80, 50)
    )


def test_batches_are_bounded_and_cover_all_rows(synthesizer: Synthesizer) -> None:
    sizes = [b.num_rows for b in sample_batches(synthesizer, 10_000, start=5_000)]
    assert sum(sizes) == 10_000
    assert max(sizes) <= 8_192
    assert len(sample(synthesizer, 0)) == 0


CONDITIONS = [
    ["age>=65", "sex=F"],
    ["sex!=F", "20<=age<60", "wage>=30000"],
    ["wage is missing"],
    ["wage is not missing", "born>=1960-01-01"],
    ["age in (3, 4, 50)"],
    ["rare=yes"],
    ["rare=yes", "sex=M", "age!=30"],
]


@pytest.mark.parametrize("where", CONDITIONS)
def test_all_rows_meet_the_conditions(synthesizer: Synthesizer, where: list[str]) -> None:
    table = sample(synthesizer, 300, where=where)
    assert len(table) == 300
    assert table.data.column("id").to_pylist() == [str(i) for i in range(1, 301)]
    for condition in parse_conditions(where, synthesizer.schema):
        assert condition.matches(table).all()


def test_the_condition_vector_names_the_rarest_column_that_is_pinned(synthesizer: Synthesizer) -> None:
    where = parse_conditions(["rare=yes", "sex=M"], synthesizer.schema)
    free, bound = (Draw(ctgan(synthesizer), w, 0) for w in ((), where))
    assert float(free.weights.sum()) == pytest.approx(1)
    assert sorted(bound.weights.tolist()) == [0, 0, 0, 1]
    met = [len(Draw(ctgan(synthesizer), where[:1], s).met(np.arange(2_000), np.zeros(2_000, int))[0]) for s in (1, 2)]
    assert min(met) > 200  # without it, some 20


def test_rejection_leaves_the_distribution_of_free_rows(synthesizer: Synthesizer) -> None:
    where = ["30<=age<60"]  # of a number: the condition vector does not change
    bound = sample(synthesizer, 3_000, where=where, seed=11)
    free = sample(synthesizer, 9_000, seed=12)
    for condition in parse_conditions(where, synthesizer.schema):
        free = free.take(np.flatnonzero(condition.matches(free)))
    for name in ("sex", "rare"):
        a, b = ((t.values(name).values == 0).mean() for t in (bound, free))
        assert abs(a - b) < 0.05
    a, b = (np.nanmean(t.values("wage").values) for t in (bound, free))
    assert a == pytest.approx(b, rel=0.05)


def test_a_condition_that_the_model_hardly_meets_is_refused_by_name(synthesizer: Synthesizer) -> None:
    with pytest.raises(InvalidCondition, match="'wage'") as found:
        sample(synthesizer, 10, where=["sex=F", "wage=123456"])
    assert "masked" in found.value.hint
    for where in (["land='never seen'"], ["age>=91"], ["nothing=1"], ["id=4"]):
        with pytest.raises(InvalidCondition):
            sample(synthesizer, 10, where=where)


def test_what_only_the_masked_model_can_do_is_refused(synthesizer: Synthesizer, real: Table) -> None:
    with pytest.raises(InvalidInput, match="ctgan"):
        impute(synthesizer, real)
    with pytest.raises(InvalidInput, match="ctgan"):
        sample(synthesizer, 10, balance="sex")
    with pytest.raises(InvalidInput, match="fast"):
        sample(synthesizer, 10, mode="fast")


def test_saving_and_loading_change_nothing(synthesizer: Synthesizer, drawn: Table, tmp_path: Path) -> None:
    synthesizer.save(tmp_path)
    again = Synthesizer.load(tmp_path)
    assert sample(again, 6_000).data.equals(drawn.data)
    assert again.manifest == synthesizer.manifest
    manifest = json.loads((tmp_path / "manifest.json").read_text())["manifest"]
    assert manifest["network"]["model"] == "ctgan"


@pytest.mark.parametrize("change", [{"hidden": 65}, {"numbers": [0, 1, 2, 3]}, {"numbers": [99]}, {"noise": "x"}])
def test_parts_that_do_not_fit_are_refused(synthesizer: Synthesizer, change: dict[str, object], tmp_path: Path) -> None:
    synthesizer.save(tmp_path)
    parts, tensors = read_bundle(tmp_path, "synthesizer")
    write_bundle(tmp_path, "synthesizer", {**parts, "network": {**parts["network"], **change}}, tensors)
    with pytest.raises(InvalidArtifact):
        Synthesizer.load(tmp_path)


class StopAfter(Silent):
    """Cancels the work after so many checks."""

    def __init__(self, checks: int) -> None:
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stop")


def test_training_that_was_interrupted_ends_in_the_same_weights(
    real: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.ctgan.trainer.CHECKPOINT_EVERY", 0.0)
    few = FitOptions(**{**OPTIONS.to_json(), "epochs": 3})
    whole = ctgan(fit(real, options=few)).generator.state_dict()
    with pytest.raises(Cancelled):
        fit(real, options=few, progress=StopAfter(30), checkpoint=tmp_path)
    assert (tmp_path / "manifest.json").exists()
    resumed = ctgan(fit(real, options=few, checkpoint=tmp_path)).generator.state_dict()
    for name, weight in whole.items():
        assert torch.equal(weight, resumed[name])
    # An older program kept a state of Adam for each parameter: such a checkpoint is replaced, not mistaken for ours.
    parts, tensors = read_bundle(tmp_path, "checkpoint")
    tensors |= {k.replace(".0.", ".1."): v for k, v in tensors.items() if k.startswith("adam.")}
    write_bundle(tmp_path, "checkpoint", {**parts, "step": 20, "done": False}, tensors)
    again = ctgan(fit(real, options=few, checkpoint=tmp_path)).generator.state_dict()
    assert torch.equal(again["bias"], whole["bias"])
    other = FitOptions(**{**few.to_json(), "seed": 4})
    fresh = ctgan(fit(real, options=other, checkpoint=tmp_path)).generator.state_dict()
    assert not torch.equal(fresh["bias"], whole["bias"])


def test_max_time_bounds_training(real: Table) -> None:
    short = fit(real, options=FitOptions(**{**OPTIONS.to_json(), "epochs": 100_000, "max_time": 0.5}))
    assert short.manifest["steps"] < 1_000
    assert short.manifest["seconds"] < 5


@pytest.mark.parametrize("rows", [12, 120])
def test_tiny_tables_work(rows: int) -> None:
    made = fit(people(rows), options=FitOptions(model="ctgan", threads=1, epochs=3))
    assert len(sample(made, 50)) == 50


def test_tables_of_numbers_alone_of_labels_alone_and_of_constants_work() -> None:
    rng = np.random.default_rng(0)
    schema = Schema((Column("a", Kind.DECIMAL, decimals=3), Column("b", Kind.DECIMAL, decimals=2)))
    numbers = pa.table({"a": np.char.mod("%.3f", rng.normal(size=400)), "b": np.char.mod("%.2f", rng.gamma(2, 3, 400))})
    labels = Schema((Column("a", Kind.CATEGORICAL, categories=("x", "y")),))
    constant = Schema((Column("a", Kind.CATEGORICAL, categories=("x",)), Column("b", Kind.INTEGER)))
    for table in (
        Table(schema, numbers),
        Table(labels, pa.table({"a": ["x", "y", "y", "x"] * 20})),
        Table(constant, pa.table({"a": ["x"] * 40, "b": ["7"] * 40})),
    ):
        made = fit(table, options=FitOptions(model="ctgan", threads=1, epochs=3))
        assert len(sample(made, 30)) == 30
    assert sample(made, 3).data.to_pylist() == [{"a": "x", "b": "7"}] * 3


def test_a_column_of_very_many_labels_works() -> None:
    rng = np.random.default_rng(0)
    words = tuple(f"w{i:04}" for i in range(1_500))
    column = rng.permutation(np.concatenate([np.arange(1_500), rng.zipf(1.3, 3_000) % 1_500]))
    schema = Schema((Column("word", Kind.CATEGORICAL, categories=words), Column("n", Kind.INTEGER)))
    table = Table(schema, pa.table({"word": [words[i] for i in column], "n": (column % 7).astype(str)}))
    made = fit(table, options=FitOptions(model="ctgan", threads=1, epochs=1, derive=False))
    assert set(sample(made, 500).data.column("word").to_pylist()) <= set(words)
    assert set(sample(made, 20, where=["n=3"]).data.column("n").to_pylist()) == {"3"}
