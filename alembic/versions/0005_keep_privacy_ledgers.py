"""Keep privacy ledgers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service.db.base import epoch_now

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BUDGETS, ENTRIES = "privacy_budgets", "ledger_entries"


def upgrade() -> None:
    op.create_table(
        BUDGETS,
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("epsilon", sa.Double(), nullable=False),
        sa.Column("delta", sa.Double(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("unit_column", sa.Text(), nullable=True),
        sa.Column("rows_per_unit", sa.Integer(), nullable=False),
        sa.Column("rows_at_most", sa.BigInteger(), nullable=False),
        sa.Column("epsilon_after", sa.Double(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.Double(), server_default=epoch_now(), nullable=False),
        sa.CheckConstraint("epsilon > 0 AND delta > 0 AND delta < 1", name=op.f("ck_privacy_budgets_bounds")),
        sa.CheckConstraint(
            "unit IN ('row', 'key') AND (unit = 'key') = (unit_column IS NOT NULL)",
            name=op.f("ck_privacy_budgets_unit"),
        ),
        sa.CheckConstraint("rows_per_unit >= 1 AND rows_at_most >= 1", name=op.f("ck_privacy_budgets_rows")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_privacy_budgets_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_budgets")),
        sa.UniqueConstraint("dataset_id", "seq", name=op.f("uq_privacy_budgets_dataset_id_seq")),
    )
    op.create_table(
        ENTRIES,
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=True),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("ends", sa.Integer(), nullable=True),
        sa.Column("history", JSON, nullable=False),
        sa.Column("delta", sa.Double(), nullable=False),
        sa.Column("epsilon_after", sa.Double(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), server_default=epoch_now(), nullable=False),
        sa.CheckConstraint("kind IN ('reserve', 'settle', 'release', 'close')", name=op.f("ck_ledger_entries_kind")),
        sa.CheckConstraint(
            "account IS NULL OR account IN ('domain', 'fit', 'evaluation')", name=op.f("ck_ledger_entries_account")
        ),
        sa.CheckConstraint("(kind IN ('settle', 'release')) = (ends IS NOT NULL)", name=op.f("ck_ledger_entries_ends")),
        sa.CheckConstraint("(kind = 'close') = (account IS NULL)", name=op.f("ck_ledger_entries_close")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_ledger_entries_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("dataset_id", "seq", name=op.f("uq_ledger_entries_dataset_id_seq")),
        sa.UniqueConstraint("dataset_id", "ends", name=op.f("uq_ledger_entries_dataset_id_ends")),
        sa.UniqueConstraint("job_id", "account", "kind", name=op.f("uq_ledger_entries_job_id_account_kind")),
    )
    op.create_index(op.f("ix_ledger_entries_job_id"), ENTRIES, ["job_id"], unique=False)
    op.create_table(
        "ledger_heads",
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("spent", JSON, nullable=False),
        sa.Column("epsilon", sa.Double(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_ledger_heads_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_ledger_heads")),
    )
    guard_sqlite() if op.get_bind().dialect.name == "sqlite" else guard_postgresql()


def guard_sqlite() -> None:
    """No UPDATE, no DELETE, and no INSERT OR REPLACE, which deletes without asking a trigger of deletes."""
    for table in (BUDGETS, ENTRIES):
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        same = ["id = NEW.id", "dataset_id = NEW.dataset_id AND seq >= NEW.seq"]
        if table == ENTRIES:
            same += ["dataset_id = NEW.dataset_id AND ends = NEW.ends"]
            same += ["job_id = NEW.job_id AND account = NEW.account AND kind = NEW.kind"]
        found = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {how})" for how in same)  # noqa: S608
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {found} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in (BUDGETS, ENTRIES):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Earlier releases have no ledger: it goes, with the record of what was spent. Export it first."""
    op.drop_table("ledger_heads")
    op.drop_table(ENTRIES)
    op.drop_table(BUDGETS)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
