"""The search itself, on a small invented table and trials of a few steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import models.tuning.search as search
from models.errors import Cancelled, InvalidData, InvalidInput
from models.options import FitOptions
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.synthesize import Synthesizer, fit, split
from models.table import Table
from models.tuning.options import TuneOptions
from models.tuning.search import Tuning, tune
from models.tuning.space import parse_space
from models.tuning.study import suggest
from models.tuning.trials import Trial

OPTIONS = FitOptions(seed=5, threads=1, steps=None, batch=32, depth=1, adversarial="never")
SPACE = {
    "steps": {"low": 4, "high": 12},
    "hidden": [8, 16, 32],
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
}


def table(rows: int = 300) -> Table:
    """Key, number, and a group that depends on the number."""
    rng = np.random.default_rng(1)
    size = rng.integers(0, 40, rows)
    group = np.where(size + rng.normal(0, 5, rows) > 20, "high", "low")
    columns = (
        Column("key", Kind.IDENTIFIER),
        Column("size", Kind.INTEGER, minimum=0, maximum=39),
        Column("group", Kind.CATEGORICAL, categories=("high", "low")),
    )
    texts = {"key": np.arange(rows).astype(str), "size": size.astype(str), "group": group}
    return Table(Schema(columns), pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in texts.items()}))


def options(**more: Any) -> TuneOptions:
    return TuneOptions.from_json({"trials": 5, "space": SPACE, **more})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trial 0 has the defaults, which would train for long: cut its plan to 12 steps."""

    def short(data: Any, *, options: FitOptions, **more: Any) -> Synthesizer:
        return fit(data, options=replace(options, steps=options.steps or 12, hidden=options.hidden or 16), **more)

    monkeypatch.setattr(search, "fit", short)
    monkeypatch.setattr("models.gan.trainer.CHECKPOINT_EVERY", 0.0)


@pytest.fixture(scope="module")
def found() -> Tuning:
    with pytest.MonkeyPatch.context() as patch:
        quick.__wrapped__(patch)  # type: ignore[attr-defined]
        return tune(table(), options=OPTIONS, tuning=options())


def facts(found: Tuning) -> list[Mapping[str, Any]]:
    return [t.to_json() | {"seconds": 0} for t in found.trials]


def test_the_best_trial_and_its_options(found: Tuning) -> None:
    assert [t.number for t in found.trials] == list(range(5))
    assert found.trials[0].parameters == {}
    assert all(set(t.parameters) == set(SPACE) for t in found.trials[1:])
    assert all(4 <= t.parameters["steps"] <= 12 for t in found.trials[1:])
    assert {t.state for t in found.trials} == {"succeeded"}
    assert found.best.score == max(t.score or 0 for t in found.trials)
    assert (found.score, found.better, found.ended) == ("c2st", "higher", "trials")
    assert found.rows == {"learnt": 216, "judged": 54, "holdout": 30}
    assert found.real is not None
    assert 0 <= found.real <= 1
    assert found.error is not None
    assert 0.01 < found.error < 0.3, "54 rows to judge by"
    assert dict(found.options) == {"batch": 32, "depth": 1, "adversarial": "never", **found.best.parameters}
    FitOptions.from_json(dict(found.options))


def test_the_same_seed_makes_the_same_trials(found: Tuning) -> None:
    again = tune(table(), options=OPTIONS, tuning=options())
    assert facts(again) == facts(found)
    other = tune(table(), options=replace(OPTIONS, seed=6), tuning=options(trials=2))
    assert other.trials[1].parameters != found.trials[1].parameters


class StopAt(Silent):
    """Cancels the work at the n-th check after so many trials."""

    def __init__(self, trials: int, checks: int) -> None:
        self.trials, self.checks = trials, checks
        self.kept = 0

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        assert type == "trial"
        self.trials -= 1

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        assert (folder / "manifest.json").exists() or (folder / "trial" / "manifest.json").exists()
        self.kept += 1

    def check(self) -> None:
        if self.trials <= 0:
            self.checks -= 1
            if self.checks < 0:
                raise Cancelled("stop")


@pytest.mark.parametrize("checks", [0, 6])
def test_a_search_that_was_stopped_goes_on_with_the_same_trials(found: Tuning, tmp_path: Path, checks: int) -> None:
    stop = StopAt(2, checks)
    with pytest.raises(Cancelled):
        tune(table(), options=OPTIONS, tuning=options(), progress=stop, checkpoint=tmp_path)
    assert stop.kept >= 2
    begun: list[int] = []

    class Listen(Silent):
        def event(self, type: str, data: Mapping[str, Any]) -> None:
            begun.append(data["number"])

    resumed = tune(table(), options=OPTIONS, tuning=options(), progress=Listen(), checkpoint=tmp_path)
    assert begun == [2, 3, 4], "finished trials are not made again"
    assert facts(resumed) == facts(found)


