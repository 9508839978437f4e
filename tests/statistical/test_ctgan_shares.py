"""A category of one row in a hundred keeps its share in samples of CTGAN, because training meets it as often as it is.

Drawing conditions by the logarithm of their frequency in training, as the `ctgan` package does, biases what goes with
a rare category: the same training with that draw shows it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from models.ctgan import trainer as training
from models.ctgan.trainer import Trainer
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.synthesize import fit, sample
from models.table import Table

ROWS = 6_000
SHARE = 0.01
OPTIONS = FitOptions(
    model="ctgan", seed=2, epochs=20, batch=200, hidden=48, noise=16, threads=1, holdout=0.0, learning_rate=1e-3
)


def table() -> Table:
    """`rare` is yes in 1% of the rows; `side` leans on it, `group` does not."""
    rng = np.random.default_rng(0)
    rare = np.arange(ROWS) % round(1 / SHARE) == 0
    side = np.where(rng.random(ROWS) < np.where(rare, 0.9, 0.3), "left", "right")
    group = rng.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1])
    columns = (
        Column("rare", Kind.CATEGORICAL, categories=("yes", "no")),
        Column("side", Kind.CATEGORICAL, categories=("left", "right")),
        Column("group", Kind.CATEGORICAL, categories=("a", "b", "c")),
    )
    return Table(Schema(columns), pa.table({"rare": np.where(rare, "yes", "no"), "side": side, "group": group}))


def shares(drawn: Table) -> dict[str, float]:
    return {name: float((drawn.values(name).values == 0).mean()) for name in drawn.schema.names}


def by_log_frequency(self: Trainer, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Trainer.batch with the package's draw: a column evenly, its category by the log of its frequency, a row of it."""
    rows = self.plan.batch
    at = torch.empty(rows, dtype=torch.int64)
    which = torch.randint(len(self.named), (rows,), generator=self.noise)
    for k, t in enumerate(self.named.tolist()):
        cells = self.cells[:, t].long()
        counts = torch.bincount(cells).double()
        mine = torch.nonzero(which == k)[:, 0]
        chance = ((counts + 1).log() / counts)[cells].float()
        at[mine] = torch.multinomial(chance, len(mine), replacement=True, generator=self.noise)
    cells = self.cells[at].long()
    cell = cells.gather(1, self.named[which, None])[:, 0]
    out = torch.empty(3 * rows, self.generator.spans.width, dtype=self.critic.compute)
    self.generator.spans.one_hot(cells, self.scalars[at], self.starts, out[:rows])
    return out, self.condition_starts[which] + cell, which, cell


def mean_share(real: Table, name: str) -> float:
    """Of the first category, over two trainings."""
    made = [fit(real, options=replace(OPTIONS, seed=seed)) for seed in (2, 5)]
    return float(np.mean([shares(sample(m, 20_000))[name] for m in made]))


def test_a_rare_category_keeps_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    real = table()
    want = shares(real)
    settled = shares(sample(fit(real, options=OPTIONS), 20_000))
    assert settled["rare"] == pytest.approx(SHARE, abs=0.0025)
    for name in ("side", "group"):
        assert settled[name] == pytest.approx(want[name], abs=0.015)
    # What training alone does, before shares are set right.
    monkeypatch.setattr(training, "settle", lambda *_: None)
    plain = mean_share(real, "side")
    monkeypatch.setattr(Trainer, "batch", by_log_frequency)
    biased = mean_share(real, "side")
    assert abs(plain - want["side"]) < 0.05
    assert biased - want["side"] > 0.05, (plain, biased)
