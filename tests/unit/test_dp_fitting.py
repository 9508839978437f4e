"""A private fit: who is set aside, what is said and paid for when, what is kept, and what is refused before a row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.accounting import compose, epsilon, gaussian, pure, sampled_gaussian
from models.dp import fitting, release
from models.dp.fitting import fit_private
from models.dp.holdout import private_split, units_of
from models.dp.one_pass import OnePass
from models.errors import Cancelled, InvalidInput, InvalidPrivacy
from models.options import FitOptions
from models.privacy.options import PrivacyOptions, Shares
from models.privacy.plan import plan
from models.progress import SILENT, Silent
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample, split
from models.table import Table

SCHEMA = Schema(
    (
        Column("home", Kind.IDENTIFIER),
        Column("sex", Kind.CATEGORICAL, categories=("f", "m"), public=True),
        Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True, evidence={"distinct": 77}),
        Column("income", Kind.CATEGORICAL, categories=("low", "high"), public=True),
    )
)
OPTIONS = FitOptions(target="income", threads=1)
PRIVACY = PrivacyOptions(1.0, 1e-6)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = fitting.fit
    plan_ = fitting.MarginalOptions(1, 1e-6).plan.__class__(latent=50, steps=40)
    monkeypatch.setattr(fitting, "fit", lambda found, _, seed, progress: inner(found, plan_, seed, progress))


def table(rows: int = 2_000, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, rows)
    income = np.where(rng.random(rows) < 0.1 + 0.5 * (age > 40), "high", "low")
    home = [f"h{n}" for n in rng.integers(0, max(1, rows // 3), rows)]
    data = {"home": home, "sex": rng.choice(["f", "m"], rows), "age": age.astype(str), "income": income}
    return Table(SCHEMA, pa.table({k: pa.array([str(x) for x in v]) for k, v in data.items()}))


def model_of(synthesizer: Synthesizer) -> OnePass:
    assert isinstance(synthesizer.model, OnePass)
    return synthesizer.model


class Heard(Silent):
    """Everything that is said, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []

    def step(self, name: str) -> None:
        self.said.append(("step", name))

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.said.append(("update", (message, values)))

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self.said.append(("checkpoint", meta))

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self.said.append((type, dict(data)))


def parts(found: Table, unit: str | None, seed: int = 3) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    rows = [tuple(r.values()) for r in found.data.to_pylist()]
    return tuple(sorted(rows[i] for i in part) for part in private_split(found, 0.3, seed, unit))  # type: ignore[return-value]


def less(whole: list[Any], part: list[Any]) -> list[Any]:
    left = list(whole)
    for row in part:
        left.remove(row)
    return left


@pytest.mark.parametrize("unit", [None, "home"])
def test_one_unit_more_changes_one_part_by_this_unit_alone(unit: str | None) -> None:
    whole = table(300)
    data = pa.concat_tables([whole.data, whole.data.slice(0, 40), whole.data.slice(0, 40)])  # with equal rows
    whole = Table(SCHEMA, data.take(pa.array(np.random.default_rng(1).permutation(len(data)))))
    names = whole.column("home").to_pylist()
    before = parts(whole, unit)
    for gone in range(0, 60, 3):
        mine = np.array([n == names[gone] for n in names]) if unit else np.arange(len(whole)) == gone
        rest = Table(SCHEMA, whole.data.filter(pa.array(~mine)))
        after = parts(rest, unit)
        lost = [less(a, b) for a, b in zip(before, after, strict=True)]
        assert sorted(map(len, lost)) == [0, int(mine.sum())]
    # The split of fits without privacy is not like that: one row fewer and most others change sides.
    numbers = [set(split(n, 0.3, 3)[0].tolist()) for n in (len(whole), len(whole) - 1)]
    assert len(numbers[0] ^ numbers[1]) > 20


