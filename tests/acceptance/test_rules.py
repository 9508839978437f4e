"""Rules that a schema declares: by a schema file or over HTTP; kept by every sample, their cost told."""

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from populace import ApiError, Client

RULES = ["age < 21 -> marital_status is missing", "employment = Employed and age >= 60 -> hours <= 40"]


def broken(rows: list[dict[str, str]]) -> list[int]:
    first = sum(int(r["age"]) < 21 and r["marital_status"] != "N" for r in rows)
    old = [r for r in rows if r["employment"] == "Employed" and int(r["age"]) >= 60]
    return [first, sum(r["hours"] == "N" or int(r["hours"]) > 40 for r in old)]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_synth_keeps_the_rules_of_a_schema_file(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path, quick_args: list[str]
) -> None:
    schema, output, report = tmp_path / "schema.json", tmp_path / "synthetic.csv", tmp_path / "report.html"
    schema.write_text(json.dumps({"rules": RULES}))
    args = ["synth", census_csv, "--schema", schema, "--output", output, "--report", report, "--json", *quick_args]
    done = subprocess.run([*command, *map(str, args)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert min(broken(read(census_csv))) > 0
    assert broken(read(output)) == [0, 0]
    cost = json.loads(done.stdout)["job"]["result"]["rules"]
    assert [r["rule"] for r in cost["rules"]] == RULES
    assert 0 < cost["redrawn_share"] < 0.5
    assert f"<bdi>{RULES[0].replace('<', '&lt;').replace('>', '&gt;')}</bdi>" in report.read_text()


def test_a_rule_over_http(
    start_embedded: Callable[[Path], Any], census_csv: Path, tmp_path: Path, quick_options: str
) -> None:
    with start_embedded(tmp_path / "home") as service, Client(service.url, service.key) as client:
        dataset = client.datasets.upload(census_csv)
        client.jobs.wait(dataset.job_id)
        with pytest.raises(ApiError) as refused:
            client.datasets.set_schema(dataset.id, {"rules": [RULES[0], "aeg < 16 -> hours is missing"]})
        assert refused.value.status == 422
        assert "aeg" in str(refused.value)
        assert client.datasets.schema(dataset.id)["rules"] == []
        told = client.datasets.set_schema(dataset.id, {"rules": RULES})
        assert told["rules"][0] == {"if": ["age < 21"], "then": ["marital_status is missing"]}
        job = client.jobs.synthesize(dataset.id, seed=7, rows=400, options=json.loads(quick_options))
        job = client.jobs.wait(job.id)
        # Another sample of the synthesizer keeps them too, under conditions as well.
        more = client.jobs.sample(job.result["synthesizer_id"], rows=300, where=["age < 25"], seed=8)
        more = client.jobs.wait(more.id)
        for number, result in enumerate((job.result, more.result)):
            client.samples.download(result["sample_id"], tmp_path / f"{number}.csv")
            rows = read(tmp_path / f"{number}.csv")
            assert len(rows) == (400, 300)[number]
            assert broken(rows) == [0, 0]
            assert result["rules"]["rows"] == len(rows)
        assert all(int(r["age"]) < 25 for r in rows)
        section = client.reports.get(job.result["report_id"]).sections["rules"]
        assert section["broken"][0]["training_rows"] > 0
        assert section["broken"][0]["synthetic_rows"] == 0
        assert section["cost"] == job.result["rules"]
