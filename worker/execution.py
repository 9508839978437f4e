"""One attempt at one job, from its claim to its end in the database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from models.errors import PopulaceError
from service.db.session import Database
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, FencedError
from service.jobs.private import is_private
from service.settings import Settings
from service.storage import BlobStore
from worker.child import RUNNER, Child, environment
from worker.folders import job_folder
from worker.inputs import materialise
from worker.limits import ChildLost, job_memory, job_threads, memory_problem, time_problem
from worker.patience import patiently
from worker.publisher import delete_blobs, publish, save_checkpoint
from worker.recorder import Recorder
from worker.watch import Watch

log = logging.getLogger(__name__)


@dataclass
class _Report:
    """What the child said at last."""

    finished: bool = False
    problem: dict[str, Any] | None = None
    status: int = 0
    trace: list[str] = field(default_factory=list)


class Execution:
    """`run` returns when the attempt is over, whatever its end. It raises only while the database stays away."""

    def __init__(
        self,
        claim: Claim,
        settings: Settings,
        database: Database,
        store: BlobStore,
        *,
        stopping: threading.Event,
        command: Sequence[str] = RUNNER,
    ) -> None:
        self.claim, self.settings, self.database, self.store = claim, settings, database, store
        self.recorder = Recorder(private=is_private(claim.spec))
        self.watch = Watch(claim, self.recorder, settings, database, stopping)
        self._command = command

    def run(self) -> None:
        log.info("%s: attempt %d of %s begins", self.claim.id, self.claim.attempt, self.claim.kind)
        self.watch.start()
        try:
            with job_folder(self.settings.jobs_dir, self.claim.id, self.claim.attempt) as folder:
                self._work(folder)
        except FencedError:
            self._fenced()
        except PopulaceError as error:
            self._fail(error.to_problem())
        except Exception as error:
            log.exception("%s: the supervisor failed", self.claim.id)
            self._crash(ChildLost(f"The worker could not carry out the job ({type(error).__name__})."))
        finally:
            self.watch.end()

    def _work(self, folder: Path) -> None:
        self.recorder.step("read")
        materialise(self.claim, folder, self.settings, self.database, self.store)
        report = self._run_child(folder)
        reason = self.watch.reason
        if reason in ("lost", "cancelling"):
            self._fenced()
        elif report.finished:
            self.recorder.step("publish")
            publish(self.claim, folder, self.recorder, self.database, self.store, self.settings.lease_seconds)
            peak = "" if self.recorder.private else f"; peak {self.watch.peak_bytes // 1024**2} MiB"
            log.info("%s: succeeded%s", self.claim.id, peak)
        elif reason == "shutdown":
            self._release()
        elif reason == "memory":
            self._fail(memory_problem(job_memory(self.settings)).to_problem())
        elif reason == "time":
            self._fail(time_problem(self.settings.job_seconds).to_problem())
        elif report.problem is not None:
            log.info("%s: failed: %s %s", self.claim.id, report.problem.get("code"), " <- ".join(report.trace))
            self._fail(report.problem)
        else:
            log.warning("%s: child ended with %d: %s", self.claim.id, report.status, " <- ".join(report.trace))
            how = f"signal {-report.status}" if report.status < 0 else f"exit status {report.status}"
            hint = "Look at the worker's log; signal 9 most often means that the machine ran out of memory."
            self._crash(ChildLost(f"The job's process died ({how}).", hint=hint))

    def _run_child(self, folder: Path) -> _Report:
        report = _Report()
        child = Child(self._command, folder, environment(folder, job_threads(self.settings)))
        try:
            if not self.watch.attach(child):
                child.kill()
            for message in child.messages():
                self._receive(message, folder, report)
        finally:
            if not (report.finished or report.problem):
                # No last word: it died, or writing down what it said failed; the group must not outlive this attempt.
                child.kill()
            report.status = child.close()
            self.watch.detach()
            report.trace = child.traceback()
        return report

    def _receive(self, message: Mapping[str, Any], folder: Path, report: _Report) -> None:
        kind = message["type"]
        if kind == "step" and message["name"] != "read":
            self.recorder.step(str(message["name"]))
        elif kind == "progress":
            self.recorder.progress(float(message["fraction"]), str(message["message"]), dict(message["values"]))
        elif kind == "event":
            self.recorder.event(str(message["name"]), dict(message["data"]))
        elif kind == "checkpoint":
            archive = folder / "out" / Path(message["file"]).name
            try:
                save_checkpoint(self.claim, archive, self.recorder, self.database, self.store)
            except SQLAlchemyError as error:
                log.warning("%s: checkpoint not kept: %s", self.claim.id, type(error).__name__)
                archive.unlink(missing_ok=True)
        elif kind == "result":
            report.finished = True
        elif kind == "error":
            report.problem = dict(message["problem"])

    def _fail(self, problem: Mapping[str, Any]) -> None:
        self._end(lambda session: lifecycle.fail(session, self.claim, problem), whole=True)

    def _crash(self, problem: PopulaceError) -> None:
        self._end(lambda session: lifecycle.crashed(session, self.claim, problem))

    def _release(self) -> None:
        self._end(lambda session: lifecycle.release(session, self.claim))

    def _end(self, write: Callable[[Session], list[str]], *, whole: bool = False) -> None:
        """One last fenced transaction; `write` answers blobs to delete.

        whole: with all that the child said, else only with what it said of the privacy budget.
        """
        steps, events = self.watch.unwritten()

        def commit() -> list[str]:
            with self.database.write() as session:
                if whole:
                    lifecycle.record(session, self.claim, steps, events)
                else:
                    lifecycle.charge(session, self.claim, events)
                return write(session)

        try:
            blobs = patiently(commit, self.settings.lease_seconds)
        except FencedError:
            self.recorder.put_back(steps, events)
            self._fenced()
        else:
            delete_blobs(self.store, blobs)

    def _fenced(self) -> None:
        """The job is not ours to write any more; if that is because someone cancelled it, confirm that it stopped."""
        _, events = self.watch.unwritten()

        def confirm() -> list[str]:
            with self.database.write() as session:
                lifecycle.charge(session, self.claim, events)
                return lifecycle.cancelled(session, self.claim)

        try:
            blobs = patiently(confirm, self.settings.lease_seconds)
        except FencedError:
            log.warning("%s: attempt %d is over; nothing more written", self.claim.id, self.claim.attempt)
        else:
            delete_blobs(self.store, blobs)
            log.info("%s: cancelled", self.claim.id)
