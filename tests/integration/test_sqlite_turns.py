"""Writers of one SQLite file queue up fairly; the queue itself can never fail a write."""

import stat
import threading
import time

import pytest
import sqlalchemy as sa

from service.db.session import Database
from service.db.tables import Tenant
from service.settings import Settings


def add(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(Tenant(id=name, name=name))


def test_a_writer_waits_for_its_turn(settings: Settings) -> None:
    first, second = Database(settings), Database(settings)
    inside, done = threading.Event(), threading.Event()

    def slow() -> None:
        with first.write() as session:
            inside.set()
            time.sleep(0.3)
            assert not done.is_set()
            session.add(Tenant(id="a", name="a"))

    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait()
    add(second, "b")
    done.set()
    thread.join()
    with first.read() as session:
        assert session.scalars(sa.select(Tenant.id).order_by(Tenant.id)).all() == ["a", "b"]
    assert stat.S_IMODE((settings.home / "populace.db-queue").stat().st_mode) == 0o600


def test_a_turn_that_never_comes_fails_no_write(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.db.session.BUSY_MS", 50)
    first, second = Database(settings), Database(settings)
    with first._turn():
        add(second, "a")


def test_where_files_cannot_be_locked_sqlite_does_it_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    add(Database(settings), "a")


def test_a_turn_ends_with_its_write_whatever_happens(settings: Settings) -> None:
    database = Database(settings)
    with pytest.raises(ZeroDivisionError), database.write():
        _ = 1 / 0
    began = time.monotonic()
    add(database, "a")
    assert time.monotonic() - began < 5
