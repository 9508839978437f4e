"""A search of training options from the command line: on a service, and as part of `populace synth`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED = {"steps": 30, "batch": 128, "hidden": 32, "adversarial": "never"}
OPTIONS = [word for name, value in SHARED.items() for word in ("--option", f"{name}={value}")]


def call(command: list[str], env: dict[str, str], *args: object) -> subprocess.CompletedProcess[str]:
    words = [*command, *map(str, args)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_tune_then_train_with_what_it_found(
    command: list[str], census_csv: Path, tmp_path: Path, start_embedded: Callable[[Path], Any]
) -> None:
    space, best = tmp_path / "space.json", tmp_path / "best.json"
    space.write_text(json.dumps({"depth": [1, 2, 3], "dropout": {"low": 0.0, "high": 0.3}}))
    with start_embedded(tmp_path / "home") as service:
        dataset = call(command, service.env, "datasets", "upload", census_csv).stdout.strip()
        args = ["jobs", "tune", dataset, "--trials", 3, "--max-time", "5m", "--space", space, "--seed", 4]
        args += ["--objective", "utility", "--target", "employment", "--output", best, "--json", *OPTIONS]
        done = call(command, service.env, *args)
        job = json.loads(done.stdout)
        assert "utility_auc" in done.stderr
        result = job["result"]
        assert [t["number"] for t in result["trials"]] == [0, 1, 2]
        scores = [t["score"] for t in result["trials"]]
        assert result["trials"][result["best"]]["score"] == max(scores)
        assert all(0.4 < score <= 1 for score in scores)
        assert json.loads(best.read_text()) == result["options"]
        assert {**SHARED, **result["trials"][result["best"]]["parameters"]} == result["options"]
        table = call(command, service.env, "jobs", "trials", job["id"]).stdout.splitlines()
        assert table[0].split()[:2] == ["trial", "utility_auc"]
        assert len(table) == 4
        assert [line.split()[0] for line in table if "*" in line] == [f"{result['best']}*"]
        events = [
            json.loads(line) for line in call(command, service.env, "jobs", "events", job["id"]).stdout.splitlines()
        ]
        told = [e["data"] for e in events if e["type"] == "trial"]
        assert [{k: t[k] for k in ("number", "parameters", "score")} for t in told] == [
            {k: t[k] for k in ("number", "parameters", "score")} for t in result["trials"]
        ]
        assert any("loss" in e["data"].get("values", {}) for e in events if e["type"] == "progress")
        args = ["jobs", "synthesize", dataset, "--options-from", job["id"], "--rows", 100, "--json"]
        trained = json.loads(call(command, service.env, *args).stdout)
        assert trained["spec"]["seed"] == 4
        used = trained["spec"]["options"]
        assert {name: used[name] for name in result["options"]} == result["options"]


@pytest.mark.slow
def test_synth_searches_first(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path
) -> None:
    output = tmp_path / "synthetic.csv"
    options = tmp_path / "options.json"
    options.write_text(json.dumps(SHARED | {"depth": 1, "dropout": 0.1, "coarse": 12}))
    args = ["synth", census_csv, "--output", output, "--tune", 2, "--options", options, "--rows", 50, "--json"]
    told = json.loads(call(command, environment, *args).stdout)
    tuning, job = told["tuning"], told["job"]
    assert len(tuning["result"]["trials"]) == 2
    assert set(tuning["result"]["trials"][1]["parameters"]) == {"learning_rate", "fine"}
    assert job["spec"]["options_from"] == tuning["id"]
    assert job["spec"]["seed"] == tuning["spec"]["seed"]
    assert {k: job["spec"]["options"][k] for k in tuning["result"]["options"]} == tuning["result"]["options"]
    assert len(output.read_text().splitlines()) == 51
