"""fit and sample, end to end, on a small invented table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from models.artifacts import read_bundle, write_bundle
from models.conditions import Condition, parse_conditions
from models.encoding.encoding import restrictions_by_column
from models.errors import Cancelled, InvalidArtifact, InvalidCondition, InvalidData, InvalidInput
from models.gan.draws import BLOCK
from models.gan.restrict import make_pins
from models.gan.sampler import Pin, Sampler
from models.options import FitOptions
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample, sample_batches, split
from models.table import Table

OPTIONS = FitOptions(seed=3, steps=150, hidden=64, batch=256, threads=1, adversarial="never", learning_rate=5e-3)


def people(rows: int = 3_000, seed: int = 0) -> Table:
    """Age, sex, wage (missing for the young), birthday, a constant, an identifier."""
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
    )
    data = {"id": np.arange(1, rows + 1).astype(str), "age": age.astype(str), "sex": sex, "wage": wage}
    data |= {"born": day.astype(str), "land": np.full(rows, "x")}
    return Table(Schema(columns), pa.table({c.name: pa.array(data[c.name].tolist(), pa.string()) for c in columns}))


@pytest.fixture(scope="module")
def real() -> Table:
    return people()


@pytest.fixture(scope="module")
def synthesizer(real: Table) -> Synthesizer:
    return fit(real, options=OPTIONS)


@pytest.fixture(scope="module")
def drawn(synthesizer: Synthesizer) -> Table:
    return sample(synthesizer, 4_000)


def test_the_split_is_made_first_and_recorded(synthesizer: Synthesizer) -> None:
    train, holdout = split(3_000, 0.1, 3)
    assert len(holdout) == 300
    assert sorted([*train, *holdout]) == list(range(3_000))
    found = synthesizer.manifest["split"]
    assert (found["train_rows"], found["holdout_rows"], found["fraction"], found["seed"]) == (2_700, 300, 0.1, 3)
    assert synthesizer.manifest["curve"][-1]["step"] == 150


def test_a_sample_keeps_domain_structure_and_shares(drawn: Table, real: Table) -> None:
    age, wage = drawn.values("age").values, drawn.values("wage")
    assert age.min() >= 0
    assert age.max() <= 90
    assert set(drawn.data.column("land").to_pylist()) == {"x"}
    assert abs((wage.missing >= 0).mean() - (real.values("wage").missing >= 0).mean()) < 0.02
    assert ((wage.missing >= 0) == (age < 16)).mean() > 0.97
    assert drawn.data.column("id").to_pylist()[:2] == ["1", "2"]
    year = drawn.values("born").values / (365.25 * 86_400) + 1970
    assert np.corrcoef(year, age)[0, 1] < -0.97


def test_shards_are_the_rows_of_the_whole(synthesizer: Synthesizer, drawn: Table) -> None:
    again = sample(synthesizer, 4_000)
    assert again.data.equals(drawn.data)
    shard = sample(synthesizer, 500, start=1_000)
    same = np.array(shard.data.to_pylist()) == np.array(drawn.data.slice(1_000, 500).to_pylist())
    assert same.mean() > 0.98  # products of other batch shapes may round another way
    other = sample(synthesizer, 500, seed=99)
    assert not other.data.equals(drawn.data.slice(0, 500))


def test_batches_are_bounded_and_cover_all_rows(synthesizer: Synthesizer) -> None:
    sizes = [b.num_rows for b in sample_batches(synthesizer, 10_000, start=5_000)]
    assert sum(sizes) == 10_000
    assert max(sizes) <= 8_192


CONDITIONS = [
    ["age>=65", "sex=F"],
    ["sex!=F", "20<=age<23", "wage>=50000"],
    ["wage is missing"],
    ["wage is not missing", "born>=2000-01-01"],
    ["age in (3, 4, 50)"],
    ["age!=30", "wage<12345"],
]


@pytest.mark.parametrize("where", CONDITIONS)
def test_all_rows_meet_the_conditions(synthesizer: Synthesizer, where: list[str]) -> None:
    table = sample(synthesizer, 700, where=where)
    assert len(table) == 700
    for condition in parse_conditions(where, synthesizer.schema):
        assert condition.matches(table).all()


def test_conditions_leave_the_distribution_unbiased(synthesizer: Synthesizer) -> None:
    """Cells drawn under conditions, against those of a free sample in the same order of slots that meet them."""
    encoding = synthesizer.encoding
    where = parse_conditions(["wage>=40000", "age>=30", "born<1980-06-15"], synthesizer.schema)
    shares = torch.from_numpy(synthesizer.frequencies)
    pins = make_pins(encoding, restrictions_by_column(encoding, where), shares, synthesizer.order)
    head = list(pins.first)
    order = [*head, *(s for s in synthesizer.order if s not in head)]
    free = Sampler(synthesizer.model, encoding.layout, order)
    cells = np.concatenate([free.block(b, 0, BLOCK, 1, 0)[0] for b in range(6)])
    keep = np.ones(len(cells))
    for pin in pins.by_slot.values():
        keep *= 1.0 if pin.mass.shape[1] > 1 and pin.partner > pin.slot else _share(pin, cells)
    kept = cells[np.random.default_rng(0).random(len(cells)) < keep]
    bound = Sampler(synthesizer.model, encoding.layout, order).block(0, 0, BLOCK, 2, 0, pins)[0]
    assert 500 < len(kept) < 40_000
    for slot, size in enumerate(encoding.layout.sizes):
        a, b = (np.bincount(c[:, slot], minlength=size) / len(c) for c in (kept, bound))
        assert np.abs(a - b).sum() / 2 < 0.02 + 0.4 * np.sqrt(size / len(kept))


def _share(pin: Pin, cells: np.ndarray) -> np.ndarray:
    """Share of the values of each row's cell that meets the pin's condition."""
    mass = pin.mass.numpy()
    return mass[cells[:, pin.slot], 0] if pin.partner < 0 else mass[cells[:, pin.partner], cells[:, pin.slot]]


def test_a_condition_that_no_row_can_meet_is_refused(synthesizer: Synthesizer) -> None:
    for where in (["land='never seen'"], ["age>=91"], ["nothing=1"], ["id=4"]):
        with pytest.raises(InvalidCondition):
            sample(synthesizer, 10, where=where)
    with pytest.raises(InvalidCondition):
        sample(synthesizer, 10, where=[Condition("land", values=("never seen",), missing=False)])


def test_saving_and_loading_change_nothing(synthesizer: Synthesizer, drawn: Table, tmp_path: Path) -> None:
    synthesizer.save(tmp_path)
    again = Synthesizer.load(tmp_path)
    assert sample(again, 300).data.equals(sample(synthesizer, 300).data)
    assert again.manifest == synthesizer.manifest
    with pytest.raises(InvalidArtifact):
        Synthesizer.load(tmp_path / "absent")


def test_absurd_requests_are_refused(synthesizer: Synthesizer) -> None:
    for rows, start in ((-1, 0), (10**12, 0), (5, -1)):
        with pytest.raises(InvalidInput):
            sample_batches(synthesizer, rows, start=start)
    assert len(sample(synthesizer, 0)) == 0
    with pytest.raises(InvalidData):
        fit(people(5), options=OPTIONS)


class StopAfter(Silent):
    """Cancels the work after so many checkpoints or checks."""

    def __init__(self, checks: int) -> None:
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stop")


def test_training_that_was_interrupted_ends_in_the_same_weights(
    real: Table, synthesizer: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.gan.trainer.CHECKPOINT_EVERY", 0.0)
    with pytest.raises(Cancelled):
        fit(real, options=OPTIONS, progress=StopAfter(100), checkpoint=tmp_path)
    assert (tmp_path / "manifest.json").exists()
    resumed = fit(real, options=OPTIONS, checkpoint=tmp_path)
    for name, weight in synthesizer.model.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), resumed.model.state_dict()[name].numpy())
    assert [p["step"] for p in resumed.manifest["curve"]] == [p["step"] for p in synthesizer.manifest["curve"]]


class Listener(Silent):
    """Keeps the figures of every update."""

    def __init__(self) -> None:
        self.heard: list[dict[str, float]] = []

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.heard.append(values)


def test_progress_tells_the_losses(real: Table) -> None:
    heard = Listener()
    made = fit(real, options=FitOptions(**{**OPTIONS.to_json(), "steps": 110}), progress=heard)
    told = [values for values in heard.heard if "loss" in values]
    assert [values["step"] for values in told] == list(range(10, 111, 10))
    assert "validation" not in told[0]
    curve = {p["step"]: p["validation"] for p in made.manifest["curve"]}
    assert (told[-2]["validation"], told[-1]["validation"]) == (curve[100], curve[110])


def test_a_checkpoint_of_other_options_is_not_resumed(real: Table, tmp_path: Path) -> None:
    few = FitOptions(**{**OPTIONS.to_json(), "steps": 3})
    fit(real, options=few, checkpoint=tmp_path)
    other = fit(real, options=FitOptions(**{**few.to_json(), "seed": 4}), checkpoint=tmp_path)
    fresh = fit(real, options=FitOptions(**{**few.to_json(), "seed": 4}))
    assert all((other.model.state_dict()[k] == v).all() for k, v in fresh.model.state_dict().items())


def test_a_checkpoint_of_another_network_is_not_resumed(
    real: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade in mid-training: training starts again instead of failing."""
    few = FitOptions(**{**OPTIONS.to_json(), "steps": 3})
    with monkeypatch.context() as before:
        before.setattr("models.gan.smooth._hats", lambda count: np.ones((count, 1)))
        fit(real, options=few, checkpoint=tmp_path)
    upgraded, fresh = fit(real, options=few, checkpoint=tmp_path), fit(real, options=few)
    assert all((upgraded.model.state_dict()[k] == v).all() for k, v in fresh.model.state_dict().items())


