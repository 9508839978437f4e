"""The whole of `fit` (likelihood, settling, discriminator) is repeatable, also from each of its checkpoints."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.errors import Cancelled
from models.options import FitOptions
from models.progress import Silent
from models.streaming import stream_csv
from models.synthesize import Synthesizer, fit, sample

OPTIONS = FitOptions(seed=11, steps=60, batch=64, hidden=32, threads=1, adversarial="always", learning_rate=5e-3)


def table(rows: int = 380) -> pd.DataFrame:
    """Numbers of both kinds, a label that depends on them, gaps, a date, an identifier."""
    rng = np.random.default_rng(4)
    age = rng.integers(0, 91, rows)
    wage = np.where(age < 16, np.nan, rng.gamma(4, 9_000, rows).round(2))
    frame = pd.DataFrame({"id": np.arange(rows), "age": age, "wage": wage})
    frame["class"] = np.where(wage > 36_000, "upper", np.where(age < 16, "none", "lower"))
    frame["since"] = (np.datetime64("2001-01-01") + rng.integers(0, 8_000, rows)).astype(str)
    return frame


def train(**more: Any) -> Synthesizer:
    """`fit` with few trees, which are kept for every gain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.gan.weighing.TREES", 5)
        patch.setattr("models.gan.weighing.GAIN", -1.0)
        patch.setattr("models.gan.plan.HELD", 10)
        return fit(table(), **{"options": OPTIONS, **more})


def rows_of(made: Synthesizer) -> bytes:
    return b"".join(stream_csv(sample(made, 200, seed=3).data.to_batches(), made.schema))


def same(one: Synthesizer, other: Synthesizer) -> bool:
    left, right = one.model.state_dict(), other.model.state_dict()
    return all(np.array_equal(left[k].numpy(), right[k].numpy()) for k in left) and rows_of(one) == rows_of(other)


@pytest.fixture(scope="module")
def straight() -> Synthesizer:
    return train()


def test_the_same_seed_gives_the_same_bytes(straight: Synthesizer) -> None:
    assert straight.manifest["adversarial"]["kept"]
    assert same(train(), straight)
    other = train(options=FitOptions(**{**OPTIONS.to_json(), "seed": 12}))
    assert rows_of(other) != rows_of(straight)


def test_another_process_gives_the_same_bytes(straight: Synthesizer) -> None:
    """With another seed of Python's hashes, so that nothing hangs on the order of a set."""
    here = Path(__file__)
    code = "import hashlib, importlib.util, sys\n"
    code += f"spec = importlib.util.spec_from_file_location('repeat', {str(here)!r})\n"
    code += "module = importlib.util.module_from_spec(spec); sys.modules['repeat'] = module\n"
    code += "spec.loader.exec_module(module)\n"
    code += "made = module.train()\n"
    code += "print(hashlib.sha256(module.rows_of(made)).hexdigest())"
    env = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(here.parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(rows_of(straight)).hexdigest()


class Keeper(Silent):
    """Copies every checkpoint aside, and cancels the work once the discriminator's part has begun."""

    def __init__(self, folder: Path, stop: bool = False) -> None:
        self.folder, self.stop, self.ended = folder, stop, False
        self.kept: list[Path] = []

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self.kept.append(self.folder / f"{len(self.kept)}")
        shutil.copytree(folder, self.kept[-1])

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.ended = self.ended or "discriminator" in message

    def check(self) -> None:
        if self.stop and self.ended:
            raise Cancelled("stop")


def test_every_checkpoint_leads_to_the_same_bytes(
    straight: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.gan.trainer.CHECKPOINT_EVERY", 0.0)
    keeper = Keeper(tmp_path / "kept")
    assert same(train(progress=keeper, checkpoint=tmp_path / "own"), straight)
    assert len(keeper.kept) == OPTIONS.steps
    monkeypatch.setattr("models.gan.trainer.CHECKPOINT_EVERY", 1e9)
    for number in (0, 24, 25, 41, 59):  # the first; before and after a validation; in between; after the last step
        resumed = train(checkpoint=keeper.kept[number])
        assert same(resumed, straight), f"after step {number + 1}"
        curves = [[p["step"] for p in m.manifest["curve"]] for m in (resumed, straight)]
        assert curves[0] == curves[1]
        assert resumed.manifest["adversarial"] == straight.manifest["adversarial"]


def test_work_that_was_stopped_after_training_ends_the_same(straight: Synthesizer, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "kept", stop=True)
    with pytest.raises(Cancelled):
        train(progress=keeper, checkpoint=tmp_path / "own")
    assert keeper.ended
    assert same(train(checkpoint=tmp_path / "own"), straight)
