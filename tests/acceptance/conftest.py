"""Real processes: the API, workers, Postgres and a Redis-protocol server, as a user would start them."""

import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from populace.demo import make_census, write_csv

POPULACE = [sys.executable, "-c", "from populace.cli import main; main()"]
STOP_SECONDS = 40
QUICK = '{"steps": 60, "batch": 128, "hidden": 64, "adversarial": "never"}'
"""Training options that take seconds; the path is tested here, not the quality."""


@dataclass(frozen=True)
class Service:
    """A running service. env: what a client and the command line need to find it."""

    url: str
    key: str
    env: dict[str, str]


class Process:
    """A process whose standard error is read all the time, so that it never blocks and can be waited on."""

    def __init__(self, args: Sequence[str], env: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [*POPULACE, *args], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(ended)")
            self._changed.notify_all()

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        def found() -> re.Match[str] | None:
            return next((m for line in self.lines if (m := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self.lines[-1:] == ["(ended)"], seconds)
            match = found()
            assert match is not None, "".join(self.lines)
            return match

    def stop(self) -> int:
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without settings of its own, one thread for each process."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POPULACE_")}
    return {**kept, "OMP_NUM_THREADS": "1", "POPULACE_THREADS": "1", **more}


@contextmanager
def running(args: Sequence[str], env: dict[str, str]) -> Iterator[Process]:
    process = Process(args, env)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def embedded(home: Path) -> Iterator[Service]:
    """`populace serve` and nothing else."""
    env = clean_environment(POPULACE_HOME=str(home))
    with running(["serve", "--port", "0"], env) as process:
        url = process.wait_for(r"http://127\.0\.0\.1:\d+").group()
        process.wait_for("API key")
        key = (home / "key").read_text().strip()
        yield Service(url, key, {**env, "POPULACE_URL": url, "POPULACE_API_KEY": key})


@contextmanager
def full(home: Path, database_url: str, broker_url: str) -> Iterator[Service]:
    """`populace migrate`, `populace serve` and two `populace worker` as processes of their own."""
    env = clean_environment(
        POPULACE_MODE="full",
        POPULACE_HOME=str(home),
        POPULACE_DATABASE_URL=database_url,
        POPULACE_BROKER_URL=broker_url,
    )

    def call(*args: str) -> str:
        done = subprocess.run([*POPULACE, *args], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    call("migrate")
    key = call("keys", "bootstrap", "tests")
    with ExitStack() as stack:
        api = stack.enter_context(running(["serve", "--port", "0"], env))
        for _ in range(2):
            stack.enter_context(running(["worker"], env))
        url = api.wait_for(r"http://127\.0\.0\.1:\d+").group()
        yield Service(url, key, {**env, "POPULACE_URL": url, "POPULACE_API_KEY": key})


@pytest.fixture(scope="session")
def start_embedded() -> Callable[[Path], object]:
    return embedded


@pytest.fixture(scope="session")
def start_full() -> Callable[[Path, str, str], object]:
    return full


@pytest.fixture(scope="session")
def quick_options() -> str:
    return QUICK


@pytest.fixture(scope="session")
def census_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 invented people."""
    file = tmp_path_factory.mktemp("census") / "census.csv"
    write_csv(make_census(1_500, seed=5), file)
    return file


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The command line as a process, to which arguments are added."""
    return POPULACE


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return clean_environment()


@pytest.fixture(scope="session")
def quick_args() -> list[str]:
    """QUICK as arguments of `populace synth`."""
    return [w for name, value in json.loads(QUICK).items() for w in ("--option", f"{name}={json.dumps(value)}")]


@pytest.fixture(scope="module")
def postgres_database(postgres_root: str) -> Iterator[str]:
    """URL of an empty Postgres database for the tests of a file."""
    root = sa.make_url(postgres_root).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(root, isolation_level="AUTOCOMMIT")
    name = f"acceptance_{secrets.token_hex(6)}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield root.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()
