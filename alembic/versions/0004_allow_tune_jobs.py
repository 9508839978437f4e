"""Allow tune jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = "kind IN ('profile', 'synthesize', 'sample', 'evaluate')"
WITH_TUNE = "kind IN ('profile', 'synthesize', 'sample', 'evaluate', 'tune')"


def upgrade() -> None:
    allow(KINDS, WITH_TUNE)


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'tune'")
    allow(WITH_TUNE, KINDS)


def allow(before: str, after: str) -> None:
    """Change the check on kinds.

    SQLite cannot alter a check. Making the table anew would delete, by their foreign keys, all rows that belong to
    jobs; so its definition is rewritten in place, which SQLite's documentation gives for checks (lang_altertable, 7).
    """
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
        op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", after)
        return
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    found = connection.execute(
        sa.text("UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'jobs'"),
        {"before": before, "after": after},
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
    definition = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'jobs'").scalar_one()
    if found.rowcount != 1 or after not in definition:
        raise RuntimeError("the check on kinds of jobs is not as expected")