def test_trials_of_another_search_are_not_taken(tmp_path: Path) -> None:
    tune(table(), options=OPTIONS, tuning=options(trials=2), checkpoint=tmp_path)
    other = tune(table(290), options=OPTIONS, tuning=options(trials=2), checkpoint=tmp_path)
    assert facts(other) == facts(tune(table(290), options=OPTIONS, tuning=options(trials=2)))
    (tmp_path / "manifest.json").write_text("{")
    again = tune(table(), options=OPTIONS, tuning=options(trials=2), checkpoint=tmp_path)
    assert len(again.trials) == 2


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = search.fit, []

    def broken(data: Any, **more: Any) -> Synthesizer:
        calls.append(more["options"])
        if len(calls) in (1, 3):
            raise RuntimeError("cell 'secret-value'")
        return real(data, **more)

    monkeypatch.setattr(search, "fit", broken)
    found = tune(table(), options=OPTIONS, tuning=options(trials=4))
    assert [t.state for t in found.trials] == ["failed", "succeeded", "failed", "succeeded"]
    assert found.trials[0].reason == "It failed unexpectedly (RuntimeError)."
    assert found.best.number in (1, 3)
    monkeypatch.setattr(search, "fit", lambda *a, **k: (_ for _ in ()).throw(InvalidInput("Too wide.")))
    with pytest.raises(InvalidData, match=r"No trial succeeded: Too wide\."):
        tune(table(), options=OPTIONS, tuning=options(trials=3))
    begun: list[int] = []
    monkeypatch.setattr(search, "fit", lambda *a, **k: begun.append(1) or 1 / 0)
    with pytest.raises(InvalidData, match="ZeroDivisionError"):
        tune(table(), options=OPTIONS, tuning=options(trials=30))
    assert len(begun) == 5, "it is not for the options"


def test_time_and_an_exhausted_space_end_the_search() -> None:
    few = tune(table(), options=replace(OPTIONS, depth=None), tuning=options(trials=50, space={"depth": [1, 2]}))
    assert few.ended == "space"
    assert sorted(t.parameters["depth"] for t in few.trials[1:]) == [1, 2]
    short = tune(table(), options=OPTIONS, tuning=options(trials=500, max_time=1.0))
    assert short.ended == "time"
    assert 1 <= len(short.trials) < 500


def test_the_final_holdout_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[str], set[str]]] = []
    real = search.fit

    def watched(data: Table, *, holdout: Table, **more: Any) -> Synthesizer:
        seen.append((set(data.data["key"].to_pylist()), set(holdout.data["key"].to_pylist())))
        return real(data, holdout=holdout, **more)

    monkeypatch.setattr(search, "fit", watched)
    tune(table(), options=OPTIONS, tuning=options(trials=2))
    train, final = (set(map(str, rows)) for rows in split(300, OPTIONS.holdout, OPTIONS.seed))
    for learnt, judged in seen:
        assert learnt | judged == train
        assert not learnt & judged
        assert not (learnt | judged) & final


def test_likelihood_prunes_and_takes_lower_for_better() -> None:
    found = tune(table(), options=OPTIONS, tuning=options(objective="likelihood", trials=12))
    assert found.better == "lower"
    scores = [t.score for t in found.trials if t.score is not None]
    assert found.best.score == min(scores)
    assert all(t.score is None for t in found.trials if t.state == "pruned")


def test_utility_needs_a_target_that_can_be_predicted() -> None:
    found = tune(table(), options=OPTIONS, tuning=options(objective="utility", trials=2), target="group")
    assert found.score == "utility_auc"
    assert found.real is not None
    assert found.real > 0.8
    assert found.error is not None
    number = tune(table(), options=OPTIONS, tuning=options(objective="utility", trials=2), target="size")
    assert number.score == "utility_r2"
    assert number.error is None
    for target in (None, "key", "nothing"):
        with pytest.raises(InvalidInput, match="needs a target"):
            tune(table(), options=OPTIONS, tuning=options(objective="utility"), target=target)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InvalidData, match="to judge by"):
        tune(table(80), options=OPTIONS, tuning=options())
    with pytest.raises(InvalidData, match="to learn from"):
        tune(table(11), options=OPTIONS, tuning=options(objective="likelihood"))


def test_what_is_worse_than_half_of_the_others_is_pruned() -> None:
    past = [Trial(n, {"depth": n + 1}, "succeeded", 10.0 + n, 1.0, curve={5: 10.0 + n}) for n in range(6)]
    asked = {"better": "lower", "seed": 1, "most": 20}
    assert not suggest(parse_space({"depth": {"low": 1, "high": 16}}), past, {}, **asked).worse(5, 12.0)
    assert suggest(parse_space({"depth": {"low": 1, "high": 16}}), past, {}, **asked).worse(5, 13.0)
    assert not suggest(parse_space({"depth": {"low": 1, "high": 16}}), past[:3], {}, **asked).worse(5, 13.0)


def test_model_ctgan_is_searched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "fit", fit)
    shared = FitOptions(seed=5, threads=1, model="ctgan", epochs=2, batch=40)
    found = tune(table(), options=shared, tuning=options(trials=3, space={"hidden": [8, 16], "pac": [4, 8]}))
    assert {t.state for t in found.trials} == {"succeeded"}
    assert found.options["model"] == "ctgan"
    assert FitOptions.from_json(dict(found.options)).epochs == 2
    assert set(found.options) <= {"model", "epochs", "batch", "hidden", "pac"}
