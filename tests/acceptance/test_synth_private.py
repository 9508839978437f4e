"""`populace synth --epsilon`: a private table in one command; what is lacking is said in one line."""

import csv
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCHEMA = {
    "columns": [
        {"name": "age", "public": True, "minimum": 17, "maximum": 90},
        {"name": "education", "public": True, "categories": ["Bachelors", "HS-grad", "Masters", "Preschool"]},
        {"name": "sex", "public": True, "categories": ["Female", "Male"]},
        {"name": "income", "public": True, "categories": ["<=50K", ">50K"]},
    ]
}
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def adult(tmp_path: Path) -> Path:
    draw = random.Random(2)
    path = tmp_path / "adult.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["age", "education", "sex", "income"])
        for _ in range(1_500):
            age, learned = draw.randint(17, 90), draw.choice(["HS-grad", "Bachelors", "Masters"])
            rich = draw.random() < (age - 17) / 100 + 0.2 * (learned != "HS-grad")
            out.writerow([age, learned, draw.choice(["Female", "Male"]), ">50K" if rich else "<=50K"])
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    return path


@pytest.fixture
def call(command: list[str], environment: dict[str, str], adult: Path) -> Call:
    def run(*args: object) -> subprocess.CompletedProcess[str]:
        whole = [*command, "synth", str(adult), *map(str, args)]
        return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return run


def test_a_private_table_in_one_command(call: Call, adult: Path, tmp_path: Path) -> None:
    output, report, internal = (tmp_path / name for name in ("out.csv", "report.html", "internal.html"))
    done = call(
        *("--epsilon", 1, "--delta", 1e-7, "--schema", adult.with_name("schema.json"), "--target", "income"),
        *("--seed", 1, "--output", output, "--report", report, "--internal-report", internal, "--json"),
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["job"]["spec"]["privacy"]["epsilon"] == 1
    rows = list(csv.DictReader(output.open()))
    assert len(rows) == told["rows"]
    assert 1_000 < len(rows) < 1_700
    assert {r["sex"] for r in rows} == {"Female", "Male"}
    assert all(17 <= int(r["age"]) <= 90 for r in rows)
    # The noise leaves what is strong: income by age.
    old, young = ([r["income"] == ">50K" for r in rows if (int(r["age"]) > 53) == side] for side in (True, False))
    assert sum(old) / len(old) > sum(young) / len(young) + 0.15
    page = report.read_text()
    assert "Public edition" in page
    assert "epsilon" in page
    for secret in ("1,500", "adult.csv"):
        assert secret not in page
        assert secret in internal.read_text()
    assert "Internal: not for release" in internal.read_text()


def test_what_is_lacking_is_said(call: Call, adult: Path, tmp_path: Path) -> None:
    schema = adult.with_name("schema.json")
    for args, code, told in (
        (["--epsilon", 1], 1, "public"),
        (["--epsilon", 0, "--schema", schema], 1, "epsilon"),
        (["--epsilon", 1, "--delta", 0.01, "--schema", schema], 1, "rows"),
        (["--epsilon", 1, "--unit-column", "age", "--schema", schema], 2, "--rows-per-unit"),
        (["--epsilon", 1, "--tune", 3, "--schema", schema], 2, "--epsilon"),
        (["--delta", 1e-7], 2, "--epsilon"),
    ):
        done = call(*args, "--output", tmp_path / "out.csv")
        assert (done.returncode, done.stdout) == (code, ""), (args, done.stderr)
        assert told in done.stderr, (args, done.stderr)
    assert not (tmp_path / "out.csv").exists()
