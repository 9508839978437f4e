"""populace doctor: each finding has a state and, where it is not well, a way out; no secret is shown."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from populace import doctor
from populace.cli import app
from populace.doctor import Check
from service.settings import Settings

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(mode="embedded", home=tmp_path, database_url=None, broker_url=None, work_dir=None)


def test_key_file_must_be_private(tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert doctor.key_file(key).state == "ok"
    key.write_text("pop_a_b")
    key.chmod(0o600)
    assert doctor.key_file(key).state == "ok"
    key.chmod(0o644)
    found = doctor.key_file(key)
    assert (found.state, found.hint) == ("fail", f"chmod 600 {key}")
    assert "pop_a_b" not in found.found


@pytest.mark.parametrize(("free", "state"), [(2**29, "fail"), (2**32, "warn"), (2**40, "ok")])
def test_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**41, 0, free))
    assert doctor.disk(settings).state == state


@pytest.mark.parametrize(("available", "state"), [(2**30, "warn"), (2**33, "ok")])
def test_memory(monkeypatch: pytest.MonkeyPatch, available: int, state: str) -> None:
    fake = namedtuple("fake", "available total")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: fake(available, 2**34))
    assert doctor.memory().state == state


def test_versions_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.versions().state == "ok"
    monkeypatch.setattr(doctor, "PACKAGES", ("populace", "no-such-package"))
    found = doctor.versions()
    assert (found.state, found.found) == ("fail", "missing: no-such-package")


def test_torch_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBE", "raise ImportError('no such library')")
    found = doctor.torch()
    assert found.state == "fail"
    assert "no such library" in found.found


def test_a_server_that_does_not_answer_is_a_finding_without_its_address(settings: Settings) -> None:
    url = SecretStr("redis://:hidden-word@127.0.0.1:9/0")
    unreachable = settings.model_copy(update={"broker_url": url})
    found = doctor.guarded("broker", lambda: doctor.broker(unreachable), "Check it.")
    assert found.state == "fail"
    assert "hidden-word" not in str(found)


def test_database(settings: Settings) -> None:
    from service.db import migrate

    assert doctor.database(settings).found.endswith("does not exist yet")
    migrate.upgrade(settings)
    found = doctor.database(settings)
    assert (found.state, found.found) == ("ok", f"sqlite at revision {migrate.head()}")


def test_command_prints_findings_and_fails_if_one_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checks = [Check("cores", "ok", "2"), Check("disk", "warn", "little\x1b", "Free some.")]
    monkeypatch.setattr(doctor, "examine", lambda settings: iter(checks))
    result = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["ok", "cores", "2"],
        ["warn", "disk", "little"],
        ["Free", "some."],
    ]
    checks.append(Check("key", "fail", "open", "chmod"))
    result = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)[2] == {"name": "key", "state": "fail", "found": "open", "hint": "chmod"}
