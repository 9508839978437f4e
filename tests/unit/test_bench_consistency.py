"""bench.consistency counts what was planted, and nothing in rows of the same kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.consistency import compare

MISSING = ["N"]


def people(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    area, age = rng.integers(0, 12, rows), rng.integers(0, 90, rows)
    job = np.where(age < 16, "N", rng.integers(0, 8, rows).astype(str))
    color = np.where(area % 3 == 0, rng.choice(["red", "blue"], rows), rng.choice(["red", "green"], rows))
    return pd.DataFrame(
        {
            "area": area.astype(str),
            "density": (area * 1.5).astype(str),
            "age": age.astype(str),
            "job": job,
            "color": color,
        }
    )


@pytest.fixture
def real() -> pd.DataFrame:
    return people(20_000, 0)


def test_rows_of_the_same_kind_break_nothing(real: pd.DataFrame) -> None:
    found = compare(real, people(5_000, 1), MISSING)
    assert found["rows"] == 0
    assert found["functions"]["relations"] == 2
    assert found["gaps"]["relations"] >= 16
    assert found["pairs"]["broken_rows"] == 0


def test_what_is_planted_is_counted(real: pd.DataFrame) -> None:
    made = people(5_000, 1)
    child = made.index[made["age"].astype(int) < 10][:7]
    made.loc[child, "job"] = "3"
    made.loc[10:12, "density"] = made.loc[10:12, "area"].map({str(i): f"{(i + 1) % 12 * 1.5:.2f}" for i in range(12)})
    wrong = made.index[(made["area"] == "3")][:5]
    made.loc[wrong, "color"] = "green"
    found = compare(real, made, MISSING)
    assert found["functions"]["broken_rows"] == 3
    assert found["gaps"]["broken_rows"] == 7
    assert found["gaps"]["worst"] == {"age, job": 7}
    assert 9 <= found["rows"] <= 10
    assert found["pairs"]["worst"]["area, color"] == 5
    assert found["synthetic_rows"] == 5_000


def test_equal_numbers_are_equal_and_unseen_values_are_left_out(real: pd.DataFrame) -> None:
    made = people(2_000, 2)
    made["density"] = made["density"].astype(float).map("{:.3f}".format)
    made.loc[:4, "area"] = "99"
    # Of an area that no real row has nothing is known; but a density that goes with another area is broken.
    assert compare(real, made, MISSING)["functions"]["worst"] == {"density -> area": 5}


def test_the_command_prints_json(real: pd.DataFrame, tmp_path: Path) -> None:
    real.to_csv(tmp_path / "real.csv", index=False)
    args = [sys.executable, "-m", "bench.consistency", tmp_path / "real.csv", tmp_path / "real.csv", "--missing", "N"]
    done = subprocess.run(args, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    assert json.loads(done.stdout)["rows"] == 0
