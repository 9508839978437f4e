"""bench.deidentified ranks a shuffled table behind one that keeps dependence, and leaves out files of other columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.deidentified import found
from bench.matrices import read


def people(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 90, 600)
    return pd.DataFrame({"age": age, "income": np.where(age < 16, "N", (age * 10).astype(str)), "old": age > 60})


def test_files_are_scored_against_the_real_one(tmp_path: Path) -> None:
    real, loose, rng = people(0), people(1), np.random.default_rng(2)
    for column in loose:
        loose[column] = rng.permutation(loose[column])
    files = {"close": people(3), "loose": loose, "narrow": people(4)[["age", "old"]], "wide": people(5).assign(more=1)}
    for name, frame in files.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    real.to_csv(tmp_path / "real", index=False)
    scores = dict(found(read(tmp_path / "real", "N"), sorted(tmp_path.glob("*.csv")), "N"))
    assert set(scores) == {"close.csv", "loose.csv"}
    assert scores["close.csv"]["c2st"] > 0.8 > 0.3 > scores["loose.csv"]["c2st"]
    for figure in ("trend", "tvd3"):
        assert scores["close.csv"][figure] < scores["loose.csv"][figure] / 2
