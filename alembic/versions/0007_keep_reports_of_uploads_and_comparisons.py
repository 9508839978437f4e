"""Keep reports of uploads and comparisons, and the bar of each figure"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KINDS = "kind IN ('profile', 'synthesize', 'sample', 'evaluate', 'tune')"
WITH_COMPARE = "kind IN ('profile', 'synthesize', 'sample', 'evaluate', 'tune', 'compare')"
CHECKS = {
    "kind": "kind IN ('fidelity', 'comparison')",
    "source": "kind = 'comparison' OR (sample_id IS NULL) <> (synthetic_dataset_id IS NULL)",
}
FIGURES = ("expected", "spread", "bar")
DATASETS = ("synthetic_dataset_id", "holdout_dataset_id")
SAMPLE, ANY_SAMPLE = "sample_id VARCHAR(32) NOT NULL", "sample_id VARCHAR(32)"
PRIMARY = "CONSTRAINT pk_reports PRIMARY KEY (id)"


def upgrade() -> None:
    for name in FIGURES:
        op.add_column("metrics", sa.Column(name, sa.Double(), nullable=True))
    op.add_column("metrics", sa.Column("status", sa.String(length=12), server_default="", nullable=False))
    upgrade_sqlite() if op.get_bind().dialect.name == "sqlite" else upgrade_postgresql()
    for name in DATASETS:
        op.create_index(op.f(f"ix_reports_{name}"), "reports", [name], unique=False)


def downgrade() -> None:
    """What earlier releases cannot hold goes: comparisons, and reports of uploads."""
    op.execute("DELETE FROM reports WHERE kind = 'comparison' OR sample_id IS NULL")
    op.execute("DELETE FROM jobs WHERE kind = 'compare'")
    for name in DATASETS:
        op.drop_index(op.f(f"ix_reports_{name}"), "reports")
    downgrade_sqlite() if op.get_bind().dialect.name == "sqlite" else downgrade_postgresql()
    for name in ("status", *FIGURES):
        op.drop_column("metrics", name)


def upgrade_postgresql() -> None:
    op.add_column("reports", sa.Column("kind", sa.String(length=12), server_default="fidelity", nullable=False))
    for name in DATASETS:
        op.add_column("reports", sa.Column(name, sa.String(length=32), nullable=True))
        key = op.f(f"fk_reports_{name}_datasets")
        op.create_foreign_key(key, "reports", "datasets", [name], ["id"], ondelete="CASCADE")
    op.alter_column("reports", "sample_id", nullable=True)
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_reports_{name}"), "reports", rule)
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", WITH_COMPARE)


def downgrade_postgresql() -> None:
    op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
    op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", KINDS)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_reports_{name}"), "reports", type_="check")
    op.alter_column("reports", "sample_id", nullable=False)
    for name in (*DATASETS, "kind"):
        op.drop_column("reports", name)


def upgrade_sqlite() -> None:
    op.execute("ALTER TABLE reports ADD COLUMN kind VARCHAR(12) DEFAULT 'fidelity' NOT NULL")
    for name in DATASETS:
        op.execute(f"ALTER TABLE reports ADD COLUMN {name} VARCHAR(32)")
    rewrite("reports", SAMPLE, ANY_SAMPLE)
    rewrite("reports", PRIMARY, f"{PRIMARY}{constraints()}")
    rewrite("jobs", KINDS, WITH_COMPARE)


def downgrade_sqlite() -> None:
    rewrite("jobs", WITH_COMPARE, KINDS)
    rewrite("reports", f"{PRIMARY}{constraints()}", PRIMARY)
    rewrite("reports", ANY_SAMPLE, SAMPLE)
    for name in (*DATASETS, "kind"):
        op.execute(f"ALTER TABLE reports DROP COLUMN {name}")


def constraints() -> str:
    keys = (
        f"CONSTRAINT fk_reports_{name}_datasets FOREIGN KEY({name}) REFERENCES datasets (id) ON DELETE CASCADE"
        for name in DATASETS
    )
    checks = (f"CONSTRAINT ck_reports_{name} CHECK ({rule})" for name, rule in CHECKS.items())
    return "".join(f", \n\t{each}" for each in (*keys, *checks))


def rewrite(table: str, before: str, after: str) -> None:
    """Change constraints in the definition of a table in place: see 0004. All rows must meet them already."""
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = :table"),
        {"before": before, "after": after, "table": table},
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    if after not in connection.execute(query, {"table": table}).scalar_one():
        raise RuntimeError(f"the definition of {table} is not as expected")
