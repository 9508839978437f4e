"""`populace worker`: a Celery worker where a broker is named, else a worker that polls."""

from __future__ import annotations

import logging
import signal
import threading

from service.jobs.hints import LocalHint
from service.settings import Settings
from worker.supervisor import Pool, Supervisor


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; running jobs then go back to the queue. Answers the exit status.

    With a broker the settings must be those of the environment: Celery's worker reads them there.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if settings.broker_url is not None:
        from worker.celery_app import app

        app.worker_main(["worker", "--queues", ",".join(settings.queues), "--loglevel", "INFO", "--without-mingle"])
        return 0
    return poll(settings)


def poll(settings: Settings) -> int:
    """A worker without a broker."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    pool = Pool(Supervisor(settings), LocalHint())
    pool.start()
    ended.wait()
    return 0 if pool.stop(settings.kill_seconds + 10.0) else 1