def test_a_holdout_has_about_its_share_whatever_the_order() -> None:
    whole = table(4_000)
    train, held = private_split(whole, 0.3, 1)
    assert sorted([*train, *held]) == list(range(4_000))
    assert abs(len(held) - 1_200) < 4 * np.sqrt(4_000 * 0.21)
    shuffled = Table(SCHEMA, whole.data.take(pa.array(np.random.default_rng(0).permutation(4_000))))
    assert parts(whole, None) == parts(shuffled, None)
    assert parts(whole, None, seed=4) != parts(whole, None)
    _, held = private_split(whole, 0.3, 1, "home")
    homes = np.array(whole.column("home").to_pylist())
    assert not set(homes[held]) & set(np.delete(homes, held))
    assert len(private_split(whole, 0.0, 1)[1]) == 0
    equal = Table(SCHEMA, pa.concat_tables([whole.data.slice(0, 1)] * 1_000))
    assert 200 < len(private_split(equal, 0.3, 1)[1]) < 400


def test_units_are_values_blank_ones_too() -> None:
    data = pa.table({"home": pa.array(["a", None, "b", "", "a"])})
    units = units_of(Table(Schema((Column("home", Kind.IDENTIFIER),)), data), "home")
    assert units is not None
    assert units[0] == units[4] != units[2]
    assert units[1] == units[3]
    assert len(set(units)) == 3


def test_what_is_said_and_when() -> None:
    heard = Heard()
    synthesizer = fit(table(), options=OPTIONS, privacy=PRIVACY, progress=heard)
    told = [(what, data) for what, data in heard.said if what != "update"]
    fit_account = {"accounts": ["fit"]}
    order = [("step", "encode"), ("touched", fit_account), ("step", "train"), ("noise", fit_account)]
    assert told == order
    # How the fit goes depends on the noise: no figure, no word.
    assert all(data == ("", {}) for what, data in heard.said if what == "update" for data in [data])
    assert model_of(synthesizer).release.events == plan(PRIVACY, SCHEMA)["fit"]
    assert epsilon(compose(*plan(PRIVACY, SCHEMA).values()), 1e-6) <= 1.0


def test_the_release_counts_the_training_part_and_no_other() -> None:
    whole = table(3_000)
    generous = PrivacyOptions(1e5, 1e-6)
    rows = len(private_split(whole, 0.1, OPTIONS.seed)[0])
    counted = model_of(fit(whole, options=OPTIONS, privacy=generous))
    assert abs(counted.rows - rows) < 10
    every = FitOptions(target="income", holdout=0.0)
    assert abs(model_of(fit(whole, options=every, privacy=generous)).rows - 3_000) < 10
    declared = fit(whole, options=every, privacy=PrivacyOptions(1.0, 1e-6, rows=2_999))
    assert model_of(declared).rows == 2_999
    assert "the number of rows: 2999" in declared.manifest["privacy"]["assumed_public"]


def test_units_have_as_many_rows_as_they_may() -> None:
    whole = table(3_000)
    homes = np.unique(np.array(whole.column("home").to_pylist()), return_counts=True)[1]
    who = PrivacyOptions(1e5, 1e-6, unit="home", rows_per_unit=2)
    model = model_of(fit(whole, options=FitOptions(holdout=0.0), privacy=who))
    assert abs(model.rows - np.minimum(homes, 2).sum()) < 10
    everything: dict[str, Any] = {"options": {"selection": False}}
    rows, homes_of_two = (
        PrivacyOptions(1.0, 1e-6, **everything),
        PrivacyOptions(1.0, 1e-6, unit="home", rows_per_unit=2, **everything),
    )
    one, two = (
        model_of(fit(whole, options=FitOptions(holdout=0.0), privacy=asked)).release for asked in (rows, homes_of_two)
    )
    assert np.allclose(np.array(two.sd) / np.array(one.sd), 2, rtol=0.03)


def test_a_seed_reaches_no_noise() -> None:
    whole = table()
    one, two = (model_of(fit(whole, options=OPTIONS, privacy=PRIVACY)).release for _ in range(2))
    assert any((a != b).any() for a, b in zip(one.counts, two.counts, strict=True))


