"""The README's curl walk-through, word for word, on both modes; and both give the same result."""

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "README.md"


def walkthrough() -> str:
    text = README.read_text(encoding="utf-8")
    found = re.search(r"<!-- walkthrough -->\n```bash\n(.*?)```\n<!-- /walkthrough -->", text, re.DOTALL)
    assert found is not None
    return found.group(1)


@dataclass(frozen=True)
class Result:
    folder: Path

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def walk(service: Any, folder: Path, census: Path, options: str) -> Result:
    (folder / "demo").mkdir(parents=True)
    shutil.copy(census, folder / "demo" / "census.csv")
    env = {**service.env, "OPTIONS": options}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", walkthrough()],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Result(folder)


@pytest.fixture(scope="module")
def embedded_result(
    start_embedded: Callable[..., Any], census_csv: Path, quick_options: str, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    folder = tmp_path_factory.mktemp("embedded")
    with start_embedded(folder / "home") as service:
        return walk(service, folder / "walk", census_csv, quick_options)


@pytest.fixture(scope="module")
def full_result(
    start_full: Callable[..., Any],
    postgres_database: str,
    valkey_url: str,
    census_csv: Path,
    quick_options: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Result:
    folder = tmp_path_factory.mktemp("full")
    with start_full(folder / "home", postgres_database, valkey_url) as service:
        return walk(service, folder / "walk", census_csv, quick_options)


@pytest.fixture(scope="module", params=["embedded", "full"])
def result(request: pytest.FixtureRequest) -> Result:
    found = request.getfixturevalue(f"{request.param}_result")
    assert isinstance(found, Result)
    return found


def test_synthetic_table(result: Result, census_csv: Path) -> None:
    with census_csv.open(encoding="utf-8", newline="") as file:
        real = list(csv.DictReader(file))
    synthetic = result.rows("synthetic.csv")
    assert len(synthetic) == len(real)
    assert list(synthetic[0]) == list(real[0])
    assert len({r["person_id"] for r in synthetic}) == len(real)
    assert all(re.fullmatch(r"H\d{7}-\d{2}", r["person_id"]) for r in synthetic)


def test_conditions_hold_in_every_row(result: Result) -> None:
    rows = result.rows("older_women.csv")
    assert len(rows) == 1000
    assert all(int(r["age"]) >= 65 and r["sex"] == "Female" for r in rows)


def test_metrics_and_page(result: Result) -> None:
    metrics = result.json("metrics.json")["metrics"]
    assert len(metrics) > 20
    assert {"value", "ceiling", "holdout", "floor", "direction"} <= set(metrics[0])
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_profile_and_schema(result: Result) -> None:
    profile = result.json("profile.json")
    assert profile["target"]["column"] == "employment"
    assert "smallest_share" in profile["target"]
    columns = {c["name"]: c["kind"] for c in result.json("schema.json")["columns"]}
    assert columns["weight"] == "weight"
    assert columns["person_id"] == "identifier"
    assert columns["interview_date"] == "datetime"


def test_events_and_steps(result: Result) -> None:
    events = (result.folder / "events.txt").read_text(encoding="utf-8")
    ids = [int(i) for i in re.findall(r"^id: ?(\d+)$", events, re.MULTILINE)]
    assert ids == sorted(set(ids))
    assert len(ids) > 5
    job = result.json("job.json")
    assert (job["state"], job["attempt"], job["fraction"]) == ("succeeded", 1, 1.0)
    names = [s["name"] for s in job["steps"]]
    assert names == [n for n in ("read", "profile", "encode", "train", "sample", "evaluate", "publish") if n in names]
    assert {"read", "train", "sample", "evaluate", "publish"} <= set(names)


def test_both_modes_give_the_same_result(embedded_result: Result, full_result: Result) -> None:
    for name in ("synthetic.csv", "older_women.csv"):
        assert (embedded_result.folder / name).read_bytes() == (full_result.folder / name).read_bytes(), name
    assert embedded_result.json("profile.json") == full_result.json("profile.json")

    def rows(found: Result) -> list[tuple[str, str, str]]:
        return [(m["section"], m["name"], m["subject"]) for m in found.json("metrics.json")["metrics"]]

    assert rows(embedded_result) == rows(full_result)
    assert len(set(rows(full_result))) == len(rows(full_result))
