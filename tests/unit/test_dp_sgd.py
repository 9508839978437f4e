"""A step of DP-SGD: its sample, its noise, its scale; how it stops and goes on."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from models.accounting import History, gaussian
from models.artifacts import MANIFEST
from models.dp import refine as module
from models.dp.one_pass import FitPlan, OnePass, fit
from models.dp.pairs import choose
from models.dp.refine import RefineOptions, columns_alone, grouped, refine
from models.dp.release import Release, release
from models.dp.sgd import Exhausted, Steps
from models.dp.stream import Stream
from models.encoding.encoding import Layout
from models.errors import InvalidArtifact, InvalidInput
from models.gan.fitting import Fitted
from models.gan.sampler import Sampler
from models.privacy.sgd import SgdPlan
from models.progress import Silent

SIZES = (3, 8, 2)
LAYOUT = Layout(SIZES, (-1, -1, -1), (None, None, None), (0, 0, 0), (0, 8, 0))
SMALL = RefineOptions(hidden=16, depth=1, free_rows=512, free_steps=30, masks=2, pull=0.3)
PLAN = SgdPlan(0.5, 4, 1.0, 2.0)


def table(rows: int = 600) -> np.ndarray[Any, Any]:
    """The third column tells whether the second is in its upper half."""
    rng = np.random.default_rng(0)
    second = rng.integers(0, 8, rows)
    return np.stack([rng.integers(0, 3, rows), second, second // 4], 1)


def nothing(at: Any, secret: int) -> torch.Tensor:
    return torch.zeros(50_000)


def test_noise_has_sigma_times_clip_and_is_scaled_by_the_expected_batch() -> None:
    plan = SgdPlan(0.25, 2, 0.3, 7.0)
    drawn = Steps(plan, 100, 400).gradient(50_000, nothing)
    scaled = drawn.numpy().astype(float) * (0.25 * 400) / (7.0 * 0.3)
    assert kstest(scaled, "norm").pvalue > 1e-4
    assert scaled.std() == pytest.approx(1, rel=0.02)


def test_the_scale_is_that_of_the_expected_sample_not_of_the_drawn_one() -> None:
    """The sum of ones is the sample's size: it varies, and what it is divided by does not."""
    plan = SgdPlan(0.5, 200, 1.0, 1e-3)
    steps = Steps(plan, 100, 100)
    sizes = [float(steps.gradient(1, lambda at, _: torch.full((1,), float(len(at))))) * 50 for _ in range(200)]
    assert np.mean(sizes) == pytest.approx(50, abs=2)
    assert np.std(sizes) == pytest.approx(5, rel=0.25)  # a fixed batch would have none


def test_an_empty_sample_is_noise_alone_and_costs_a_step() -> None:
    steps = Steps(SgdPlan(1e-6, 1, 1.0, 1.0), 3, 1_000_000)
    drawn = steps.gradient(1_000, lambda at, _: pytest.fail("nobody is in the sample"))
    assert drawn.std() == pytest.approx(1, rel=0.1)
    assert steps.left == 0


def test_pieces_are_small_and_make_the_whole_sample_once() -> None:
    seen: list[int] = []

    def summed(at: Any, secret: int) -> torch.Tensor:
        assert len(at) <= 7
        seen.extend(at.tolist())
        return torch.zeros(2)

    Steps(SgdPlan(1.0, 1, 1.0, 1.0), 60, 60).gradient(2, summed, piece=7)
    assert seen == list(range(60))


def test_no_more_steps_than_are_paid_for() -> None:
    steps = Steps(PLAN, 10, 10, done=3)
    steps.gradient(5, lambda at, _: torch.zeros(5))
    with pytest.raises(Exhausted):
        steps.gradient(5, lambda at, _: torch.zeros(5))


def test_noise_is_another_one_each_time() -> None:
    drawn = [Steps(PLAN, 10, 10).gradient(20, lambda at, _: torch.zeros(20)) for _ in range(2)]
    assert not torch.equal(*drawn)


@pytest.fixture(scope="module")
def tables() -> Release:
    return release(table(), choose(SIZES), 5.0, 1e-6, rows=600)


@pytest.fixture(scope="module")
def one_pass(tables: Release) -> OnePass:
    return fit(tables, FitPlan(latent=50, steps=60), 0)


def history(tables: Release, plan: SgdPlan = PLAN) -> History:
    return (*tables.events, *plan.events)


def weights(fitted: Fitted) -> np.ndarray[Any, Any]:
    return np.concatenate([p.detach().numpy().ravel() for p in fitted.model.parameters()])


class Kill(Exception):
    """The process dies."""


class Watch(Silent):
    """Remembers all that is said; dies after some checkpoints."""

    def __init__(self, lives: int = 10**6) -> None:
        self.said: list[Any] = []
        self.kept: list[int] = []
        self.lives = lives

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.said.append((round(fraction, 6), message, values))

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self.kept.append(meta["step"])
        self.lives -= 1
        if not self.lives:
            raise Kill


