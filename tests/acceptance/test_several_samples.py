"""Several samples of one synthesizer, from a file to a report that combines them; and such files from elsewhere."""

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
SHORT = {"sdmetrics": False, "mlp": False, "methods": ["tree"], "detection_rows": 150, "utility_rows": 150,
         "distance_rows": 150, "rows": 300}  # fmt: skip


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    command: list[str],
    environment: dict[str, str],
    quick_args: list[str],
) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_csv(make_census(400, seed=5), folder / "census.csv")
    (folder / "models.json").write_text(json.dumps(ANALYSES))
    args = ["--samples", "3", "--rows", "200", "--analyses", "models.json", "--seed", "5", *quick_args]
    words = [*command, "synth", "census.csv", *args, "--output", "made.csv", "--report", "report.html", "--json"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "told.json").write_text(done.stdout)
    return folder


@pytest.mark.slow
def test_samples_are_files_of_their_own_and_one_report_combines_them(made: Path) -> None:
    told: dict[str, Any] = json.loads((made / "told.json").read_text())
    files = [made / f"made-{i}.csv" for i in (1, 2, 3)]
    assert told["outputs"] == [f.name for f in files]
    rows = [list(csv.reader(f.open())) for f in files]
    assert [len(r) for r in rows] == [201] * 3
    assert rows[0][0] == rows[1][0] == rows[2][0]
    assert rows[0] != rows[1] != rows[2] != rows[0]
    assert {m["subject"] for m in told["metrics"] if m["name"] == "pooled_cover"} == {
        "income ~ age + sex", "mean of age by sex",
    }  # fmt: skip
    assert "on 3 samples of one synthesizer" in (made / "report.html").read_text()


@pytest.mark.slow
def test_files_are_judged_together(made: Path, command: list[str], environment: dict[str, str]) -> None:
    (made / "short.json").write_text(json.dumps(SHORT))
    files = [str(made / f"made-{i}.csv") for i in (1, 2, 3)]
    args = ["--analyses", "models.json", "--options", "short.json", "--combining", "posterior", "--json", "found.json"]
    words = [*command, "evaluate", "census.csv", *files, *args]
    done = subprocess.run(words, cwd=made, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 samples combined, ") == 2
    found = json.loads((made / "found.json").read_text())
    section = found["sections"]["pooled"]
    assert (section["kind"], section["samples"], section["rows"]["synthetic"]) == ("posterior", 3, 200)
    assert [r["name"] for r in found["replicates"]] == ["made-2.csv", "made-3.csv"]
    women = section["analyses"][1]["estimates"][0]
    assert women["low"] < women["estimate"] < women["high"]
    mean = sum(ages(Path(f), women["name"]) for f in files) / 3
    assert women["estimate"] == pytest.approx(mean, rel=1e-4)


def ages(file: Path, sex: str) -> float:
    with file.open() as source:
        found = [float(row["age"]) for row in csv.DictReader(source) if row["sex"] == sex]
    return sum(found) / len(found)
