"""Alembic is the only way a schema is made, in tests too."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.db.session import Database
from service.settings import Settings

SCRIPTS = Path(__file__).parents[2] / "alembic"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest revision; nothing happens if it is there."""
    database = Database(settings)
    config = _config()
    config.attributes["database"] = database
    try:
        command.upgrade(config, "head")
    finally:
        database.close()


def revision(database: Database) -> str | None:
    """Revision the database is at, None before the first migration."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """Revision this release expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()
