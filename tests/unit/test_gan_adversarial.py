"""The adversarial phase on a toy table whose likelihood training is cut short."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.gan.adversarial import Game
from models.gan.discriminator import Discriminator, teach, verdict
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample
from models.table import Table


def toy(rows: int, seed: int) -> Table:
    """Six columns that hang together: a ring of equal or shifted labels."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 6, rows)
    columns = [first]
    for _ in range(5):
        columns.append(np.where(rng.random(rows) < 0.85, (columns[-1] + 1) % 6, rng.integers(0, 6, rows)))
    labels = tuple("abcdef")
    schema = Schema(tuple(Column(f"c{i}", Kind.CATEGORICAL, categories=labels) for i in range(6)))
    return Table(schema, pa.table({f"c{i}": np.array(labels)[c].tolist() for i, c in enumerate(columns)}))


def cells(table: Table) -> np.ndarray:
    return np.stack([table.values(n).values for n in table.schema.names], 1)


def held_out_auc(made: Synthesizer) -> float:
    """Against real rows that neither the generator nor its own verdict has seen."""
    fake = cells(sample(made, 4_000, seed=5))
    real = cells(toy(4_000, 77))
    return verdict(real[:2_000], fake[:2_000], real[2_000:], fake[2_000:], 0)


def test_it_lowers_the_held_out_discriminators_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the anchor of likelihood, so that all of the fall is the discriminator's doing."""
    monkeypatch.setattr("models.gan.fitting.Game", partial(Game, anchor=0.0))
    options = {"seed": 1, "steps": 30, "hidden": 64, "batch": 256, "threads": 1, "holdout": 0.0}
    real = toy(4_000, 0)
    before = fit(real, options=FitOptions(**options, adversarial="never"))
    after = fit(real, options=FitOptions(**options, adversarial="always"))
    facts = after.manifest["adversarial"]
    assert facts["played"]
    assert facts["kept"]
    assert facts["auc_after"] < facts["auc_before"] - 0.02
    assert held_out_auc(after) < held_out_auc(before) - 0.02
    assert len(facts["curve"]) >= 4


def test_weights_from_before_are_kept_where_it_does_not_help() -> None:
    """On independent columns there is nothing left to learn, so an improvement can only be luck."""
    rng = np.random.default_rng(0)
    labels = ("a", "b", "c")
    schema = Schema(tuple(Column(f"c{i}", Kind.CATEGORICAL, categories=labels) for i in range(3)))
    data = {f"c{i}": rng.choice(labels, 2_500).tolist() for i in range(3)}
    options = {"seed": 1, "steps": 200, "hidden": 32, "batch": 256, "threads": 1}
    made = fit(Table(schema, pa.table(data)), options=FitOptions(**options, adversarial="auto"))
    facts = made.manifest["adversarial"]
    plain = fit(Table(schema, pa.table(data)), options=FitOptions(**options, adversarial="never"))
    assert not facts["played"]
    assert facts["auc_before"] < 0.53
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, made.model.state_dict()[name])


def test_no_round_begins_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.gan.adversarial.time", SimpleNamespace(monotonic=lambda: math.inf))
    options = {"seed": 1, "steps": 20, "hidden": 32, "batch": 256, "threads": 1, "holdout": 0.0}
    cut = fit(toy(2_500, 0), options=FitOptions(**options, adversarial="always", max_time=600.0))
    facts = cut.manifest["adversarial"]
    assert facts["cut"] == "the training time was over"
    assert facts["curve"] == []
    assert not facts["kept"]
    plain = fit(toy(2_500, 0), options=FitOptions(**options, adversarial="never"))
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, cut.model.state_dict()[name])


def test_the_discriminator_learns_a_dependence_that_no_single_column_shows() -> None:
    rng = torch.Generator().manual_seed(0)
    a = torch.randint(2, (4_000,), generator=rng)
    real = torch.stack([a, a + 2], 1)
    fake = torch.stack([a, torch.randint(2, (4_000,), generator=rng) + 2], 1)
    discriminator = Discriminator(4, 32)
    discriminator.initialise(torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(discriminator.parameters(), 3e-3)
    loss = teach(discriminator, optimizer, real, fake, steps=100, batch=128, noise=rng)
    assert loss < 0.55
    assert discriminator(torch.tensor([[0, 2]])) > 0 > discriminator(torch.tensor([[0, 3]]))
