"""populace audit: a table or JSON of what the audits find, from a process of its own; exit code 1 if one fails."""

import json
import sys

import pytest
from typer.testing import CliRunner

from populace import audit
from populace.cli import app

GOOD = {"name": "canary", "passed": True, "found": "606 of 800", "claim": 1, "lower": 0.8, "p": 0.5, "seconds": 2}
BAD = {**GOOD, "name": "noise", "passed": False, "found": "none\x1b", "claim": None, "lower": None, "p": 1e-9}


def stand_in(monkeypatch: pytest.MonkeyPatch, code: int, *found: dict[str, object]) -> None:
    """A process that prints these findings, its arguments among them, and ends with this code."""
    lines = "".join(f"print({json.dumps(json.dumps(f))})\n" for f in found)
    program = f"import os, sys\n{lines}assert os.environ['OMP_NUM_THREADS'] == '1'\nsys.exit({code})"
    monkeypatch.setattr(audit, "COMMAND", (sys.executable, "-c", program))


def test_a_table_and_success(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, 0, GOOD)
    result = CliRunner().invoke(app, ["audit"])
    assert result.exit_code == 0
    head, line = result.stdout.splitlines()
    assert head.split() == ["audit", "claim", "lower", "p", "seconds", "found"]
    assert line.split() == ["ok", "canary", "1", "0.800", "0.5", "2.0", "606", "of", "800"]


def test_a_failed_audit_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, 1, GOOD, BAD)
    result = CliRunner().invoke(app, ["audit", "--json"])
    assert result.exit_code == 1
    assert [f["passed"] for f in json.loads(result.stdout)] == [True, False]
    text = CliRunner().invoke(app, ["audit"]).stdout
    assert "FAIL" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("code", "found"), [(1, [GOOD]), (0, [BAD]), (3, []), (0, [])])
def test_audits_that_do_not_end_well_are_no_success(
    monkeypatch: pytest.MonkeyPatch, code: int, found: list[dict[str, object]]
) -> None:
    stand_in(monkeypatch, code, *found)
    assert CliRunner().invoke(app, ["audit"]).exit_code == 1


def test_full_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys, json; print(json.dumps({'passed': sys.argv[1:] == ['--full']}))"
    monkeypatch.setattr(audit, "COMMAND", (sys.executable, "-c", program))
    assert list(audit.findings(True)) == [{"passed": True}]
