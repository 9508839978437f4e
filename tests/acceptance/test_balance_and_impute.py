"""Balances, warnings and imputations from the command line."""

import csv
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def call(command: list[str], env: dict[str, str], *args: object) -> subprocess.CompletedProcess[str]:
    words = [*command, *map(str, args)]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=300, check=False)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_synth_balances_and_warns(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path, quick_args: list[str]
) -> None:
    output, report = tmp_path / "synthetic.csv", tmp_path / "report.html"
    args = ["synth", census_csv, "--output", output, "--report", report, "--rows", 300, "--json", *quick_args]
    args += ["--balance", "sex:Female=0.25,Male=0.75", "--where", "region=Islands", "--where", "age<30"]
    done = call(command, environment, *args)
    assert done.returncode == 0, done.stderr
    rows = read(output)
    assert Counter(r["sex"] for r in rows) == {"Female": 75, "Male": 225}
    assert {r["region"] for r in rows} == {"Islands"}
    told = json.loads(done.stdout)["job"]["result"]["warnings"]
    assert {w["code"] for w in told} <= {"rare_conditions", "rare_shares"}
    assert "rare_shares" in {w["code"] for w in told}
    for warning in told:
        assert f"warning: {warning['message']}" in done.stderr
    page = report.read_text()
    assert "What to know before using this sample" in page
    assert "sex (Female: 25.0%, Male: 75.0%); compared with" in page


def test_a_balance_that_contradicts_fails_before_training(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path
) -> None:
    args = ["synth", census_csv, "--output", tmp_path / "x.csv", "--balance", "sex", "--where", "sex=Other"]
    done = call(command, environment, *args)
    assert done.returncode == 1
    assert "no such label" in done.stderr


def test_max_time_ends_training(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path
) -> None:
    output = tmp_path / "synthetic.csv"
    args = ["synth", census_csv, "--output", output, "--home", tmp_path / "home", "--json", "--rows", 20]
    done = call(command, environment, *args, "--max-time", "3s", "--option", "hidden=64", "--option", "steps=900000")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["job"]["spec"]["options"]["max_time"] == 3.0
    assert told["seconds"]["job"] < 120
    assert len(read(output)) == 20


@pytest.mark.slow
def test_impute_fills_only_what_is_missing(
    command: list[str], census_csv: Path, tmp_path: Path, start_embedded: Callable[[Path], Any], quick_args: list[str]
) -> None:
    table, filled = tmp_path / "gaps.csv", tmp_path / "filled.csv"
    whole, rng = read(census_csv), np.random.default_rng(0)
    gaps = {name: rng.random(len(whole)) < 0.1 for name in ("region", "health", "age", "occupation")}
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(whole[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: "" if k in gaps and gaps[k][i] else v for k, v in r.items()} for i, r in enumerate(whole))
    with start_embedded(tmp_path / "home") as service:
        dataset = call(command, service.env, "datasets", "upload", census_csv).stdout.strip()
        args = ["jobs", "synthesize", dataset, "--rows", 50, "--json", "--max-time", "20s", *quick_args]
        trained = json.loads(call(command, service.env, *args).stdout)
        synthesizer = trained["result"]["synthesizer_id"]
        args = ["impute", table, "--synthesizer", synthesizer, "--output", filled, "--code", "", "--seed", 1]
        done = call(command, service.env, *args)
        assert done.returncode == 0, done.stderr
        assert "warning: This table holds REAL records" in done.stderr
        assert f"region: {gaps['region'].sum()}" in done.stderr
        listed = json.loads(call(command, service.env, "datasets", "list", "--json").stdout)
        assert [d["id"] for d in listed["items"]] == [dataset]
        for i, (before, after) in enumerate(zip(whole, read(filled), strict=True)):
            for name, value in before.items():
                if value == "" or (name in gaps and gaps[name][i]):
                    assert after[name] not in ("", "N")
                else:
                    assert after[name] == value
        again = tmp_path / "again.csv"
        call(command, service.env, *[again if a is filled else a for a in args])
        assert again.read_bytes() == filled.read_bytes()
        for wrong, why in (("nothing", "no column"), ("person_id", "identifier")):
            failed = call(command, service.env, *args, "--columns", wrong)
            assert failed.returncode == 1
            assert why in failed.stderr
        listed = json.loads(call(command, service.env, "datasets", "list", "--json").stdout)
        assert listed["total"] == 1
