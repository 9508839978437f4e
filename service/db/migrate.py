"""Alembic is the only way a schema is made, in tests too. It is imported only where there is something to migrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from service.db.session import Database
from service.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config


def find_scripts(here: Path = Path(__file__).parent) -> Path:
    """The migrations: `migrations` beside this file where a wheel installed them, else the repository's alembic/."""
    installed = here / "migrations"
    return installed if installed.is_dir() else here.parents[1] / "alembic"


SCRIPTS = find_scripts()
HEAD = "0007"
"""Newest revision of SCRIPTS (a test compares the two)."""


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest revision; nothing happens if it is there."""
    database = Database(settings)
    try:
        if revision(database) != HEAD:
            _run(database)
    finally:
        database.close()


def config_for(database: Database) -> Config:
    """What Alembic's commands need to work on this database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["database"] = database
    return config


def _run(database: Database) -> None:
    from alembic import command

    command.upgrade(config_for(database), "head")


def revision(database: Database) -> str | None:
    """Revision the database is at, None before the first migration."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def head() -> str:
    """Revision this release expects."""
    return HEAD
