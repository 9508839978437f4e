"""A worker writes down what its child says of the privacy budget, however the attempt ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from models.accounting import gaussian
from service.db.tables import JobEvent, LedgerEntry
from service.jobs import lifecycle
from tests.resilience.private_jobs import allow, submit
from worker.execution import Execution

SHARES = {"fit": (gaussian(60.0),), "evaluation": (gaussian(90.0),)}
DREW = [["touched", ["fit"]], ["noise", ["fit"]]]


def place(bench: Any, **spec: Any) -> str:
    allow(bench, 3.0)
    return submit(bench.database, bench.settings, bench.tenant_id, bench.dataset_id, SHARES, **spec)


def ends(bench: Any) -> dict[str, str]:
    """account -> how its reservation ended."""
    return {e.account: e.kind for e in bench.rows(LedgerEntry) if e.ends is not None}


def test_a_job_that_succeeds_has_spent_all(bench: Any) -> None:
    job_id = place(bench, says=DREW, tick=0.15)
    assert bench.supervisor().work() == 1
    assert bench.job(job_id).state == "succeeded"
    assert ends(bench) == {"fit": "settle", "evaluation": "settle"}
    assert {"touched", "noise", "checkpoint"} <= {e.type for e in bench.rows(JobEvent)}
    by_noise, by_end = sorted((e for e in bench.rows(LedgerEntry) if e.ends), key=lambda e: e.seq)
    assert (by_noise.account, by_end.account) == ("fit", "evaluation")


@pytest.mark.parametrize("then", ["error", "bug"])
def test_a_job_that_fails_after_its_first_noise(sqlite_bench: Any, then: str) -> None:
    job_id = place(sqlite_bench, says=DREW, then=then)
    sqlite_bench.supervisor().work()
    assert sqlite_bench.job(job_id).state == "failed"
    assert ends(sqlite_bench) == {"fit": "settle", "evaluation": "release"}


def test_a_child_that_dies_at_once_after_its_first_noise_is_charged_once(sqlite_bench: Any) -> None:
    """What it said was not yet in the database when it died; two more attempts say it again."""
    job_id = place(sqlite_bench, says=DREW, then="crash")
    assert sqlite_bench.supervisor().work() == 3
    assert (sqlite_bench.job(job_id).state, sqlite_bench.job(job_id).attempt) == ("failed", 3)
    assert ends(sqlite_bench) == {"fit": "settle", "evaluation": "release"}
    settled = sqlite_bench.rows(LedgerEntry, kind="settle")
    assert [e.attempt for e in settled] == [1]


def test_a_child_that_dies_before_it_touched_anything(sqlite_bench: Any) -> None:
    place(sqlite_bench, plan="crash", says=DREW)
    sqlite_bench.supervisor().work()
    assert ends(sqlite_bench) == {"fit": "release", "evaluation": "release"}


def test_a_cancelled_job(sqlite_bench: Any, until: Any) -> None:
    bench = sqlite_bench
    job_id = place(bench, says=DREW, then="hang")
    supervisor = bench.supervisor()
    thread = threading.Thread(target=supervisor.work)
    thread.start()
    until(lambda: bench.rows(JobEvent, type="noise"))
    with bench.database.write() as session:
        lifecycle.cancel(session, job_id)
    bench.wait(job_id, "cancelled")
    supervisor.stop()
    thread.join(20)
    assert ends(bench) == {"fit": "settle", "evaluation": "release"}


def test_words_that_a_cancelled_job_says_last_are_not_lost(sqlite_bench: Any) -> None:
    """They come when no other write of the job is let through any more: they wait for its confirmation."""
    bench = sqlite_bench
    place(bench)
    with bench.database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("gpu",), lease_seconds=60)
    assert held is not None
    execution = Execution(held, bench.settings, bench.database, bench.store, stopping=threading.Event())
    with bench.database.write() as session:
        lifecycle.cancel(session, held.id)
    execution.recorder.event("noise", {"accounts": ["fit"]})
    assert execution.watch._talk(0.0) == "cancelling"
    execution._fenced()
    assert bench.job(held.id).state == "cancelled"
    assert ends(bench) == {"fit": "settle", "evaluation": "release"}


def test_words_of_a_failure_that_turns_out_to_be_cancelled_are_not_lost(sqlite_bench: Any) -> None:
    bench = sqlite_bench
    place(bench)
    with bench.database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("gpu",), lease_seconds=60)
    assert held is not None
    execution = Execution(held, bench.settings, bench.database, bench.store, stopping=threading.Event())
    execution.recorder.event("noise", {"accounts": ["fit"]})
    with bench.database.write() as session:
        lifecycle.cancel(session, held.id)
    execution._fail({"code": "internal"})
    assert ends(bench) == {"fit": "settle", "evaluation": "release"}
