"""The child: `python -m worker.runner FOLDER` does the work of one attempt, and nothing else.

It reads FOLDER/job.json and FOLDER/in, writes FOLDER/out, and reports JSON lines on its standard output: step,
progress, checkpoint, event, and at last either result (then out/result.json is complete) or error with a problem. It
holds no database, no broker and no secret; it ends when its supervisor does.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import IO, Any

from models.errors import PopulaceError, TooLarge
from worker.private import outcome as allowed
from worker.reporting import Reporter

PR_SET_PDEATHSIG = 1
ADDRESS_SLACK = 3 * 1024**3
"""Address space beyond the memory limit: libraries reserve far more than they use."""
REPORTED = 3
"""Exit status after an error that was reported."""


def die_with_parent() -> None:
    """Be killed when the supervisor ends, however it ends: by the kernel, and on the end of standard input."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    parent = os.environ.get("POPULACE_PARENT_PID")
    if parent is not None and os.getppid() != int(parent):  # it ended before the line above took effect
        os._exit(REPORTED)

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL) if os.getpgid(0) == os.getpid() else os._exit(REPORTED)

    threading.Thread(target=wait_for_the_end, name="parent", daemon=True).start()


def own_stdout() -> IO[str]:
    """Standard output for messages alone; what libraries print goes to the log."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def limit(job: dict[str, Any]) -> None:
    """No core dumps: they would hold data. Parsers of hostile files cannot outrun the supervisor's look at memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if job["kind"] == "profile":
        space = job["memory_bytes"] + ADDRESS_SLACK
        resource.setrlimit(resource.RLIMIT_AS, (space, space))


def problem_of(error: BaseException) -> dict[str, Any]:
    """Any exception -> problem. Texts of unforeseen ones may quote data, so they stay in the log."""
    if isinstance(error, PopulaceError):
        return error.to_problem()
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return TooLarge(
            "The job ran out of memory.",
            hint="Give the worker more memory, or use fewer rows or columns.",
            code="memory_limit",
        ).to_problem()
    return PopulaceError(
        f"The job failed unexpectedly ({type(error).__name__}).",
        hint="The worker's log names the place; please report it.",
    ).to_problem()


def main(folder: Path) -> int:
    die_with_parent()
    out = own_stdout()
    job = json.loads((folder / "job.json").read_bytes())
    limit(job)
    private = bool(job.get("private"))
    reporter = Reporter(out, folder, job["checkpoint_seconds"], private)

    def stop(number: int, frame: FrameType | None) -> None:
        reporter.stop.set()

    signal.signal(signal.SIGTERM, stop)
    try:
        if job["kind"] == "profile":
            from worker.verbs.profile import run
        elif job["kind"] == "synthesize":
            from worker.verbs.synthesize import run
        elif job["kind"] == "sample":
            from worker.verbs.sample import run
        elif job["kind"] == "tune":
            from worker.verbs.tune import run
        elif job["kind"] == "compare":
            from worker.verbs.compare import run
        else:
            from worker.verbs.evaluate import run
        outcome = run(job, folder, reporter)
        if private:
            outcome = allowed(outcome)
        (folder / "out" / "result.json").write_text(json.dumps(outcome, allow_nan=False), encoding="utf-8")
        reporter.say("result")
    except Exception as error:
        traceback.print_exc()
        reporter.say("error", problem=problem_of(error))
        return REPORTED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
