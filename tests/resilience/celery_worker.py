"""`populace worker` with stand-in children (standin.py)."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import worker.celery_app
from service.settings import get_settings
from worker.main import run
from worker.supervisor import Supervisor

if __name__ == "__main__":
    command = (sys.executable, str(Path(__file__).with_name("standin.py")))
    worker.celery_app.Supervisor = functools.partial(Supervisor, command=command)  # type: ignore[misc]
    sys.exit(run(get_settings()))