def test_a_fit_that_resumes_draws_no_second_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()

    def stopped(*_: object) -> None:
        raise Cancelled("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", stopped)
        with pytest.raises(Cancelled):
            fit(table(), options=OPTIONS, privacy=PRIVACY, progress=heard, checkpoint=tmp_path)
    # It is kept at once: what is said afterwards may depend on it.
    assert heard.said[-1] == ("checkpoint", {"now": True})

    def no_noise(*_: object) -> bytes:
        raise AssertionError("a second release")

    monkeypatch.setattr(release, "discrete_gaussian", no_noise)
    monkeypatch.setattr(release, "_count", no_noise)
    again = Heard()
    synthesizer = fit(table(), options=OPTIONS, privacy=PRIVACY, progress=again, checkpoint=tmp_path)
    assert [what for what, _ in again.said if what not in ("update", "step")] == []
    same = fit(table(), options=OPTIONS, privacy=PRIVACY, checkpoint=tmp_path)
    for a, b in zip(model_of(synthesizer).release.counts, model_of(same).release.counts, strict=True):
        assert (a == b).all()
    # Of other options it is nothing.
    with pytest.raises(AssertionError, match="second release"):
        fit(table(), options=OPTIONS, privacy=PrivacyOptions(0.9, 1e-6), checkpoint=tmp_path)


HIDDEN = Schema(tuple(Column(c.name, c.kind) if c.name in ("sex", "age") else c for c in SCHEMA.columns))
SHARED = PrivacyOptions(8.0, 1e-6, shares=Shares(0.4, 0.6, 0))


