"""populace evaluate, compare and their jobs: what is sent, what is shown, what is refused before anything starts."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from populace import Client
from populace.cli import app
from populace.comparison import comparison_table
from populace.pipeline import numbered
from populace.records import Report
from populace.scorecard import scorecard

run = CliRunner().invoke
SCORES = {
    "accuracy": {"value": 0.8765, "low": 0.85, "high": 0.9, "folds": [0.88, 0.87]},
    "roc_auc": {"value": 0.93, "low": None, "high": None, "folds": []},
}
COMPARED = {
    "target": "rich",
    "measure": "accuracy",
    "rows": {"used": 1234},
    "folds": {"text": "stratified 5-fold cross-validation"},
    "baseline": {"label": "majority class", "scores": {"accuracy": 0.6, "roc_auc": 0.5}},
    "verdict": "Forest predicts rich best.",
    "methods": [
        {"label": "random forest", "scores": SCORES, "seconds": {"fit": 1.25, "predict": 0.25}, "difference": None},
        {
            "label": "decision tree",
            "scores": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}},
            "seconds": {"fit": 0.1},
            "difference": {"value": -0.0765, "p": 0.01, "p_adjusted": 0.024},
            "test": {"accuracy": {"value": 0.79}},
        },
        {"label": "support vectors", "scores": {}, "seconds": {}, "difference": None, "note": "too many rows"},
    ],
}

TRIALS = [
    {"number": 0, "parameters": {}, "state": "succeeded", "score": 0.8, "seconds": 1.0},
    {"number": 1, "parameters": {"depth": 4}, "state": "succeeded", "score": 0.9, "seconds": 1.0},
]
SEARCHED = {"method": "tree", "trials": TRIALS, "best": 1, "score": "accuracy", "options": {"depth": 4}}
SEARCHED |= {"verdict": "decision tree for a: accuracy 0.9."}


class Service:
    """Answers as the service would, and keeps what it was asked."""

    def __init__(self, sections: dict[str, Any]) -> None:
        self.sections, self.jobs, self.schemas = sections, list[dict[str, Any]](), list[dict[str, Any]]()
        self.uploads = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        if path == "/v1/datasets":
            self.uploads += 1
            return httpx.Response(202, json={"id": f"ds_{self.uploads}", "job_id": "job_p", "row_count": 50})
        if path.startswith("/v1/datasets/") and request.method == "PATCH":
            self.schemas.append(json.loads(body))
            return httpx.Response(200, json={})
        if path.startswith("/v1/datasets/"):
            return httpx.Response(200, json={"id": path.rsplit("/", 1)[1], "row_count": 50})
        if path == "/v1/jobs":
            self.jobs.append(json.loads(body))
        if path.startswith("/v1/jobs"):
            result = {"report_id": "rep_1", **SEARCHED}
            return httpx.Response(200, json={"id": "job_1", "state": "succeeded", "result": result})
        if request.url.params.get("format") == "html":
            return httpx.Response(200, text="<html>")
        shape = {"name": "shape", "value": 0.1, "bar": 0.2, "status": "pass", "direction": "lower"}
        return httpx.Response(200, json={"id": "rep_1", "metrics": [shape], "sections": self.sections})


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service({"verdict": {"summary": "Fine."}, "comparisons": [COMPARED]})

    def client(*_: Any) -> Client:
        return Client("http://service", "pop_a_b", transport=httpx.MockTransport(service))

    @contextmanager
    def local(*_: Any) -> Any:
        with client() as made:
            yield made

    for command in ("evaluate", "compare", "search"):
        monkeypatch.setattr(f"populace.commands.{command}.local", local)
    for command in ("compare", "jobs", "tuning"):
        monkeypatch.setattr(f"populace.commands.{command}.connect", client)
    return service


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "table.csv"
    made.write_text("a,b\n1,2\n")
    return made


def test_evaluate_sends_tables_and_options(service: Service, file: Path, tmp_path: Path) -> None:
    analyses, options, page, data = (tmp_path / n for n in ("a.json", "o.json", "r.html", "r.json"))
    analyses.write_text('[{"formula": "a ~ b"}]')
    options.write_text('{"rows": 900, "known": ["z"]}')
    args = ["evaluate", str(file), str(file), "--holdout", str(file), "--target", "b", "--weights", "w", "--seed", "4"]
    args += ["--analyses", str(analyses), "--options", str(options), "--known", "a, b", "--sensitive", "c"]
    done = run(app, [*args, "--report", str(page), "--json", str(data)])
    assert done.exit_code == 0, done.output
    assert service.jobs == [
        {
            "kind": "evaluate", "real": "ds_1", "synthetic": "ds_2", "holdout": "ds_3", "target": "b", "seed": 4,
            "evaluation": {"rows": 900, "known": ["a", "b"], "sensitive": ["c"], "analyses": [{"formula": "a ~ b"}]},
        }
    ]  # fmt: skip
    assert service.schemas == [{"columns": [{"name": "w", "kind": "weight"}]}]
    assert page.read_text() == "<html>"
    assert json.loads(data.read_text())["metrics"][0]["name"] == "shape"
    assert done.stdout.splitlines()[1].split() == ["shape", "0.1", "0.2", "lower", "pass"]
    assert done.stdout.splitlines()[-1] == "Fine."


def test_targets_may_be_repeated_and_the_first_is_the_headline(service: Service, file: Path) -> None:
    asked = ["--target", "b", "--target", "a", "--target", "c"]
    assert run(app, ["evaluate", str(file), str(file), *asked]).exit_code == 0
    assert run(app, ["jobs", "evaluate", "smp_1", *asked[:4], "--no-wait"]).exit_code == 0
    assert [(j["target"], j["evaluation"]) for j in service.jobs] == [
        ("b", {"targets": ["a", "c"]}), ("b", {"targets": ["a"]}),
    ]  # fmt: skip


def test_further_samples_are_sent_in_their_order(service: Service, file: Path) -> None:
    done = run(app, ["evaluate", *[str(file)] * 4, "--holdout", str(file), "--combining", "partial"])
    assert done.exit_code == 0, done.output
    assert run(app, ["jobs", "evaluate", "smp_1", "smp_2", "smp_3", "--no-wait"]).exit_code == 0
    assert service.jobs == [
        {
            "kind": "evaluate", "real": "ds_1", "synthetic": "ds_2", "holdout": "ds_3", "replicates": ["ds_4", "ds_5"],
            "combining": "partial",
        },
        {"kind": "evaluate", "sample_id": "smp_1", "replicates": ["smp_2", "smp_3"]},
    ]  # fmt: skip


def test_several_samples_differ_by_their_seeds_alone(service: Service) -> None:
    words = ["jobs", "sample", "syn_1", "--rows", "5", "--where", "age>=9", "--no-wait", "--samples"]
    assert run(app, [*words, "3", "--seed", "4294967294"]).stdout.split() == ["job_1"] * 3
    seeds = [job.pop("seed") for job in service.jobs]
    assert seeds == [2**32 - 2, 2**32 - 1, 0]
    assert service.jobs == [{"kind": "sample", "synthesizer_id": "syn_1", "rows": 5, "where": ["age>=9"]}] * 3
    service.jobs.clear()
    assert run(app, [*words, "2"]).exit_code == 0
    assert (service.jobs[1]["seed"] - service.jobs[0]["seed"]) % 2**32 == 1
    assert run(app, [*words, "21"]).exit_code == 2


def test_files_of_several_samples_are_numbered() -> None:
    assert numbered(Path("a/made.csv.gz"), 2) == Path("a/made-2.csv.gz")
    assert numbered(Path("made.parquet"), 1) == Path("made-1.parquet")
    refused = run(app, ["synth", __file__, "--samples", "2"])
    assert refused.exit_code == 2
    assert "--output" in refused.output


def test_json_to_standard_output_leaves_nothing_else_there(service: Service, file: Path) -> None:
    done = run(app, ["evaluate", str(file), str(file), "--json", "-"])
    assert json.loads(done.stdout)["id"] == "rep_1"
    assert "shape" in done.stderr


def test_compare_sends_targets_and_shows_a_table(service: Service, file: Path) -> None:
    args = ["compare", str(file), "--target", "a", "--target", "b", "--together", "c,d", "--methods", "tree, svm"]
    args += ["--folds", "3", "--groups", "user", "--option", "scaling=robust", "--option", "repeats=2"]
    done = run(app, [*args, "--test", str(file)])
    assert done.exit_code == 0, done.output
    assert service.jobs == [
        {
            "kind": "compare", "dataset_id": "ds_1", "test": "ds_2", "targets": ["a", "b", ["c", "d"]], "folds": 3,
            "methods": ["tree", "svm"], "groups": "user", "options": {"scaling": "robust", "repeats": 2},
        }
    ]  # fmt: skip
    assert "random forest" in done.stdout
    assert done.stdout.rstrip().endswith("Forest predicts rich best.")


def test_compare_on_a_sample_of_a_service(service: Service) -> None:
    done = run(app, ["compare", "--sample", "smp_1", "--target", "a"])
    assert done.exit_code == 0, done.output
    assert service.jobs == [{"kind": "compare", "sample_id": "smp_1", "targets": ["a"]}]


def test_tune_sends_the_search_and_shows_its_trials(service: Service, file: Path, tmp_path: Path) -> None:
    space, best = tmp_path / "space.json", tmp_path / "best.json"
    space.write_text('{"depth": [2, 4]}')
    args = ["--target", "a", "--method", "tree", "--search", "grid", "--folds", "3", "--space", str(space)]
    done = run(app, ["tune", str(file), *args, "--trials", "2", "--max-time", "1m", "--output", str(best)])
    assert done.exit_code == 0, done.output
    assert service.jobs == [
        {
            "kind": "tune", "dataset_id": "ds_1", "target": "a", "method": "tree", "search": "grid", "trials": 2,
            "max_time": 60.0, "space": {"depth": [2, 4]}, "options": {"folds": 3},
        }
    ]  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["trial", "0", "1*"]
    assert lines[-1] == "decision tree for a: accuracy 0.9."
    assert json.loads(best.read_text()) == {"depth": 4}
    shown = run(app, ["jobs", "tune", "ds_1", "--target", "a", "--method", "tree"])
    assert shown.exit_code == 0, shown.output
    assert "decision tree for a: accuracy 0.9." in shown.stderr
    assert service.jobs[1] == {"kind": "tune", "dataset_id": "ds_1", "target": "a", "method": "tree"}


def test_jobs_of_a_service(service: Service) -> None:
    assert run(app, ["jobs", "evaluate", "ds_2", "--real", "ds_1", "--no-wait"]).stdout == "job_1\n"
    assert run(app, ["jobs", "compare", "ds_1", "--target", "a", "--no-wait"]).stdout == "job_1\n"
    assert run(app, ["jobs", "evaluate", "smp_1", "--no-wait"]).exit_code == 0
    assert service.jobs == [
        {"kind": "evaluate", "real": "ds_1", "synthetic": "ds_2"},
        {"kind": "compare", "dataset_id": "ds_1", "targets": ["a"]},
        {"kind": "evaluate", "sample_id": "smp_1"},
    ]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["compare", "FILE"], 2, "column to predict"),
        (["compare", "--target", "a"], 2, "give a file"),
        (["compare", "FILE", "--sample", "s", "--target", "a"], 2, "give a file"),
        (["compare", "--sample", "s", "--target", "a", "--test", "FILE"], 2, "belongs to a file"),
        (["evaluate", "FILE"], 2, "SYNTHETIC"),
        (["evaluate", "FILE", "no.csv"], 2, "does not exist"),
        (["evaluate", "FILE", "FILE", "--report", "/nowhere/r.html"], 1, "no folder"),
        (["evaluate", "FILE", "FILE", "--analyses", "FILE"], 1, "not JSON"),
        (["jobs", "evaluate", "ds", "--holdout", "ds"], 2, "--real"),
        (["jobs", "evaluate", "smp", "--combining", "simple"], 2, "name more than one"),
        (["evaluate", "FILE", "FILE", "--combining", "simple"], 2, "name more than one"),
        (["evaluate", "FILE", "FILE", "FILE", "--combining", "best"], 2, "simple"),
        (["evaluate", "FILE", "FILE", *["FILE"] * 20], 2, "at most 20"),
    ],
)
def test_wrong_usage_starts_nothing(service: Service, file: Path, args: list[str], code: int, words: str) -> None:
    done = run(app, [str(file) if a == "FILE" else a for a in args])
    assert done.exit_code == code, done.output
    assert words in " ".join(done.output.replace("│", " ").split())
    assert service.uploads == 0
    assert service.jobs == []


def test_comparison_table() -> None:
    lines = comparison_table(Report(id="r", sections={"comparisons": [COMPARED]})).splitlines()
    assert lines[0] == "rich: 1,234 rows, stratified 5-fold cross-validation"
    assert lines[1].split("  ")[0] == "method"
    assert "on test" in lines[1]
    forest, tree, svm, majority = lines[2:6]
    assert forest.split() == ["random", "forest", "0.8765", "0.85", "to", "0.9", "0.93", "1.5"]
    assert tree.split() == ["decision", "tree", "0.8", "0.7", "to", "0.9", "0.79", "0.0765", "(p", "0.024)", "0.1"]
    assert svm.endswith("too many rows")
    assert majority.split() == ["majority", "class", "0.6", "0.5"]
    assert lines[6] == "Forest predicts rich best."


def test_scorecard_shows_the_headline_and_the_verdict() -> None:
    row = {"subject": "", "value": 0.5, "ceiling": 0.4, "holdout": 0.45, "floor": 9.0, "note": "", "goal": 0.0}
    metrics = (
        {**row, "name": "shape", "direction": "lower", "bar": 0.6, "status": "pass"},
        {**row, "name": "shape", "subject": "age", "direction": "lower"},
        {**row, "name": "dcr_share", "direction": "target", "goal": 0.5},
        {**row, "name": "utility_auc", "subject": "mlp", "value": None, "note": "no target", "direction": "higher"},
    )
    plain = scorecard(Report(id="r", metrics=metrics)).splitlines()
    assert [line.split()[0] for line in plain] == ["figure", "shape", "dcr_share"]
    assert plain[1].split() == ["shape", "0.5", "0.6", "0.45", "0.4", "9", "lower", "pass"]
    assert plain[2].endswith("near 0.5")
    sections = {
        "scorecard": {"headline": [{"name": "utility_auc", "subject": "mlp"}, {"name": "shape", "subject": ""}]},
        "verdict": {"summary": "Fine.", "problems": [{"text": "Age is off.", "try": "Train longer."}]},
        "validity": {
            "left_out": [{"column": "pay", "lacking": ["synthetic"]}],
            "cells": [{"table": "holdout", "column": "job", "what": "no numbers", "cells": 3, "of": 9, "distinct": 1}],
        },
    }
    lines = scorecard(Report(id="r", metrics=metrics, sections=sections)).splitlines()
    assert lines[1].startswith("utility_auc (mlp)")
    assert lines[1].endswith("no target")
    assert lines[2].startswith("shape")
    assert lines[3:] == [
        "Not compared: pay (not in synthetic).",
        "holdout, column job: 3 of 9 cells are no numbers.",
        "Fine.",
        "- Age is off. Train longer.",
    ]
