"""The child process of a job: a clean environment, JSON lines out, and no way to outlive its supervisor."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.limits import signal_group

log = logging.getLogger(__name__)

RUNNER = (sys.executable, "-P", "-m", "worker.runner")
"""-P: the job folder, which is the working directory, is no place to import from."""
ROOT = Path(__file__).resolve().parent.parent
PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)
"""All that a child may know of its supervisor's environment: no secret is among it."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LINE_BYTES = 1024 * 1024
TRACE_LINE = re.compile(r'^\s+File "[^"]+", line \d+, in \S+|^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b')


def environment(folder: Path, threads: int) -> dict[str, str]:
    """Environment of a child that works in `folder`."""
    out = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    out |= dict.fromkeys(THREADS, str(threads))
    return out | {
        # Threads that spin while they wait starve each other as soon as another process wants the cores: a training
        # beside another one took 10 times as long as with threads that sleep.
        "OMP_WAIT_POLICY": "PASSIVE",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "POPULACE_PARENT_PID": str(os.getpid()),
    }


class Child:
    """A running child, in a process group of its own.

    Its standard input is a pipe that nothing is written to: end of file tells it that its supervisor is gone. It must
    be started and waited for by one thread: the kernel kills it when the thread that started it ends (PDEATHSIG).
    """

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._log = folder / "child.log"
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=dict(env),
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._ended = threading.Event()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the child reports, until it ends."""
        out = self._process.stdout
        while line := out.readline(LINE_BYTES) if out is not None else b"":
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict) and isinstance(message.get("type"), str):
                yield message
            else:
                log.warning("the child of process group %s wrote a line that is no message", self.pid)

    def terminate(self, patience: float) -> None:
        """Ask it to stop; kill its group if it has not within `patience` seconds. Returns at once."""
        signal_group(self.pid, signal.SIGTERM)
        killer = threading.Timer(patience, self.kill)
        killer.daemon = True
        killer.start()

    def kill(self) -> None:
        """End the whole group now."""
        if not self._ended.is_set():
            signal_group(self.pid, signal.SIGKILL)

    def close(self) -> int:
        """Wait for the end, and take its whole group with it. Its exit status (negative: the signal)."""
        status = self._process.wait()
        signal_group(self.pid, signal.SIGKILL)
        self._ended.set()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return status

    def traceback(self) -> list[str]:
        """Places and names of exceptions from its log, without their texts: these might quote data."""
        lines = self._log.read_text(errors="replace").splitlines()[-400:]
        return [found.group().strip() for line in lines if (found := TRACE_LINE.match(line))][-40:]
