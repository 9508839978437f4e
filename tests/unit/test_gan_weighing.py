"""The discriminator that chooses among drawn rows: its trees, the choice, and what it achieves on toy tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.encoding.encoding import Layout
from models.errors import InvalidArtifact
from models.gan import weighing
from models.gan.discriminator import Features, boosting, discriminator_from, trees_of, verdict
from models.gan.weighing import POOL, choose
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, sample
from models.table import Table

LAYOUT = Layout((4, 3, 40, 6), (-1, -1, -1, 2), (None, None, None, np.full(40, 6)))
QUICK = {"seed": 1, "steps": 90, "hidden": 64, "batch": 256, "threads": 1, "holdout": 0.0}


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
    return verdict(real[:2_000], fake[:2_000], [real[2_000:]], fake[2_000:], 0)[0]


@pytest.fixture(scope="module")
def weighed() -> Synthesizer:
    return fit(toy(5_000, 0), options=FitOptions(**QUICK))


def random_codes(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, rows) for size in Features(LAYOUT).sizes])


def test_features_join_coarse_and_fine_cells_in_order() -> None:
    features = Features(LAYOUT)
    assert features.sizes == [4, 3, 240]
    rows = np.array([[3, 0, 0, 5], [1, 2, 39, 5], [1, 2, 1, 0]])
    np.testing.assert_array_equal(features.of(rows), [[3, 1, 1], [0, 2, 2], [5, 239, 6]])


def test_kept_trees_answer_as_those_that_were_fitted() -> None:
    codes, sizes = random_codes(3_000, 0), Features(LAYOUT).sizes
    y = (codes[2] > 100) ^ (codes[0] == 2) ^ (np.random.default_rng(1).random(3_000) < 0.2)
    model = boosting(3, 25, 0.2, 31, 20).fit(codes.T, y)
    found = trees_of(model, 25, sizes)
    other = random_codes(2_000, 2)
    flat = model.decision_function(other.T) - model._baseline_prediction.item()
    np.testing.assert_allclose(found.on(torch.device("cpu")).log_weight(other).numpy(), flat, atol=1e-4)
    tensors = {f"discriminator.{k}": v for k, v in found.tensors().items()}
    again = discriminator_from(tensors, LAYOUT)
    assert again is not None
    np.testing.assert_allclose(again.on(torch.device("cpu")).log_weight(other).numpy(), flat, atol=1e-4)
    assert discriminator_from({}, LAYOUT) is None


def test_damaged_trees_are_refused(weighed: Synthesizer, tmp_path: Path) -> None:
    assert weighed.discriminator is not None
    for name, wrong in (("feature", 99), ("threshold", -1), ("tree", 10_000), ("left", -5)):
        nodes = np.full_like(getattr(weighed.discriminator, name), wrong)
        folder = tmp_path / name
        replace(weighed, discriminator=replace(weighed.discriminator, **{name: nodes})).save(folder)
        with pytest.raises(InvalidArtifact):
            Synthesizer.load(folder)


def test_rows_are_chosen_as_often_as_they_weigh() -> None:
    rng = np.random.default_rng(0)
    weight = rng.choice([0.25, 0.5, 1.0, 1.5], (400, POOL, 64))
    log = torch.from_numpy(np.log(weight))
    chosen = choose(log, rng.random((400, POOL * 64 + 1)))
    assert len(chosen) == len(set(chosen.tolist())) == 400 * 64
    assert (np.bincount(chosen // (POOL * 64)) == 64).all()
    shares = [np.mean(weight.reshape(-1)[chosen] == w) / np.mean(weight == w) for w in (0.25, 0.5, 1.0, 1.5)]
    np.testing.assert_allclose(np.array(shares) / shares[2], [0.25, 0.5, 1.0, 1.5], rtol=0.06)


def test_rows_that_weigh_alike_are_those_of_the_first_pool() -> None:
    chosen = choose(torch.zeros(3, POOL, 64), np.random.default_rng(0).random((3, POOL * 64 + 1)))
    np.testing.assert_array_equal(np.sort(chosen).reshape(3, 64) - np.arange(64), [[0] * 64, [128] * 64, [256] * 64])


def test_it_lowers_a_held_out_verdict(weighed: Synthesizer) -> None:
    plain = replace(weighed, discriminator=None)
    facts = weighed.manifest["adversarial"]
    assert facts["kept"]
    assert facts["auc_after"] < facts["auc_before"] - 0.05
    assert facts["learnt_after"] < facts["learnt_before"] - 0.05
    assert held_out_auc(weighed) < held_out_auc(plain) - 0.05
    # Single columns keep the training shares, as they do without it.
    real, drawn = (cells(t) for t in (toy(5_000, 0), sample(weighed, 5_000)))
    for a, b in zip(real.T, drawn.T, strict=True):
        assert np.abs(np.bincount(a, minlength=6) - np.bincount(b, minlength=6)).max() < 0.02 * 5_000


def test_rows_are_the_same_whichever_part_of_a_sample_is_drawn(weighed: Synthesizer, tmp_path: Path) -> None:
    whole = sample(weighed, 9_000, seed=4).data
    weighed.save(tmp_path)
    part = sample(Synthesizer.load(tmp_path), 1_000, seed=4, start=7_900).data
    assert whole.slice(7_900, 1_000).combine_chunks().equals(part.combine_chunks())


def test_rows_under_conditions_are_weighed_too(weighed: Synthesizer) -> None:
    """c1 follows c0 in 86% of the rows, and c5 follows from c0 less often than the young generator knows."""
    real = cells(toy(60_000, 9))
    real = real[real[:, 3] == 2]
    goal = np.bincount(real[:, 4] * 6 + real[:, 5], minlength=36) / len(real)
    off = []
    for made in (weighed, replace(weighed, discriminator=None)):
        drawn = cells(sample(made, 6_000, where=["c3=c"]))
        assert (drawn[:, 3] == 2).all()
        off.append(np.abs(np.bincount(drawn[:, 4] * 6 + drawn[:, 5], minlength=36) / len(drawn) - goal).sum() / 2)
    assert off[0] < 0.8 * off[1]


def test_it_is_left_out_where_there_is_nothing_to_tell() -> None:
    """On independent columns there is nothing left to learn, so an improvement can only be luck."""
    rng = np.random.default_rng(0)
    labels = ("a", "b", "c")
    schema = Schema(tuple(Column(f"c{i}", Kind.CATEGORICAL, categories=labels) for i in range(3)))
    data = {f"c{i}": rng.choice(labels, 4_500).tolist() for i in range(3)}
    made = fit(Table(schema, pa.table(data)), options=FitOptions(**{**QUICK, "steps": 200}))
    facts = made.manifest["adversarial"]
    assert made.discriminator is None
    assert not facts["played"]
    assert facts["learnt_before"] < 0.515


def test_it_is_left_out_where_it_only_learnt_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told from training rows less well, from unseen ones better."""
    seen = iter([[0.6, 0.55], [0.52, 0.6]])
    monkeypatch.setattr(weighing, "_verdict", lambda *a: next(seen))
    made = fit(toy(5_000, 0), options=FitOptions(**QUICK))
    facts = made.manifest["adversarial"]
    assert (facts["played"], facts["kept"], made.discriminator) == (True, False, None)
    assert "unseen rows" in facts["reason"]


def test_it_is_not_begun_after_the_time_is_over() -> None:
    made = fit(toy(5_000, 0), options=FitOptions(**QUICK, max_time=0.001))
    assert made.discriminator is None
    assert made.manifest["adversarial"]["reason"] == "the training time was over"