def test_a_domain_that_is_paid_for_is_found_first_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, whole = Heard(), Table(HIDDEN, table(3_000).data)

    def stopped(*_: object, **__: object) -> None:
        raise Cancelled("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "released", stopped)
        with pytest.raises(Cancelled):
            fit(whole, options=OPTIONS, privacy=SHARED, progress=heard, checkpoint=tmp_path)
    domain, fit_ = {"accounts": ["domain"]}, {"accounts": ["fit"]}
    said = [(what, data) for what, data in heard.said if what not in ("update", "step")]
    begun = [("touched", domain), ("noise", domain), ("checkpoint", {"now": True}), ("touched", fit_), ("noise", fit_)]
    assert said == begun

    monkeypatch.setattr(fitting, "discover", stopped)
    again = Heard()
    synthesizer = fit(whole, options=OPTIONS, privacy=SHARED, progress=again, checkpoint=tmp_path)
    said = [(what, data) for what, data in again.said if what not in ("update", "step")]
    assert said == [("touched", fit_), ("noise", fit_), ("checkpoint", {"now": True})]
    assert synthesizer.schema["sex"].categories == ("f", "m")
    drawn = sample(synthesizer, 200).column("sex").to_pylist()
    assert set(drawn) - {""} == {"f", "m"}  # blank is a missing code, whose share is a noisy one
    assert drawn.count("") < 10
    told = synthesizer.manifest["privacy"]
    assert list(told["mechanisms"]) == ["domain", "fit"]
    assert 0.97 * 8 <= told["spent"]["all"] <= 8
    assert told["spent"]["domain"] <= 0.4 * 8


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    fit(table(), options=OPTIONS, privacy=PRIVACY, checkpoint=tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    heard = Heard()
    fit(table(), options=OPTIONS, privacy=PRIVACY, checkpoint=tmp_path, progress=heard)
    assert ("noise", {"accounts": ["fit"]}) in heard.said


def test_the_manifest_says_what_is_public_and_paid_for_and_nothing_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables that have no row in common, with the same noisy counts."""
    drawn = release.release_for(np.zeros((5, 3), int), release.Workload((2, 101, 2), ((0,),), (1.0,)), gaussian(9.0))
    work = fitting.MarginalOptions(1, 1e-6, target=2).workload((2, 100, 2))
    counts = tuple(np.full(work.shape(axes), 10) for axes in work.axes)
    fixed = release.Release(work, counts, (5.0,) * len(counts), None, 1, drawn.events)
    monkeypatch.setattr(fitting, "released", lambda *_, **__: fixed)
    one = fit(table(2_000, seed=1), options=OPTIONS, privacy=PRIVACY)
    two = fit(table(900, seed=2), options=OPTIONS, privacy=PRIVACY)
    assert one.manifest == two.manifest
    assert one.schema == two.schema
    assert not any(column.evidence for column in one.schema.columns)
    assert one.encoding.to_json() == two.encoding.to_json()
    assert list(one.manifest["privacy"])[:6] == ["unit", "neighbours", "epsilon", "delta", "spent", "accountant"]
    assert one.manifest["split"]["fraction"] == 0.1
    assert "train_rows" not in str(one.manifest)


def test_cells_outside_of_the_domain_stop_nothing() -> None:
    whole = table(500).data.to_pylist()
    whole[3] |= {"sex": "x", "age": "250", "income": None}
    whole[4] |= {"age": "no number"}
    odd = Table(SCHEMA, pa.Table.from_pylist(whole))
    assert len(sample(fit(odd, options=OPTIONS, privacy=PRIVACY), 10)) == 10
    for few in (0, 1):
        small = Table(SCHEMA, table(500).data.slice(0, few))
        assert len(sample(fit(small, options=OPTIONS, privacy=PRIVACY), 10)) == 10


class Unread(Table):
    """Whoever asks for a row is told off."""

    @property
    def data(self) -> pa.Table:  # type: ignore[override]
        raise AssertionError("a row was read")

    def __init__(self, schema: Schema) -> None:
        object.__setattr__(self, "schema", schema)

    def __len__(self) -> int:
        raise AssertionError("rows were counted")


@pytest.mark.parametrize(
    ("how", "place"),
    [
        ({"privacy": PrivacyOptions(1.0, 1e-6, unit="house", rows_per_unit=2)}, "unit"),
        ({"privacy": PrivacyOptions(1.0, 1e-6, mechanism="dpsgd"), "history": {"fit": (gaussian(9.0),)}}, "history"),
        ({"history": {"fit": (gaussian(9.0), sampled_gaussian(0.1, 9.0, 5))}}, "history"),
        ({"options": FitOptions(steps=5)}, "steps"),
        ({"options": FitOptions(adversarial="always")}, "adversarial"),
        ({"options": FitOptions(target="house")}, "target"),
        ({"options": FitOptions(target="home")}, "target"),
        ({"history": {}}, "history"),
        ({"history": {"fit": (gaussian(5.0), gaussian(50.0))}}, "history"),
        ({"history": {"fit": (gaussian(0.5),)}}, "history"),
        ({"history": {"fit": (pure(0.5),)}}, "history"),
        ({"history": {"fit": (gaussian(9.0),), "evaluation": (gaussian(0.5),)}}, "history"),
    ],
)
def test_refused_before_a_row_is_read(how: dict[str, Any], place: str) -> None:
    given: dict[str, Any] = {"options": OPTIONS, "privacy": PRIVACY, "history": None, **how}
    with pytest.raises(InvalidInput) as caught:
        fit_private(Unread(SCHEMA), given["options"], given["privacy"], given["history"], False, SILENT, None)
    assert place in caught.value.errors[0].loc


def test_what_is_too_wide_is_refused_before_anything_is_touched() -> None:
    heard = Heard()
    columns = [Column(f"c{i}", Kind.INTEGER, minimum=0, maximum=9_999, public=True) for i in range(40)]
    wide = PrivacyOptions(1.0, 1e-6, options={"bins": 500})
    with pytest.raises(InvalidPrivacy, match="cells"):
        fit_private(Unread(Schema(tuple(columns))), FitOptions(), wide, None, False, heard, None)
    assert [what for what, _ in heard.said] == ["step"]


def test_a_domain_that_is_neither_public_nor_paid_for_is_refused() -> None:
    hidden = SCHEMA.with_column(Column("sex", Kind.CATEGORICAL, categories=("f", "m")))
    with pytest.raises(InvalidPrivacy, match="sex"):
        fit_private(Unread(hidden), OPTIONS, PRIVACY, None, False, SILENT, None)
