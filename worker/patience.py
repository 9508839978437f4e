"""A database that is away for a moment (restart, failover) costs no attempt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
PAUSE_SECONDS = 1.0


def patiently(work: Callable[[], Answer], seconds: float) -> Answer:
    """`work`, again while the database does not answer, for so many seconds. It must be safe to repeat (fenced)."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("the database does not answer (%s); trying again", type(error).__name__)
            time.sleep(PAUSE_SECONDS)
