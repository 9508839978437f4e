"""Workers inside the API process: `populace serve` needs no other service."""

from __future__ import annotations

from collections.abc import Sequence

from service.jobs.hints import LOCAL
from service.settings import Settings
from worker.child import RUNNER
from worker.supervisor import Pool, Supervisor


class Embedded:
    """Start after migrating; the API's hints (service.jobs.hints.LOCAL) wake it at once."""

    def __init__(self, settings: Settings, *, command: Sequence[str] = RUNNER) -> None:
        self._settings, self._command = settings, command
        self._pool: Pool | None = None

    def start(self) -> None:
        if self._pool is None:
            self._pool = Pool(Supervisor(self._settings, command=self._command), LOCAL)
            self._pool.start()

    def stop(self) -> None:
        """Stop and wait: children end (killed after `kill_seconds`), running jobs go back to the queue."""
        if self._pool is not None:
            self._pool.stop(self._settings.kill_seconds + 10.0)
            self._pool.supervisor.database.close()
            self._pool = None
