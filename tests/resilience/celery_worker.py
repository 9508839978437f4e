"""`populace worker` with stand-in children (standin.py)."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import worker.celery_app
import worker.main
from service.settings import get_settings
from worker.supervisor import Supervisor

if __name__ == "__main__":
    command = (sys.executable, str(Path(__file__).with_name("standin.py")))
    standing_in = functools.partial(Supervisor, command=command)
    worker.celery_app.Supervisor = worker.main.Supervisor = standing_in  # type: ignore[misc]
    sys.exit(worker.main.run(get_settings()))
