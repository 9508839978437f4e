"""The bench's scorer on tables whose figures are known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.matrices import Reader, numbers, read
from bench.score import own_bins, score


def people(rows: int, seed: int) -> pd.DataFrame:
    """Columns that depend on each other strongly; x and y are numbers, the rest are labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows).round(4)
    group = np.where(x > 0.5, "high", np.where(x > -0.5, "middle", "low"))
    return pd.DataFrame(
        {
            "x": x,
            "y": (2 * x + 0.1 * rng.normal(size=rows)).round(4),
            "group": group,
            "code": np.where(x > 0, 1, 2),
            "noise": rng.choice(list("abc"), rows),
            "target": np.where(x + 0.2 * rng.normal(size=rows) > 0, "yes", "no"),
        }
    )


TRAIN, TEST = people(1500, 1), people(1500, 2)


def scored(synthetic: pd.DataFrame, target: str = "target", task: str = "binary") -> dict[str, float]:
    return score(TRAIN, TEST, synthetic, target, task)


class TestKnownTables:
    def test_the_training_rows_themselves(self) -> None:
        got = scored(TRAIN.copy())
        assert (got["shape"], got["trend"], got["tvd2"], got["tvd3"]) == (0, 0, 0, 0)
        assert got["copies"] == 100
        assert got["dcr"] > 0.99
        assert got["mle"] == got["mle_real"] > 0.95

    def test_other_rows_of_the_same_kind_cannot_be_told_apart(self) -> None:
        got = scored(people(1500, 3))
        assert got["c2st"] > 0.93
        assert got["shape"] < 4
        assert got["trend"] < 8
        assert got["copies"] == got["copies_test"] == 0
        assert 0.42 < got["dcr"] < 0.58

    def test_shuffled_columns_keep_the_shape_and_lose_the_rest(self) -> None:
        rng = np.random.default_rng(0)
        got = scored(pd.DataFrame({c: TRAIN[c].to_numpy()[rng.permutation(len(TRAIN))] for c in TRAIN}))
        assert got["shape"] == 0
        assert got["c2st"] < 0.1
        assert got["trend"] > 15
        assert got["mle"] < 0.6

    def test_half_of_the_rows_copied(self) -> None:
        mixed = pd.concat([TRAIN[:750], people(750, 4)], ignore_index=True)
        assert scored(mixed)["copies"] == pytest.approx(50, abs=0.01)

    def test_a_shift_of_one_number_is_its_kolmogorov_smirnov_distance(self) -> None:
        moved = TRAIN.assign(x=TRAIN["x"] + 100)
        assert scored(moved)["shape"] == pytest.approx(100 / 6, abs=1e-4)

    def test_an_unknown_label_counts_as_lost_mass(self) -> None:
        foreign = TRAIN.assign(noise="z")
        assert scored(foreign)["shape"] == pytest.approx(100 / 6, abs=1e-4)

    def test_the_other_tasks(self) -> None:
        assert scored(people(1500, 5), "group", "multiclass")["mle"] > 0.9
        assert scored(people(1500, 5), "y", "regression")["mle"] > 0.98
        assert scored(TRAIN.assign(target="yes"))["mle"] == 0.5

    def test_a_missing_column_is_named(self) -> None:
        with pytest.raises(ValueError, match="noise"):
            scored(TRAIN.drop(columns="noise"))


class TestReading:
    def test_a_number_has_more_than_fifteen_values(self) -> None:
        assert numbers(TRAIN) == ["x", "y"]

    def test_codes_are_equal_however_they_are_spelled(self) -> None:
        a, b = Reader.fit(TRAIN).matrices(TRAIN, TRAIN.assign(code=TRAIN["code"].astype(float).astype(str)))
        np.testing.assert_array_equal(a.row_keys(), b.row_keys())

    def test_a_code_for_missing_leaves_numbers_numbers(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"pay": ["N" if i % 5 == 0 else str(i) for i in range(50)], "kind": ["N", "a"] * 25})
        frame.to_csv(tmp_path / "x.csv", index=False)
        assert numbers(read(tmp_path / "x.csv")) == []
        got = read(tmp_path / "x.csv", "N")
        assert numbers(got) == ["pay"]
        assert got["pay"][:6].tolist() == [-9, 1, 2, 3, 4, -9]
        assert set(got["kind"]) == {"-9", "a"}

    def test_bins_lie_between_each_tables_own_extremes(self) -> None:
        frame = pd.DataFrame({"x": np.arange(101.0), "label": "a"})
        (matrix,) = Reader.fit(frame).matrices(frame)
        cells = own_bins(matrix)[:, 0]
        assert cells[[0, 10, 11, 100]].tolist() == [1, 1, 2, 10]
        doubled = Reader.fit(frame).matrices(frame.assign(x=2 * frame["x"]))[0]
        assert (own_bins(doubled)[:, 0] == cells).all()


YARDSTICK = os.environ.get("POPULACE_YARDSTICK", "")
"""COMMAND of another scorer with the options --real, --test, --synthetic, --target, --task, that prints JSON."""


@pytest.mark.skipif(not YARDSTICK, reason="POPULACE_YARDSTICK names no other scorer")
@pytest.mark.parametrize(("target", "task"), [("target", "binary"), ("group", "multiclass"), ("y", "regression")])
def test_agrees_with_another_scorer(tmp_path: Path, target: str, task: str) -> None:
    files = {"real": TRAIN, "test": TEST, "synthetic": people(1400, 6).sample(frac=1, random_state=0)}
    for name, frame in files.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    options = [f for name in files for f in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    command = [*YARDSTICK.split(), *options, "--target", target, "--task", task]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout[done.stdout.index("{") :])
    got = score(*(pd.read_csv(tmp_path / f"{name}.csv") for name in files), target, task)
    shared = [k for k in got if k in theirs]
    assert len(shared) >= 10
    close = {k: pytest.approx(theirs[k], abs=2e-3 if k == "dcr" else 3e-4) for k in shared}
    assert {k: got[k] for k in shared} == close


def test_the_command_scores_files(tmp_path: Path) -> None:
    for name, frame in (("train", TRAIN), ("test", TEST), ("drawn", people(500, 7))):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    command = [sys.executable, "-m", "bench.score", "--train", str(tmp_path / "train.csv")]
    command += ["--test", str(tmp_path / "test.csv"), str(tmp_path / "drawn.csv"), "--target", "target"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    name, figures = done.stdout.split(" ", 1)
    assert name == "drawn.csv"
    assert json.loads(figures)["rows"] == 500
