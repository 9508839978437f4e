"""`populace evaluate` and `populace compare` as processes, on small tables: from files to figures, and refusals."""

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from populace.demo import make_census, write_csv

Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK: dict[str, Any] = {"rows": 300, "detection_rows": 150, "utility_rows": 150, "distance_rows": 150}
QUICK |= {"sdmetrics": False, "mlp": False, "methods": ["tree"]}
COLUMNS = ("region", "age", "sex", "employment", "hours", "income")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three tables of one population, some columns of it, the synthetic one with faults."""
    folder = tmp_path_factory.mktemp("tables")
    found = {}
    for role, rows, seed in (("real", 300, 1), ("holdout", 200, 2), ("synthetic", 250, 3)):
        write_csv(make_census(rows, seed=seed), folder / "all.csv")
        with (folder / "all.csv").open() as source:
            table = [{c: row[c] for c in COLUMNS} for row in csv.DictReader(source)]
        for i, row in enumerate(table if role == "synthetic" else ()):
            row["region"] = "Atlantis" if i % 10 == 0 else row["region"]
            row["age"] += ".0" if row["age"].isdigit() else ""
            del row["hours"]
        found[role] = folder / f"{role}.csv"
        with found[role].open("w", newline="") as sink:
            writer = csv.DictWriter(sink, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    return found


@pytest.fixture
def populace(command: list[str], environment: dict[str, str]) -> Run:
    def call(*args: object) -> subprocess.CompletedProcess[str]:
        words = [*command, *map(str, args)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return call


@pytest.mark.slow
def test_evaluate_two_files_and_a_holdout(populace: Run, files: dict[str, Path], tmp_path: Path) -> None:
    options, page, data = tmp_path / "options.json", tmp_path / "report.html", tmp_path / "report.json"
    options.write_text(json.dumps(QUICK))
    args = ["--holdout", files["holdout"], "--target", "employment", "--options", options, "--seed", 1]
    done = populace("evaluate", files["real"], files["synthetic"], *args, "--report", page, "--json", data)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["figure", "sample", "bar"]
    assert any(line.startswith("shape ") for line in lines)
    assert "Not compared: hours (not in synthetic)." in lines
    assert "synthetic, column region: 25 of 250 cells are not among the categories." in lines
    report: dict[str, Any] = json.loads(data.read_text())
    assert (report["kind"], report["synthetic"]["rows"], report["holdout"]["rows"]) == ("fidelity", 250, 200)
    assert report["meta"]["rows"] == {"real": 300, "holdout": 200, "synthetic": 250}
    metrics = {(m["name"], m["subject"]): m for m in report["metrics"]}
    assert metrics["invalid", "region"]["value"] == pytest.approx(0.1)
    assert metrics["invalid", "region"]["status"] == "fail"
    assert ("invalid", "age") not in metrics
    assert metrics["shape", ""]["holdout"] is not None
    assert any(name.startswith("utility_") for name, _ in metrics)
    html = page.read_text()
    assert "synthetic.csv" in html
    assert "Atlantis" not in html


@pytest.mark.slow
def test_evaluate_says_why_it_cannot(populace: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """What only the rows can tell fails the job: the same words."""
    other = tmp_path / "other.csv"
    with files["real"].open() as source, other.open("w", newline="") as sink:
        rows = [{**row, "income": f"about {i % 7}"} for i, row in enumerate(csv.DictReader(source))]
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = populace("evaluate", files["real"], other)
    assert done.returncode == 1
    assert "Column 'income' of the synthetic table is of another type" in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_compare_methods_on_a_file(populace: Run, files: dict[str, Path], tmp_path: Path) -> None:
    data, page = tmp_path / "figures.json", tmp_path / "report.html"
    args = ["--target", "sex", "--target", "income", "--methods", "linear,tree", "--folds", 3, "--seed", 1]
    args += ["--test", files["holdout"], "--report", page, "--json", data]
    done = populace("compare", files["real"], *args)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if "cross-validation" in line] == ["sex", "income"]
    assert sum(line.startswith("decision tree") for line in lines) == 2
    report = json.loads(data.read_text())
    assert report["kind"] == "comparison"
    first, second = report["sections"]["comparisons"]
    assert (first["measure"], second["measure"]) == ("accuracy", "r2")
    assert {m["method"] for m in first["methods"]} == {"linear", "tree"}
    assert all(m["test"]["accuracy"]["value"] > 0 for m in first["methods"])
    assert {m["name"] for m in report["metrics"]} >= {"accuracy", "r2"}
    assert "<html" in page.read_text()


@pytest.mark.slow
def test_tune_a_method_on_a_file(populace: Run, files: dict[str, Path], tmp_path: Path) -> None:
    space, best, page = tmp_path / "space.json", tmp_path / "best.json", tmp_path / "search.html"
    space.write_text(json.dumps({"depth": [1, 3]}))
    args = ["--target", "sex", "--method", "tree", "--search", "grid", "--space", space, "--seed", 1]
    done = populace("tune", files["real"], *args, "--output", best, "--report", page)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["trial", "accuracy", "depth"]
    assert sum("succeeded" in line for line in lines) == 2
    assert "sex" in lines[-1]
    assert json.loads(best.read_text())["depth"] in (1, 3)
    assert "<html" in page.read_text()
