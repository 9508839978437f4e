"""The real verb of a private job on two neighbouring tables: all that comes out is of one structure, and decided on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.dp import fitting
from models.dp.marginals import MarginalOptions
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.privacy.plan import plan
from models.schema import Column, Kind, Schema
from models.table import parquet_bytes
from worker.private import outcome, undecided
from worker.reporting import Reporter
from worker.verbs import private, synthesize

SCHEMA = Schema(
    (
        Column("home", Kind.IDENTIFIER),
        Column("sex", Kind.CATEGORICAL, categories=("f", "m"), public=True),
        Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True, evidence={"distinct": 77}),
        Column("income", Kind.CATEGORICAL, categories=("low", "high"), public=True),
    )
)
PRIVACY = PrivacyOptions.from_json(
    {"epsilon": 8.0, "delta": 1e-6, "shares": {"domain": 0, "fit": 0.7, "evaluation": 0.3}}
)
ROWS = 700


def people(rows: int) -> pa.Table:
    """The last row of all is none that the domain knows."""
    rng = np.random.default_rng(0)
    age = rng.integers(0, 100, ROWS)
    income = np.where(rng.random(ROWS) < 0.1 + 0.8 * (age > 40), "high", "low")
    sex = rng.choice(["f", "m"], ROWS)
    table = [(f"h{i}", sex[i], str(age[i]), income[i]) for i in range(ROWS - 1)]
    table.append(("somebody", "unheard-of", "nonsense", "surprising"))
    return pa.table({name: [str(r[i]) for r in table[-rows:]] for i, name in enumerate(SCHEMA.names)})


def loud(real: Any, sample: Any, spec: Any, fraction: float, seed: int, progress: Reporter, **_: Any) -> dict[str, Any]:
    """Stands for the internal evaluation, which is as long as all others, and tells of the rows as it goes."""
    progress.step("evaluate")
    progress.update(1.0, f"{len(real)} rows", rows=len(real))
    return {"metrics": [], "sections": {"rows": len(real)}, "meta": {}}


class Loud(Reporter):
    """Keeps what is said before the filter, too."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.raw: list[tuple[str, dict[str, Any]]] = []

    def say(self, type: str, **data: Any) -> None:
        self.raw.append((type, data))
        super().say(type, **data)


def came_out(folder: Path, rows: int, selection: bool) -> tuple[list[Any], dict[str, Any], list[str], set[str]]:
    """(messages, outcome, files, fields that nobody has decided on). selection: noise says which tables there are."""
    asked = {**PRIVACY.to_json(), "options": {"selection": selection}}
    for name in ("in", "out", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "in" / "table.parquet").write_bytes(parquet_bytes(people(rows)))
    history = {account: [e.to_json() for e in events] for account, events in plan(PRIVACY, SCHEMA).items()}
    spec = {
        "privacy": {**asked, "history": history}, "options": FitOptions(target="income").to_json(),
        "rows": None, "most_rows": 2_000, "where": [], "balance": None, "mode": "full", "seed": 1, "target": "income",
        "holdout": 0.1,
    }  # fmt: skip
    job = {"kind": "synthesize", "spec": spec, "schema": SCHEMA.to_json(), "threads": 1, "private": True}
    out = io.StringIO()
    reporter = Loud(out, folder, 0.0, True)
    found = synthesize.run(job, folder, reporter)
    unknown = {f for type, data in reporter.raw for f in undecided(type, data)} | undecided("outcome", found)
    told = outcome(found)
    assert told.pop("evaluation")["sections"]["rows"] == rows  # internal
    files = sorted(str(p.relative_to(folder)) for p in (folder / "out").iterdir())
    return [json.loads(line) for line in out.getvalue().splitlines()], told, files, unknown


def structure(value: Any) -> Any:
    """Names, words and kinds, without the figures; lists of things in an order of their own."""
    if isinstance(value, dict):
        return {k: structure(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted((structure(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short fit, and no real evaluation."""
    inner = fitting.fit
    short = MarginalOptions(1, 1e-6).plan.__class__(latent=50, steps=40)
    monkeypatch.setattr(fitting, "fit", lambda found, _, seed, progress: inner(found, short, seed, progress))
    monkeypatch.setattr(private, "assess", loud)


def test_neighbouring_tables_come_out_alike(tmp_path: Path, quick: None) -> None:
    """Also in the number of tables, where all are counted; which are chosen is noisy, and nothing else may differ."""
    one, other = came_out(tmp_path / "one", ROWS, False), came_out(tmp_path / "other", ROWS - 1, False)
    third = came_out(tmp_path / "third", 1, True)
    for again in (other, third):
        messages = [[m for m in said if m["type"] != "progress"] for said in (one[0], again[0])]
        assert messages[0] == messages[1]  # word for word
        assert one[2] == again[2]
    assert structure(one[1]) == structure(other[1])
    assert {m["message"] for m in one[0] if m["type"] == "progress"} <= {""}
    more = [came_out(tmp_path / f"again-{i}", ROWS, True) for i in range(2)]
    words = [json.dumps([told[0], told[1]]) for told in (one, *more)]
    for secret in ("unheard-of", "nonsense", "surprising", "somebody", '"distinct": 77'):
        assert not any(secret in text for text in words)
    for secret in (f" {ROWS} ", f" {ROWS},"):  # a noisy number may be the true one now and then
        assert not all(secret in text for text in words)


def test_every_field_is_decided_on(tmp_path: Path, quick: None) -> None:
    """A new one is dropped, and found here: write into worker/private.py whether it may leave, and why."""
    for selection in (True, False):
        assert came_out(tmp_path / str(selection), ROWS, selection)[3] == set()
