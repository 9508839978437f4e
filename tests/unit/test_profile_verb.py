"""The profile verb as a job's child runs it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidInput
from worker.reporting import Reporter
from worker.verbs.profile import run


def profiled(folder: Path, content: str, target: str | None) -> dict[str, Any]:
    for name in ("in", "out"):
        (folder / name).mkdir()
    (folder / "in" / "upload").write_text(content)
    limits = {"max_unpacked_bytes": 10**6, "max_rows": 10**4, "max_columns": 10}
    job = {"filename": "t.csv", "limits": limits, "spec": {"dataset_id": "d", "target": target}}
    outcome = run(job, folder, Reporter(io.StringIO(), folder, 1e9))
    assert (folder / "out" / "table.parquet").is_file()
    return dict(outcome["profile"])


def table(rows: int = 540) -> str:
    """`sick` is rare, and `treated` gives it away."""
    lines = ["age,sick,treated"]
    lines += [f"{20 + i % 61},{'yes' if i % 27 == 0 else 'no'},{'T' if i % 27 == 0 else 'F'}" for i in range(rows)]
    return "\n".join(lines) + "\n"


def test_with_a_target_its_balance_and_leaks_are_found(tmp_path: Path) -> None:
    found = profiled(tmp_path, table(), "sick")
    assert found["target"]["column"] == "sick"
    assert found["target"]["smallest_share"] == pytest.approx(1 / 27)
    codes = {(f["code"], f["column"]) for f in found["findings"]}
    assert ("imbalanced_target", "sick") in codes
    assert any(c["column"] == "treated" and c["score"] > 0.99 for c in found["target"]["columns"])


def test_without_a_target_there_is_none(tmp_path: Path) -> None:
    found = profiled(tmp_path, table(), None)
    assert found["target"] is None
    assert "imbalanced_target" not in {f["code"] for f in found["findings"]}


def test_an_unknown_target_is_refused_with_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        profiled(tmp_path, table(), "sik")
    assert "sick" in raised.value.hint
