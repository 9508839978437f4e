"""Checks of a machine and its settings: what Populace needs, whether it is there, and how to get it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from service.settings import Settings

GIB = 1024**3
PACKAGES = ("populace", "torch", "numpy", "pyarrow", "sqlalchemy", "fastapi", "celery", "sdmetrics")
TORCH_SECONDS = 120
PROBE = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "devices": names}))
"""

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """state: ok, warn (works, but ...) or fail. hint: how to mend it."""

    name: str
    state: State
    found: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, one after the other, each as soon as it is done."""
    yield versions()
    yield cores()
    yield memory()
    yield torch()
    yield disk(settings)
    yield guarded("database", lambda: database(settings), "Check POPULACE_DATABASE_URL, and that the server runs.")
    if settings.broker_url is not None:
        yield guarded("broker", lambda: broker(settings), "Check POPULACE_BROKER_URL; without it workers still poll.")
    elif settings.mode == "full":
        yield Check("broker", "warn", "none; workers poll", "Set POPULACE_BROKER_URL so that jobs start at once.")
    if settings.mode == "embedded":
        yield key_file(settings.home / "key")


def guarded(name: str, check: Callable[[], Check], hint: str) -> Check:
    """A check that speaks to another server: whatever that throws is a finding. Addresses hold passwords: not shown."""
    try:
        return check()
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__} while connecting", hint)


def versions() -> Check:
    found, lacking = [f"Python {platform.python_version()}"], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            lacking.append(package)
    if lacking:
        return Check("versions", "fail", f"missing: {', '.join(lacking)}", "Install again: pip install -e .")
    return Check("versions", "ok", ", ".join(found))


def cores() -> Check:
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    if count < 2:
        return Check("cores", "warn", str(count), "Two cores or a GPU keep training within minutes.")
    return Check("cores", "ok", str(count))


def memory() -> Check:
    import psutil

    found = psutil.virtual_memory()
    text = f"{found.available / GIB:.1f} of {found.total / GIB:.1f} GiB available"
    if found.available < 2 * GIB:
        return Check("memory", "warn", text, "A job on 50,000 rows takes 1 to 2 GiB: close other programs.")
    return Check("memory", "ok", text)


def torch() -> Check:
    """In a process of its own, as in a job: importing torch here would cost every check seconds and memory."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=TORCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Check("torch", "fail", f"not imported within {TORCH_SECONDS} s", "Install it again.")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Check("torch", "fail", last, "Install it again: pip install -c constraints.txt torch")
    found = json.loads(done.stdout)
    where = ", ".join(found["devices"]) or f"CPU, {found['threads']} threads"
    return Check("torch", "ok", f"{found['version']} on {where}")


def disk(settings: Settings) -> Check:
    folder = settings.jobs_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB free at {folder}"
    if free < GIB:
        return Check("disk", "fail", text, "Free some, or move POPULACE_HOME or POPULACE_WORK_DIR.")
    if free < 10 * GIB:
        return Check("disk", "warn", text, "Jobs need about three times the size of a table.")
    return Check("disk", "ok", text)


def database(settings: Settings) -> Check:
    from service.db import migrate
    from service.db.session import Database

    if settings.sqlalchemy_url.startswith("sqlite:///"):
        file = Path(settings.sqlalchemy_url.removeprefix("sqlite:///"))
        if not file.exists():
            return Check("database", "ok", f"{file} does not exist yet", "`populace serve` makes it.")
    opened = Database(settings)
    try:
        has, needed = migrate.revision(opened), migrate.head()
    finally:
        opened.close()
    if has != needed:
        return Check("database", "fail", f"at revision {has or 'none'}, needs {needed}", "Run `populace migrate`.")
    return Check("database", "ok", f"{settings.sqlalchemy_url.partition(':')[0]} at revision {has}")


def broker(settings: Settings) -> Check:
    import redis

    if settings.broker_url is None:
        return Check("broker", "warn", "none")
    connection = redis.Redis.from_url(
        settings.broker_url.get_secret_value(), socket_connect_timeout=3, socket_timeout=3
    )
    try:
        connection.ping()
    finally:
        connection.close()
    return Check("broker", "ok", "answers")


def key_file(file: Path) -> Check:
    if not file.exists():
        return Check("key", "ok", "none yet", "`populace serve` makes it.")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return Check("key", "fail", f"others can read {file} (mode {mode:o})", f"chmod 600 {file}")
    return Check("key", "ok", f"{file} is readable by its owner only")
