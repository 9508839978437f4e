"""The real runner, whose first attempt at a private fit is killed as soon as its noise is kept."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import worker.runner
from models.dp import fitting

if __name__ == "__main__":
    inner = fitting.fit

    def fit(*given: Any) -> Any:
        job = json.loads((Path(sys.argv[1]) / "job.json").read_bytes())
        if job["attempt"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*given)

    fitting.fit = fit
    sys.exit(worker.runner.main(Path(sys.argv[1])))
