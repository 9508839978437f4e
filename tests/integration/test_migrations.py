"""Migrations make exactly the tables that service.db.tables describes, on both databases."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.db import migrate
from service.db.session import Database
from service.db.tables import Base
from service.settings import Settings


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        return list(compare_metadata(context, Base.metadata))


def test_migrations_equal_the_metadata(any_database: Database) -> None:
    assert differences(any_database) == []


def test_checks_and_keys_equal_the_metadata(any_database: Database) -> None:
    """compare_metadata does not look at CHECK constraints and delete rules."""
    inspector = sa.inspect(any_database.engine)
    for table in Base.metadata.tables.values():
        wanted = {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
        assert {c["name"] for c in inspector.get_check_constraints(table.name)} == wanted
        rules = {(k.parent.name, k.column.table.name, (k.ondelete or "NO ACTION").upper()) for k in table.foreign_keys}
        found = {
            (k["constrained_columns"][0], k["referred_table"], k["options"].get("ondelete", "NO ACTION").upper())
            for k in inspector.get_foreign_keys(table.name)
        }
        assert found == rules


def test_head_is_the_newest_script(any_database: Database) -> None:
    assert ScriptDirectory.from_config(migrate.config_for(any_database)).get_current_head() == migrate.head()


def test_down_and_up_again(any_settings: Settings, any_database: Database) -> None:
    config = migrate.config_for(any_database)
    command.downgrade(config, "base")
    assert migrate.revision(any_database) is None
    assert set(sa.inspect(any_database.engine).get_table_names()) <= {"alembic_version"}
    migrate.upgrade(any_settings)
    assert migrate.revision(any_database) == migrate.head()
    assert differences(any_database) == []


def test_upgrade_again_changes_nothing(any_settings: Settings, any_database: Database) -> None:
    migrate.upgrade(any_settings)
    assert migrate.revision(any_database) == migrate.head()
    assert differences(any_database) == []


def test_home_with_percent_and_blank(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "100% mine")
    migrate.upgrade(settings)
    database = Database(settings)
    assert migrate.revision(database) == migrate.head()
    database.close()


def test_sqlite_enforces_foreign_keys_and_writes_ahead(settings: Settings) -> None:
    database = Database(settings)
    with database.read() as session:
        assert session.scalar(sa.text("PRAGMA foreign_keys")) == 1
        assert session.scalar(sa.text("PRAGMA journal_mode")) == "wal"
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        session.execute(sa.text("INSERT INTO blob_chunks (blob_id, seq, data) VALUES ('blob_none', 0, x'00')"))
    database.close()


def test_reading_sessions_throw_changes_away(any_database: Database) -> None:
    from service.db.tables import Tenant

    with any_database.read() as session:
        session.add(Tenant(id="ten_x", name="x"))
        session.flush()
    with any_database.read() as session:
        assert session.get(Tenant, "ten_x") is None


def test_allowing_tune_jobs_keeps_what_there_is(any_settings: Settings, any_database: Database) -> None:
    config = migrate.config_for(any_database)
    command.downgrade(config, "0001")
    insert = "INSERT INTO jobs (id, tenant_id, kind, state, queue, spec, attempt, max_attempts, created_at)"
    with any_database.write() as session:
        session.execute(sa.text("INSERT INTO tenants (id, name, created_at) VALUES ('t', 't', 0)"))
        session.execute(sa.text(f"{insert} VALUES ('j', 't', 'sample', 'queued', 'gpu', '{{}}', 0, 3, 0)"))
        step = "INSERT INTO job_steps (job_id, name, position, fraction, message) VALUES ('j', 'read', 0, 0, '')"
        session.execute(sa.text(step))
    tune = f"{insert} VALUES ('k', 't', 'tune', 'queued', 'gpu', '{{}}', 0, 3, 0)"
    with pytest.raises(sa.exc.IntegrityError), any_database.write() as session:
        session.execute(sa.text(tune))
    migrate.upgrade(any_settings)
    with any_database.write() as session:
        session.execute(sa.text(tune))
    with pytest.raises(sa.exc.IntegrityError), any_database.write() as session:
        session.execute(sa.text(tune.replace("'tune'", "'dance'").replace("'k'", "'l'")))
    command.downgrade(config, "0001")
    with any_database.read() as session:
        assert session.execute(sa.text("SELECT id, kind FROM jobs")).all() == [("j", "sample")]
        assert session.scalar(sa.text("SELECT count(*) FROM job_steps")) == 1
        assert session.scalar(sa.text("SELECT count(*) FROM tenants")) == 1


def test_reports_and_figures_of_before_are_kept(any_settings: Settings, any_database: Database) -> None:
    """Down to 0006 and up again: a report of a sample stays with its figures, which have no bar yet; a sample and an
    upload exclude each other; going down, what earlier releases cannot hold goes."""
    config = migrate.config_for(any_database)
    command.downgrade(config, "0006")
    rows = (
        "INSERT INTO tenants (id, name, created_at) VALUES ('t', 't', 0)",
        "INSERT INTO blobs (id, state, bytes, created_at) VALUES ('b', 'complete', 1, 0)",
        "INSERT INTO datasets (id, tenant_id, name, state, bytes, sha256, media_type, schema_version, created_at) "
        "VALUES ('d', 't', 'd', 'ready', 1, '', '', 1, 0)",
        *(
            "INSERT INTO jobs (id, tenant_id, kind, state, queue, spec, attempt, max_attempts, created_at) "
            f"VALUES ('{job}', 't', 'sample', 'queued', 'gpu', '{{}}', 0, 3, 0)"
            for job in "jklmn"
        ),
        "INSERT INTO synthesizers (id, tenant_id, dataset_id, job_id, artifact_blob_id, schema, manifest, created_at) "
        "VALUES ('y', 't', 'd', 'j', 'b', '{}', '{}', 0)",
        'INSERT INTO samples (id, tenant_id, dataset_id, synthesizer_id, job_id, row_count, "where", seed, schema, '
        "table_blob_id, created_at) VALUES ('s', 't', 'd', 'y', 'j', 1, '[]', 0, '{}', 'b', 0)",
        "INSERT INTO reports (id, tenant_id, dataset_id, sample_id, job_id, evaluation, created_at) "
        "VALUES ('r', 't', 'd', 's', 'j', '{}', 0)",
        "INSERT INTO metrics (report_id, position, section, name, subject, value, direction, unit, note) "
        "VALUES ('r', 0, 'columns', 'shape', '', 0.5, 'lower', 'share', '')",
    )
    with any_database.write() as session:
        for row in rows:
            session.execute(sa.text(row))
    migrate.upgrade(any_settings)
    assert differences(any_database) == []
    insert = (
        "INSERT INTO reports (id, tenant_id, dataset_id, kind, sample_id, synthetic_dataset_id, job_id, evaluation, "
        "created_at) VALUES ("
    )
    with any_database.write() as session:
        kept = session.execute(sa.text("SELECT r.kind, m.value, m.bar, m.status FROM reports r, metrics m")).all()
        assert kept == [("fidelity", 0.5, None, "")]
        session.execute(sa.text(f"{insert}'u', 't', 'd', 'fidelity', NULL, 'd', 'k', '{{}}', 0)"))
        session.execute(sa.text(f"{insert}'c', 't', 'd', 'comparison', NULL, NULL, 'l', '{{}}', 0)"))
        session.execute(sa.text("UPDATE jobs SET kind = 'compare' WHERE id = 'm'"))
    for wrong in ("'fidelity', 's', 'd'", "'fidelity', NULL, NULL", "'dance', NULL, 'd'", "'comparison', NULL, 'x'"):
        with pytest.raises(sa.exc.IntegrityError), any_database.write() as session:
            session.execute(sa.text(f"{insert}'w', 't', 'd', {wrong}, 'n', '{{}}', 0)"))
    command.downgrade(config, "0006")
    with any_database.write() as session:
        assert session.execute(sa.text("SELECT id, sample_id FROM reports")).all() == [("r", "s")]
        assert session.scalar(sa.text("SELECT count(*) FROM metrics")) == 1
        assert session.scalar(sa.text("SELECT count(*) FROM jobs")) == 4
    with pytest.raises(sa.exc.IntegrityError), any_database.write() as session:
        session.execute(sa.text("UPDATE reports SET sample_id = NULL"))
