"""Claims jobs and carries them out, in as many threads as it has slots; each job's work is in a process of its own."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from service.db.session import Database
from service.jobs import lifecycle
from service.jobs.hints import LocalHint
from service.settings import Settings
from service.storage import BlobStore, open_store
from worker.child import RUNNER
from worker.execution import Execution
from worker.folders import sweep_folders
from worker.publisher import delete_blobs

log = logging.getLogger(__name__)

SWEEP_AFTER_SECONDS = 24 * 3600.0
"""A blob that nothing refers to after a day was abandoned."""
SWEEP_EVERY_SECONDS = 3600.0


class Supervisor:
    """One per worker process. `work` carries jobs out; `reconcile` looks after jobs that others lost."""

    def __init__(
        self,
        settings: Settings,
        database: Database | None = None,
        store: BlobStore | None = None,
        *,
        command: Sequence[str] = RUNNER,
        name: str | None = None,
    ) -> None:
        self.settings = settings
        self.database = database or Database(settings)
        self.store = store or open_store(settings, self.database)
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.stopping = threading.Event()
        self._command = command
        self._slots = threading.BoundedSemaphore(settings.worker_slots)

    def work(self, *, wait: bool = True) -> int:
        """Claim and carry out jobs until none is queued or `stop` is called. Answers how many.

        wait: for a free slot; else return 0 if there is none.
        """
        if not self._slots.acquire(blocking=wait):
            return 0
        done = 0
        try:
            while not self.stopping.is_set():
                with self.database.write() as session:
                    claim = lifecycle.claim(
                        session,
                        worker=self.name,
                        queues=self.settings.queues,
                        lease_seconds=self.settings.lease_seconds,
                    )
                if claim is None:
                    break
                Execution(
                    claim, self.settings, self.database, self.store, stopping=self.stopping, command=self._command
                ).run()
                done += 1
        finally:
            self._slots.release()
        return done

    def reconcile(self) -> set[str]:
        """Take back what vanished workers held. Answers the queues to hint at."""
        with self.database.write() as session:
            found = lifecycle.reconcile(session, hint_after=self.settings.poll_seconds)
        delete_blobs(self.store, found.blobs)
        for what, ids in (("requeued", found.requeued), ("failed", found.failed), ("cancelled", found.cancelled)):
            if ids:
                log.warning("%s after their worker vanished: %s", what, ", ".join(ids))
        return found.queues

    def sweep(self) -> None:
        """Remove what killed workers left behind: job folders here, unfinished blobs in the store."""
        sweep_folders(self.settings.jobs_dir)
        self.store.sweep(SWEEP_AFTER_SECONDS)

    def stop(self) -> None:
        """Stop soon: running jobs go back to the queue, at no cost of an attempt. Safe in a signal handler."""
        self.stopping.set()


class Poller(threading.Thread):
    """Reconciles every poll_seconds, and calls `found` with the queues in which jobs wait."""

    def __init__(self, supervisor: Supervisor, found: Callable[[set[str]], None]) -> None:
        super().__init__(name="poller", daemon=True)
        self._supervisor, self._found = supervisor, found

    def run(self) -> None:
        supervisor = self._supervisor
        sweep_at = 0.0
        while not supervisor.stopping.is_set():
            try:
                if time.monotonic() >= sweep_at:
                    supervisor.sweep()
                    sweep_at = time.monotonic() + SWEEP_EVERY_SECONDS
                self._found(supervisor.reconcile())
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", type(error).__name__)
            supervisor.stopping.wait(supervisor.settings.poll_seconds)


class Pool:
    """A supervisor with its own threads: no broker. Hints from this process wake it at once; others it polls for."""

    def __init__(self, supervisor: Supervisor, hint: LocalHint) -> None:
        self.supervisor, self.hint = supervisor, hint
        slots = range(supervisor.settings.worker_slots)
        self._threads: list[threading.Thread] = [
            threading.Thread(target=self._loop, name=f"slot-{i}", daemon=True) for i in slots
        ]
        self._threads.append(Poller(supervisor, self._found))

    def _found(self, queues: set[str]) -> None:
        if queues & set(self.supervisor.settings.queues):
            self.hint.send("")

    def _loop(self) -> None:
        supervisor, seen = self.supervisor, -1
        while not supervisor.stopping.is_set():
            seen = self.hint.wait(seen, 0.0)
            try:
                supervisor.work()
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", type(error).__name__)
            if not supervisor.stopping.is_set():
                self.hint.wait(seen, supervisor.settings.poll_seconds)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop and wait; running jobs go back to the queue. True if all threads ended in time."""
        self.supervisor.stop()
        self.hint.send("")
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