def test_steps_teach_what_the_data_tell(tables: Release) -> None:
    """Hardly any noise: the network learns a dependence that tables of single columns do not tell."""
    codes, alone = table(), release(table(), columns_alone(SIZES), 5.0, 1e-6, rows=600)
    plan = SgdPlan(0.5, 150, 1.0, 0.01)
    options = RefineOptions(hidden=16, depth=1, masks=2, learning_rate=2e-2)
    fitted = refine(codes, LAYOUT, (*alone.events, *plan.events), alone, options=options)
    drawn, _ = Sampler(fitted.model, LAYOUT, fitted.order).block(0, 0, 2_000, 1, 0)
    assert np.mean(drawn[:, 2] == drawn[:, 1] // 4) > 0.9
    assert fitted.facts["mechanism"] == "dpsgd"


def test_a_seed_steers_the_free_part_and_never_the_noise(one_pass: OnePass, monkeypatch: pytest.MonkeyPatch) -> None:
    args = (table(), LAYOUT, history(one_pass.release), one_pass)
    first, again = (refine(*args, options=SMALL, seed=1) for _ in range(2))
    assert not np.array_equal(weights(first), weights(again))
    key = bytes(32)
    monkeypatch.setattr("models.dp.sgd.Stream", lambda: Stream(key))
    first, again, other = (refine(*args, options=SMALL, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(weights(first), weights(again))  # but for the noise, all is repeatable
    assert not np.array_equal(weights(first), weights(other))


def test_nothing_measured_on_rows_is_told(one_pass: OnePass, tmp_path: Path) -> None:
    """Two tables that have nothing in common: what is said, and the facts, are the same to the letter."""
    told = []
    for codes in (table(), np.zeros((3, 3), dtype=np.int64)):
        watch = Watch()
        fitted = refine(codes, LAYOUT, history(one_pass.release), one_pass, options=SMALL, progress=watch)
        told.append((watch.said, fitted.facts, fitted.frequencies.tolist()))
    assert told[0] == told[1]
    assert "loss" not in str(told[0][0][-PLAN.steps :])


def test_rows_are_read_in_one_function() -> None:
    source = inspect.getsource(module)
    assert re.findall(r"self\.codes\b.*", source) == [
        "self.codes = np.stack([np.clip(codes[:, s], 0, k - 1) for s, k in enumerate(layout.sizes)], 1)",
        "self.codes[np.maximum(own, 0)].astype(np.int64)) + self.shift",
    ]


def test_a_lost_job_goes_on_from_its_last_kept_state_with_fresh_noise(
    one_pass: OnePass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.dp.sgd_state.EVERY", 0.0)
    monkeypatch.setattr("models.dp.sgd_state.OFTEN", 0.0)
    args = (table(), LAYOUT, history(one_pass.release), one_pass)
    how: dict[str, Any] = {"options": SMALL, "checkpoint": tmp_path}
    watch = Watch(lives=2)
    with pytest.raises(Kill):
        refine(*args, **how, progress=watch)
    assert watch.kept == [1, 2]
    drawn: list[int] = []
    counted = Steps.gradient

    def count(self: Steps, *given: Any) -> torch.Tensor:
        drawn.append(self.done)
        return counted(self, *given)

    monkeypatch.setattr(Steps, "gradient", count)
    monkeypatch.setattr(module, "_learn_freely", lambda *_: pytest.fail("the free part was learnt again"))
    refine(*args, **how)
    assert drawn == [2, 3]  # none twice, none more than paid for
    refine(*args, **how)
    assert drawn == [2, 3]  # and all were taken


def test_a_kept_state_that_cannot_be_used_ends_the_job(one_pass: OnePass, tables: Release, tmp_path: Path) -> None:
    """To begin again would show steps twice that were charged once."""
    args = (table(), LAYOUT, history(tables), one_pass)
    refine(*args, options=SMALL, checkpoint=tmp_path)
    with pytest.raises(InvalidArtifact):
        refine(*args, options=SMALL, seed=5, checkpoint=tmp_path)
    (tmp_path / "steps" / MANIFEST).write_text("damaged")
    with pytest.raises(InvalidArtifact):
        refine(*args, options=SMALL, checkpoint=tmp_path)


def test_a_state_holds_no_trace_of_the_rows_but_noisy_weights(one_pass: OnePass, tmp_path: Path) -> None:
    marks = []
    for name, codes in (("a", table()), ("b", table(10))):
        refine(codes, LAYOUT, history(one_pass.release), one_pass, options=SMALL, checkpoint=tmp_path / name)
        text = (tmp_path / name / "steps" / MANIFEST).read_text()
        marks.append(re.sub(r"[0-9a-f]{64}|tensors-\w+", "", text.replace(re.findall('"mark": "(.*?)"', text)[0], "M")))
    assert marks[0] == marks[1]


def test_units_of_several_rows_are_one_gradient() -> None:
    found = grouped(np.array([7, 3, 7, 7, 9]), 5)
    assert [sorted(row[row >= 0].tolist()) for row in found] == [[1], [0, 2, 3], [4]]
    assert grouped(None, 3).tolist() == [[0], [1], [2]]
    assert grouped(np.zeros(0, dtype=np.int64), 0).shape == (0, 1)


def test_a_unit_changes_a_step_by_at_most_the_clip_whatever_its_rows(one_pass: OnePass) -> None:
    """Ten equal rows of one unit, removed; masks of the others are held fixed."""
    codes, units = table(30), np.r_[np.zeros(10, dtype=np.int64), np.arange(1, 21)]
    model = module.Generator(LAYOUT.width, 3, 16, 1, 0.0)
    model.initialise(torch.rand(LAYOUT.width), torch.Generator().manual_seed(0))
    learner = module._Learner(model, LAYOUT, (0, 1, 2), 0, codes, grouped(units, 30), SMALL)
    alone = learner._summed(np.array([0]), 5)
    assert float(alone.double().norm()) == pytest.approx(1.0, rel=1e-4)
    assert learner._summed(np.array([3]), 5).double().norm() <= 1 + 1e-6


def test_one_gaussian_event_alone_has_no_steps(one_pass: OnePass) -> None:
    with pytest.raises(InvalidInput):
        refine(table(), LAYOUT, (gaussian(3.0),), one_pass, options=SMALL)
