"""Runs a command and tells how long it took, what it ended with, and the most memory that one process of it held.

    python -S -E bench/measure.py SECONDS COMMAND ...

A process of its own, without imports: Linux counts the memory of the process that starts another into the other's peak.
"""

import json
import os
import resource
import signal
import sys
import time


def main() -> None:
    limit, command = float(sys.argv[1]), sys.argv[2:]
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(2, 1)
        os.execvp(command[0], command)
    over = False

    def stop(number: int, frame: object) -> None:
        nonlocal over
        over = number == signal.SIGALRM
        os.killpg(child, signal.SIGKILL)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    _, status, used = os.wait4(child, 0)
    largest = max(used.ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    wall = round(time.perf_counter() - began, 3)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"wall_s": wall, "peak_mb": round(largest / 1024, 1), "code": code, "over": over}))


if __name__ == "__main__":
    main()
