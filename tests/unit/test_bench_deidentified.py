"""bench.deidentified ranks a shuffled table behind one that keeps dependence, and leaves out files of other columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.deidentified import agreement, found, ranked
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


def test_files_are_ranked_on_k_marginal_beside_published_scores(tmp_path: Path) -> None:
    real, rng = people(0).assign(PUMA="a"), np.random.default_rng(2)
    real["PUMA"] = np.where(real["age"] > 30, "a", "b")
    for share in (0.0, 0.3, 0.6):
        frame = real.copy()
        moved = rng.random(len(frame)) < share
        for column in frame:
            frame.loc[moved, column] = rng.permutation(frame.loc[moved, column].to_numpy())
        frame.to_csv(tmp_path / f"moved_{share}.csv", index=False)
    real[["age", "old"]].to_csv(tmp_path / "narrow.csv", index=False)
    names = ["moved_0.0", "moved_0.3", "moved_0.6"]
    known = {"k_marginal": [990, 900, 800], "subsample_equiv_pct": [90, 30, 5], "features": 4}
    published = pd.DataFrame(known, index=names)
    real.to_csv(tmp_path / "real", index=False)
    files = ranked(read(tmp_path / "real", "N"), sorted(tmp_path.glob("*.csv")), "N", published)
    assert [f.name for f in files] == [*names, "narrow"]
    assert [len(f.names) for f in files] == [4, 4, 4, 2]
    assert files[0].score == files[3].score == 1000
    assert files[0].equivalent == 0.9 > files[1].equivalent > files[2].equivalent
    assert agreement(files) == {4: 1.0}
    assert agreement([replace(f, published=1000 - f.published) for f in files])[4] == -1.0
    assert agreement([replace(files[0], published_columns=3), *files[1:]]) == {}, "scored on other columns"