def test_a_checkpoint_of_another_optimizer_is_not_resumed(real: Table, tmp_path: Path) -> None:
    """As before all parameters were one tensor: moments of other shapes would not load."""
    few = FitOptions(**{**OPTIONS.to_json(), "steps": 3})
    fresh = fit(real, options=few, checkpoint=tmp_path)
    parts, tensors = read_bundle(tmp_path, "checkpoint")
    short = {k: v[:-1] if k.startswith("optimizer.exp") else v for k, v in tensors.items()}
    for kept in (short, {k: v for k, v in tensors.items() if not k.startswith("optimizer.")}):
        write_bundle(tmp_path, "checkpoint", {**parts, "step": 2, "done": False}, kept)
        again = fit(real, options=few, checkpoint=tmp_path)
        assert all((again.model.state_dict()[k] == v).all() for k, v in fresh.model.state_dict().items())


def test_max_time_bounds_training(real: Table) -> None:
    short = fit(real, options=FitOptions(**{**OPTIONS.to_json(), "steps": 100_000, "max_time": 0.5}))
    assert short.manifest["steps"] < 2_000
    assert short.manifest["seconds"] < 5
    assert short.manifest["ended"] == "max_time"


def test_the_manifest_says_that_training_came_to_its_end(synthesizer: Synthesizer) -> None:
    assert synthesizer.manifest["ended"] == "steps"


@pytest.mark.parametrize("rows", [25, 120])
def test_tiny_tables_work(rows: int) -> None:
    made = fit(people(rows), options=FitOptions(threads=1, steps=30))
    assert len(sample(made, 50)) == 50


def test_a_frame_of_pandas_is_enough() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"group": rng.choice(["a", "b"], 400), "x": rng.normal(size=400).round(3), "same": 1})
    table = sample(fit(frame, options=FitOptions(threads=1, steps=40)), 60)
    assert table.schema.names == ["group", "x", "same"]
    assert set(table.data.column("same").to_pylist()) == {"1"}
    assert set(table.data.column("group").to_pylist()) <= {"a", "b"}


def test_a_table_of_constants_works() -> None:
    schema = Schema((Column("a", Kind.CATEGORICAL, categories=("x",)), Column("b", Kind.INTEGER)))
    table = Table(schema, pa.table({"a": ["x"] * 40, "b": ["7"] * 40}))
    assert sample(fit(table), 3).data.to_pylist() == [{"a": "x", "b": "7"}] * 3
