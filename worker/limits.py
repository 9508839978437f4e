"""Memory and threads of a job's process group."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from models.errors import PopulaceError, TooLarge
from service.settings import Settings

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class MemoryLimit(TooLarge):
    code, title = "memory_limit", "The job needs more memory than it may have"


class TimeLimit(TooLarge):
    code, title = "time_limit", "The job takes longer than it may"


class ChildLost(PopulaceError):
    code, status, title = "child_lost", 500, "The job's process died"


def machine_memory() -> int:
    """Bytes of this machine, or of its container where that has less."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return total


def job_memory(settings: Settings) -> int:
    """Bytes that one job may use."""
    return settings.job_memory_bytes or int(0.8 * machine_memory() / settings.worker_slots)


def job_threads(settings: Settings) -> int:
    """Threads of one job. More threads than cores cost a factor of 3 (measured)."""
    return settings.threads or max(1, len(os.sched_getaffinity(0)) // settings.worker_slots)


def resident(pid: int) -> int:
    """Resident bytes of a process and all its descendants; 0 if it is gone."""
    total = 0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group that `pid` leads; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def memory_problem(limit: int) -> MemoryLimit:
    return MemoryLimit(
        f"The job went over its memory limit of {limit / 1024**3:.1f} GiB.",
        hint="Give the worker more memory (POPULACE_JOB_MEMORY_BYTES), or use fewer rows or columns.",
    )


def time_problem(limit: float) -> TimeLimit:
    return TimeLimit(
        f"The job went over its time limit of {limit:.0f} s.",
        hint="Raise POPULACE_JOB_SECONDS, or ask for fewer training steps or rows.",
    )
