"""The first key of an installation."""

from pathlib import Path

from typer.testing import CliRunner

from populace.cli import app
from service.db.session import Database
from service.security.principal import authenticate
from service.settings import Settings

run = CliRunner().invoke


def test_bootstrap_needs_a_migrated_database_and_makes_an_admin_key(tmp_path: Path) -> None:
    refused = run(app, ["keys", "bootstrap", "someone", "--home", str(tmp_path)])
    assert refused.exit_code == 1
    assert "populace migrate" in refused.stderr
    assert run(app, ["migrate", "--home", str(tmp_path)]).exit_code == 0
    made = run(app, ["keys", "bootstrap", "someone", "--home", str(tmp_path), "--tenant", "other"])
    assert made.exit_code == 0
    database = Database(Settings(home=tmp_path))
    try:
        assert authenticate(database, made.stdout.strip()).role == "admin"
    finally:
        database.close()
