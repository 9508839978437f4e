"""Run by service.db.migrate, or by `alembic` itself with the settings of the environment."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from service.db import tables
from service.db.session import Database
from service.settings import get_settings

LOCK = 0x706F70756C616365
"""PostgreSQL advisory lock: several API processes may start at once."""


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        context.run_migrations()


def render_sql() -> None:
    url = get_settings().sqlalchemy_url
    context.configure(url=url, target_metadata=tables.Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    render_sql()
else:
    database: Any = context.config.attributes.get("database") or Database(get_settings())
    engine = database.engine.execution_options(populace_write=True)
    with engine.connect() as connection:
        run(connection)
        connection.commit()
