"""Job folders: confidential, private to the worker, gone when the job is; leftovers of killed workers are swept."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = ".lock"


def _locked(folder: Path) -> int | None:
    """File descriptor of the folder's lock, None if a living worker holds it. Children do not inherit it."""
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def job_folder(jobs_dir: Path, job_id: str, attempt: int) -> Iterator[Path]:
    """A fresh folder for one attempt, deleted at the end whatever happens."""
    jobs_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = jobs_dir / f"{job_id}.{attempt}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    lock = _locked(folder)
    try:
        for name in ("in", "out", "tmp"):
            (folder / name).mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep_folders(jobs_dir: Path) -> int:
    """Delete folders whose worker died (its lock died with it). Answers how many."""
    swept = 0
    if not jobs_dir.is_dir():
        return 0
    for folder in jobs_dir.glob("job_*.*"):
        try:
            lock = _locked(folder)
        except OSError:  # deleted by its owner meanwhile
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            swept += 1
    if swept:
        log.info("swept %d job folders of workers that died", swept)
    return swept
