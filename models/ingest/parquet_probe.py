"""A rehearsal of reading a Parquet file in a process of its own.

Arrow's reader is C++: some damaged or hostile files end the process (seen with one changed byte of a footer) instead of
raising an error. The rehearsal takes that fall, so that the caller can say what is wrong with the file.

    python -m models.ingest.parquet_probe FILE LIMITS_AS_JSON      exits 0 if the file reads, 3 if reading raises
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from models.errors import PopulaceError
from models.ingest.limits import Limits
from models.ingest.parquet_reading import check_footer_length, columns_of, damaged
from models.progress import Progress

_RAISED = 3


def rehearse(path: Path, limits: Limits, progress: Progress) -> None:
    """Raises InvalidData if reading the file ends the process. Other errors are left for the real reading to raise."""
    check_footer_length(path, limits)
    command = [sys.executable, "-m", __name__, str(path), json.dumps(asdict(limits))]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            while True:
                try:
                    code = child.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    progress.check()
        finally:
            if child.poll() is None:
                child.kill()
    if code not in (0, _RAISED):
        raise damaged("reading it fails beyond repair")


def main() -> int:
    """Read the file and forget what it holds."""
    try:
        for _ in columns_of(Path(sys.argv[1]), Limits(**json.loads(sys.argv[2]))):
            pass
    except PopulaceError:
        return _RAISED
    return 0


if __name__ == "__main__":
    sys.exit(main())
