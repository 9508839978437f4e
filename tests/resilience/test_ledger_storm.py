"""The short version of `make ledger-storm`: processes that submit against one budget at once, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.resilience.ledger_storm import storm


@pytest.mark.parametrize("fit", [25, 40], ids=["too many", "all fit"])
def test_on_sqlite(tmp_path: Path, fit: int) -> None:
    found = storm(tmp_path, None, processes=4, submissions=10, fit=fit)
    assert (found["accepted"], found["submissions"]) == (fit, 40)


def test_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    found = storm(tmp_path, postgres_url, processes=4, submissions=10, fit=25)
    assert (found["accepted"], found["refused"]) == (25, 15)
