"""A private fit by steps of DP-SGD, from the table to a stored synthesizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.accounting import compose, epsilon
from models.ctgan.model import Ctgan
from models.dp import refine as refining
from models.dp import stepping
from models.dp.ctgan import CtganSgdOptions
from models.dp.one_pass import FitPlan
from models.dp.raking import POOL, RakedSampler
from models.dp.refine import RefineOptions
from models.gan.network import Generator
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.privacy.plan import plan
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample, sampler_of
from models.table import Table

SCHEMA = Schema(
    (
        Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True),
        Column("income", Kind.CATEGORICAL, categories=("low", "high"), public=True),
        Column("home", Kind.TEXT),
    )
)
STEPS = {"steps": 3, "rate": 0.5, "bins": 4}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "FitPlan", lambda: FitPlan(latent=20, steps=20))
    small = RefineOptions(hidden=16, depth=1, free_rows=256, free_steps=10)
    monkeypatch.setattr(stepping, "RefineOptions", lambda: small)
    monkeypatch.setattr(stepping, "CtganSgdOptions", lambda clip: CtganSgdOptions(8, 1, 8, 20, clip))


def table() -> Table:
    rng = np.random.default_rng(0)
    age = rng.integers(0, 100, 200)
    columns = {"age": age.astype(str), "income": np.where(age > 50, "high", "low"), "home": rng.choice(["x", "y"], 200)}
    return Table(SCHEMA, pa.table({name: pa.array(values.tolist()) for name, values in columns.items()}))


def private(mechanism: str) -> PrivacyOptions:
    return PrivacyOptions(2.0, 1e-6, mechanism=mechanism, rows=200, options=STEPS)


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[Any] = []

    def event(self, type: str, data: Any) -> None:
        self.said.append((type, data["accounts"]))

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self.said.append(("checkpoint", meta.get("step", "tables")))


@pytest.mark.parametrize(("mechanism", "model"), [("hybrid", "masked"), ("dpsgd", "masked"), ("dpsgd", "ctgan")])
def test_a_fit_by_steps_is_paid_for_said_stored_and_drawn_from(mechanism: str, model: str, tmp_path: Path) -> None:
    target = None if model == "ctgan" else "income"
    heard, options, privacy = Heard(), FitOptions(model=model, target=target, holdout=0.0), private(mechanism)
    made = fit(table(), options=options, privacy=privacy, progress=heard, checkpoint=tmp_path / "c")
    assert isinstance(made.model, Ctgan if model == "ctgan" else Generator)
    assert heard.said[:3] == [("touched", ["fit"]), ("noise", ["fit"]), ("checkpoint", "tables")]
    assert heard.said[-1] == ("checkpoint", STEPS["steps"])
    history = plan(privacy, SCHEMA)
    assert 1.99 < epsilon(compose(*history.values()), 1e-6) <= 2
    assert made.manifest["privacy"]["mechanisms"]["fit"][1]["mechanism"] == "sampled_gaussian"
    assert "floating point" in made.manifest["privacy"]["noise"]
    made.save(tmp_path / "s")
    kept = Synthesizer.load(tmp_path / "s")
    if mechanism == "hybrid":
        assert isinstance(sampler_of(kept), RakedSampler)
        assert made.manifest["raked"]["candidates"] == POOL
        assert sample(kept, 20, seed=3, where=["income=high"]).column("income").to_pylist() == ["high"] * 20
    drawn = sample(kept, 50, seed=1)
    assert drawn.data.equals(sample(made, 80, seed=1).data[:50])
    assert len(drawn) == 50
    assert set(drawn.column("income").to_pylist()) <= {"low", "high"}


def test_a_fit_that_goes_on_releases_no_tables_again_and_takes_no_step_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"options": FitOptions(holdout=0.0), "privacy": private("hybrid"), "checkpoint": tmp_path}
    fit(table(), **how)
    monkeypatch.setattr("models.dp.fitting.released", lambda *_, **__: pytest.fail("tables were released again"))
    monkeypatch.setattr(refining.Steps, "gradient", lambda *_: pytest.fail("a step was taken again"))
    heard = Heard()
    fit(table(), **how, progress=heard)
    assert heard.said == [("touched", ["fit"])]
