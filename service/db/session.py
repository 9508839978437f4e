"""The database behind one object: sessions to read, sessions to write, SQLite and PostgreSQL alike."""

from __future__ import annotations

import fcntl
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.orm import Session

from service.settings import Settings

BUSY_MS = 30_000
"""How long a SQLite writer waits for its turn; writes are short, so this is never reached by healthy code."""
TURN_SECONDS = (0.002, 0.006)
"""Between two looks of a SQLite writer whether it is its turn."""


class Database:
    """An engine and its two kinds of sessions. One per process; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        url = settings.sqlalchemy_url
        self.sqlite = url.startswith("sqlite")
        self._queue: Path | None = None
        if self.sqlite:
            settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            if (file := make_url(url).database) and file != ":memory:":
                Path(file).touch(mode=0o600)  # its -wal and -shm files take over the mode
                self._queue = Path(f"{file}-queue")
                self._queue.touch(mode=0o600)
            self.engine = create_engine(
                url, connect_args={"timeout": BUSY_MS / 1000}, pool_size=10, max_overflow=30, hide_parameters=True
            )
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=30, hide_parameters=True)
        self._writer = self.engine.execution_options(populace_write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session whose changes are thrown away."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session  # closing it rolls back, and leaves what was loaded readable

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back on any error. On SQLite the only writer while it lasts."""
        with self._turn(), Session(self._writer, expire_on_commit=False) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite's writers, of all processes, one at a time, all with the same chance.

        Waiting is what SQLite does by itself, too, but the longer a writer has waited, the more seldom it looks: with
        32 processes that all write, newcomers went first until one of a hundred writes was told that the database is
        locked. Whoever has waited for BUSY_MS here goes on and waits there.
        """
        if self._queue is None:
            yield
            return
        with self._queue.open("rb") as file:  # closing it ends the turn, as does the end of the process
            deadline = time.monotonic() + BUSY_MS / 1000
            while not _lock(file.fileno()) and time.monotonic() < deadline:
                time.sleep(random.uniform(*TURN_SECONDS))
            yield

    def checkpoint(self) -> None:
        """SQLite: bring the write-ahead log into the file and start it anew; for whoever writes many megabytes.

        SQLite does so by itself only when no writer comes in between, so that under load the log would grow for ever.
        """
        if self.sqlite:
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            finally:
                connection.close()

    def close(self) -> None:
        self.engine.dispose()


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks: SQLite's own waiting must do
        return True
    return True


def _configure_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # We begin transactions ourselves: the driver's own deferred BEGIN fails with "database is locked" when two
    # readers both turn into writers.
    # A small cache: each connection of the pool keeps its own. Deleted means overwritten: the data is confidential.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_MS}",
        "journal_size_limit=67108864",
        "cache_size=-1000",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    immediate = connection.get_execution_options().get("populace_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
