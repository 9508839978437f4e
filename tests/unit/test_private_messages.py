"""What the process of a private job says: an allowlist, the same for neighbouring tables, and complete."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import Cancelled, InvalidCondition, InvalidData, InvalidPrivacy, PopulaceError
from worker.private import PUBLIC, WITHHELD, failure, outcome, undecided
from worker.reporting import Reporter
from worker.runner import problem_of


def said(folder: Path, speak: Any, private: bool = True) -> list[dict[str, Any]]:
    out = io.StringIO()
    (folder / "out").mkdir(exist_ok=True)
    speak(Reporter(out, folder, 0.0, private))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def rowwise(rows: int) -> Any:
    """Speaks as a job does that tells of its rows wherever it can."""

    def speak(progress: Reporter) -> None:
        progress.step("read")
        progress.update(1.0, f"{rows:,} rows", rows=rows)
        progress.step("train")
        progress.event("touched", {"accounts": ["fit"], "rows": rows})
        progress.event("noise", {"accounts": ["fit"], "first": rows / 7})
        progress.update(1.0, f"step 3 of {rows}", step=3, loss=rows / 3, residual=0.9)
        progress.event("trial", {"score": rows})
        kept = progress._folder / "kept"
        kept.mkdir(exist_ok=True)
        progress.checkpoint(kept, step=3, loss=rows / 3)
        progress.step("evaluate")
        progress.update(1.0, f"{rows} rows")
        progress.say("error", problem=problem_of(InvalidData(f"Line {rows} has 2 cells.", hint=str(rows))))
        progress.say("surprise", rows=rows)

    return speak


def test_neighbouring_tables_say_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    told = said(one, rowwise(1_000))
    assert told == said(other, rowwise(999))
    assert [m["type"] for m in told] == [
        "step", "step", "event", "event", "progress", "checkpoint", "step", "error"
    ]  # fmt: skip
    assert told[2] == {"type": "event", "name": "touched", "data": {"accounts": ["fit"]}}
    assert told[4] == {"type": "progress", "fraction": 1.0, "message": "", "values": {"step": 3.0, "residual": 0.9}}
    assert told[5]["meta"] == {"step": 3}
    assert told[7]["problem"] == failure()


def test_others_say_all(tmp_path: Path) -> None:
    told = said(tmp_path, rowwise(1_000), private=False)
    assert {"type": "event", "name": "trial", "data": {"score": 1000}} in told
    assert told[-2]["problem"]["detail"] == "Line 1000 has 2 cells."


@pytest.mark.parametrize(
    "error", [Cancelled("The work was stopped."), InvalidPrivacy("Too wide."), InvalidCondition("Nobody is 200.")]
)
def test_what_depends_on_no_row_is_no_secret(tmp_path: Path, error: PopulaceError) -> None:
    problem = error.to_problem()
    (told,) = said(tmp_path, lambda progress: progress.say("error", problem=problem))
    assert told["problem"] == problem


def test_conditions_of_real_rows_are_withheld(tmp_path: Path) -> None:
    def speak(progress: Reporter) -> None:
        progress.step("evaluate")
        progress.say("error", problem=InvalidCondition("Fewer than 20 rows meet it.").to_problem())

    assert said(tmp_path, speak)[-1]["problem"] == failure()


def test_the_outcome_keeps_what_is_allowed() -> None:
    split = {"seed": 1, "fraction": 0.1, "method": "given", "train_rows": 900, "holdout_rows": 100}
    manifest = {"model": "masked", "curve": [1.0], "split": split, "rules": [{"rule": "a", "broken": 3}], "new": 4}
    found = outcome({"rows": 5, "manifest": manifest, "evaluation": {}, "public": {}, "filled": {"age": 3}, "new": 1})
    assert set(found) == {"rows", "manifest", "evaluation", "public"}
    assert found["manifest"] == {"model": "masked", "split": {"seed": 1, "fraction": 0.1, "method": "given"}}


@pytest.mark.parametrize(
    ("type", "data", "names"),
    [
        ("progress", {"fraction": 1, "message": "", "values": {"step": 1, "ppl": 2}}, {"progress.values.ppl"}),
        ("event", {"name": "noise", "data": {"accounts": [], "count": 3}}, {"event.noise.count"}),
        ("event", {"name": "counted", "data": {"rows": 3}}, {"event.counted.rows"}),
        ("outcome", {"rows": 3, "found": 1, "manifest": {"bins": 3, "split": {"units": 4}}},
         {"outcome.found", "manifest.bins", "manifest.split.units"}),
        ("surprise", {"rows": 1}, {"surprise.rows"}),
        ("error", {"problem": {}}, set()),
    ],
)  # fmt: skip
def test_new_fields_are_noticed(type: str, data: dict[str, Any], names: set[str]) -> None:
    assert undecided(type, data) == names


def test_no_field_is_on_both_lists() -> None:
    assert not PUBLIC & WITHHELD
