"""The audits of the privacy core, in a process of their own, as a job is: they need torch, and replace functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from populace.console import CommandError

COMMAND = (sys.executable, "-m", "models.dp.audit")


def findings(full: bool) -> Iterator[dict[str, Any]]:
    """Each finding as soon as it is there. Raises CommandError where the process fails otherwise than by a finding."""
    command = [*COMMAND, *(["--full"] if full else [])]
    one_thread = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **one_thread}) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        failed = False
        try:
            for line in process.stdout:
                found = json.loads(line)
                failed |= not found["passed"]
                yield found
        except BaseException:
            process.kill()
            raise
    if process.returncode != int(failed):
        raise CommandError(
            f"The audits ended with exit code {process.returncode}.", hint="`populace doctor` may say why."
        )
