"""Several samples of one synthesizer, from a file to a report that combines them."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from populace.demo import make_census, write_csv

ANALYSES = [
    {"kind": "regression", "formula": "income ~ age + sex"},
    {"kind": "table", "columns": ["sex"], "statistic": "mean", "of": "age"},
]


@pytest.mark.slow
def test_samples_are_files_of_their_own_and_one_report_combines_them(
    tmp_path: Path, command: list[str], environment: dict[str, str], quick_args: list[str]
) -> None:
    write_csv(make_census(150, seed=5), tmp_path / "census.csv")
    (tmp_path / "models.json").write_text(json.dumps(ANALYSES))
    args = ["--samples", "2", "--rows", "80", "--analyses", "models.json", "--seed", "5", *quick_args]
    words = [*command, "synth", "census.csv", *args, "--output", "made.csv", "--report", "report.html", "--json"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["outputs"] == ["made-1.csv", "made-2.csv"]
    rows = [list(csv.reader((tmp_path / name).open())) for name in told["outputs"]]
    assert [len(r) for r in rows] == [81, 81]
    assert rows[0][0] == rows[1][0]
    assert rows[0] != rows[1]
    assert {m["subject"] for m in told["metrics"] if m["name"] == "pooled_cover"} == {
        "income ~ age + sex", "mean of age by sex",
    }  # fmt: skip
    assert "on 2 samples of one synthesizer" in (tmp_path / "report.html").read_text()
