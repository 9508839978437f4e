"""The state machine on both databases: claims, fencing, leases, reconciling, one set of results."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from models.errors import Conflict, InvalidData, PopulaceError
from service.db.base import epoch_now
from service.db.tables import Blob, Dataset, Job, JobEvent, JobStep, MetricRow, Report, Sample, Synthesizer
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, Event, FencedError, StepReport

EVALUATION = {
    "metrics": [
        {"name": "shape_error", "subject": "", "section": "columns", "value": 0.01, "ceiling": None, "holdout": None}
        | {"floor": None, "direction": "lower", "goal": None, "unit": "share", "note": ""}
    ],
    "sections": {},
    "meta": {},
}
OUTCOME = {"schema": {"columns": []}, "manifest": {}, "rows": 10, "evaluation": EVALUATION}


def claim(bench: Any, *, lease: float = 60.0, queues: tuple[str, ...] = ("gpu", "cpu")) -> Claim | None:
    with bench.database.write() as session:
        return lifecycle.claim(session, worker="w", queues=queues, lease_seconds=lease)


def claimed(bench: Any, **changes: Any) -> Claim:
    held = claim(bench, **changes)
    assert held is not None
    return held


def expire(bench: Any, job_id: str) -> None:
    with bench.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(lease_until=epoch_now() - 1))


def reconcile(bench: Any) -> lifecycle.Reconciled:
    with bench.database.write() as session:
        return lifecycle.reconcile(session, hint_after=30.0)


def publish(bench: Any, held: Claim) -> None:
    blobs = {name: bench.store.write([b"x"]).id for name in ("synthesizer", "sample")}
    with bench.database.write() as session:
        lifecycle.publish(session, held, OUTCOME, blobs)


def test_claims_are_fair_by_age_and_respect_queues(bench: Any) -> None:
    first, second, cpu = bench.add(), bench.add(), bench.add("evaluate")
    assert claimed(bench, queues=("cpu",)).id == cpu
    assert claimed(bench).id == first
    assert claimed(bench).id == second
    assert claim(bench) is None


def test_concurrent_claims_never_double(bench: Any) -> None:
    ids = {bench.add() for _ in range(24)}
    got: list[str] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        while (held := claim(bench)) is not None:
            got.append(held.id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(ids)


def test_lease_follows_the_clock_of_the_database(bench: Any) -> None:
    job_id = bench.add()
    held = claimed(bench, lease=60.0)
    with bench.database.read() as session:
        now = session.scalar(sa.select(epoch_now()))
    before = bench.job(job_id).lease_until
    assert 50 < before - now <= 60.1
    with bench.database.write() as session:
        assert lifecycle.heartbeat(session, held, lease_seconds=120.0) == "running"
    assert bench.job(job_id).lease_until > before + 50


def test_a_lost_attempt_can_write_nothing(bench: Any) -> None:
    job_id = bench.add()
    old = claimed(bench)
    expire(bench, job_id)
    assert reconcile(bench).requeued == [job_id]
    new = claimed(bench)
    assert (new.id, new.attempt) == (job_id, 2)
    blob = bench.store.write([b"c"]).id
    writes = [
        lambda s: lifecycle.record(s, old, {"train": StepReport(0.5)}, [Event("progress", {})]),
        lambda s: lifecycle.save_checkpoint(s, old, blob),
        lambda s: lifecycle.fail(s, old, InvalidData("x").to_problem()),
        lambda s: lifecycle.crashed(s, old, PopulaceError("x")),
        lambda s: lifecycle.cancelled(s, old),
        lambda s: lifecycle.release(s, old),
    ]
    before = (bench.job(job_id).state, len(bench.rows(JobEvent)))
    for write in writes:
        with pytest.raises(FencedError), bench.database.write() as session:
            write(session)
    with pytest.raises(FencedError):
        publish(bench, old)
    with bench.database.write() as session:
        assert lifecycle.heartbeat(session, old, lease_seconds=60) is None
    assert (bench.job(job_id).state, len(bench.rows(JobEvent))) == before
    assert not bench.rows(Synthesizer)


def test_two_attempts_that_race_publish_once(bench: Any) -> None:
    job_id = bench.add()
    old = claimed(bench)
    expire(bench, job_id)
    reconcile(bench)
    new = claimed(bench)
    start, fenced = threading.Barrier(4), []

    def work(held: Claim) -> None:
        start.wait()
        try:
            publish(bench, held)
        except FencedError:
            fenced.append(held)

    threads = [threading.Thread(target=work, args=(held,)) for held in (old, new, old, new)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fenced) == 3
    job = bench.job(job_id)
    assert job.state == "succeeded"
    assert job.problem is None
    for table in (Synthesizer, Sample, Report, MetricRow):
        assert len(bench.rows(table)) == 1, table
    assert job.result == {
        "dataset_id": "ds_a",
        "synthesizer_id": bench.rows(Synthesizer)[0].id,
        "sample_id": bench.rows(Sample)[0].id,
        "report_id": bench.rows(Report)[0].id,
    }


def test_three_attempts_then_failed_with_the_reason(bench: Any) -> None:
    job_id = bench.add()
    for _ in range(2):
        claimed(bench)
        expire(bench, job_id)
        assert reconcile(bench).requeued == [job_id]
    held = claimed(bench)
    kept = bench.store.write([b"c"]).id  # before the turn of the other write: one waits for it
    with bench.database.write() as session:
        lifecycle.save_checkpoint(session, held, kept)
    expire(bench, job_id)
    found = reconcile(bench)
    assert found.failed == [job_id]
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.problem["code"]) == ("failed", 3, "worker_lost")
    assert "3 attempts" in job.problem["detail"]
    assert len(found.blobs) == 1
    bench.store.delete(found.blobs)
    assert claim(bench) is None


def test_a_released_job_costs_no_attempt(bench: Any) -> None:
    job_id = bench.add()
    for _ in range(5):
        held = claimed(bench)
        with bench.database.write() as session:
            lifecycle.release(session, held)
    held = claimed(bench)
    assert held.attempt == 6
    assert held.max_attempts - held.attempt == 2
    assert bench.job(job_id).state == "running"


def test_waiting_jobs_are_hinted_again(bench: Any) -> None:
    job_id = bench.add()
    assert reconcile(bench).queues == set()
    with bench.database.write() as session:
        session.execute(sa.update(Job).values(hinted_at=epoch_now() - 31))
    assert reconcile(bench).queues == {"gpu"}
    assert reconcile(bench).queues == set()
    claimed(bench)
    expire(bench, job_id)
    assert reconcile(bench).queues == {"gpu"}


def test_cancel_in_each_state(bench: Any) -> None:
    queued = bench.add()
    with bench.database.write() as session:
        lifecycle.cancel(session, queued)
    assert bench.job(queued).state == "cancelled"
    running = bench.add()
    held = claimed(bench)
    with bench.database.write() as session:
        lifecycle.cancel(session, running)
        lifecycle.cancel(session, running)
    assert bench.job(running).state == "cancelling"
    with bench.database.write() as session:
        assert lifecycle.heartbeat(session, held, lease_seconds=60) == "cancelling"
    with pytest.raises(FencedError):
        publish(bench, held)
    assert not bench.rows(Synthesizer)
    with bench.database.write() as session:
        lifecycle.cancelled(session, held)
    assert bench.job(running).state == "cancelled"
    done = bench.add()
    publish(bench, claimed(bench))
    with pytest.raises(Conflict), bench.database.write() as session:
        lifecycle.cancel(session, done)
    vanished = bench.add()
    claimed(bench)
    with bench.database.write() as session:
        lifecycle.cancel(session, vanished)
    expire(bench, vanished)
    assert reconcile(bench).cancelled == [vanished]
    kinds = [(e.type, e.data["state"]) for e in bench.rows(JobEvent, job_id=running)]
    assert kinds == [("state", s) for s in ("queued", "running", "cancelling", "cancelled")]


def test_steps_start_afresh_with_each_attempt(bench: Any) -> None:
    job_id = bench.add()
    held = claimed(bench)
    with bench.database.write() as session:
        lifecycle.record(session, held, {"read": StepReport(1, "", 2, 1), "train": StepReport(7.0, "x", 1)})
    steps = {s.name: s for s in bench.rows(JobStep, job_id=job_id)}
    assert steps["train"].fraction == 1.0
    assert steps["train"].ended_at is None
    assert steps["read"].ended_at - steps["read"].started_at == pytest.approx(1.0, abs=0.01)
    expire(bench, job_id)
    reconcile(bench)
    claimed(bench)
    assert all(s.started_at is None and s.fraction == 0 and s.message == "" for s in bench.rows(JobStep))


def test_a_replaced_checkpoint_is_let_go(bench: Any) -> None:
    job_id = bench.add()
    held = claimed(bench)
    blobs = [bench.store.write([bytes([i])]).id for i in range(3)]
    retired: list[str] = []
    for blob in blobs:
        with bench.database.write() as session:
            retired += lifecycle.save_checkpoint(session, held, blob)
    assert retired == blobs[:2]
    assert bench.job(job_id).checkpoint_blob_id == blobs[2]


@pytest.mark.parametrize("how", ["fail", "cancel", "lost"])
def test_an_upload_without_success_leaves_nothing_behind(sqlite_bench: Any, how: str) -> None:
    bench = sqlite_bench
    job_id = bench.upload()
    if how == "cancel":
        with bench.database.write() as session:
            blobs = lifecycle.cancel(session, job_id)
    elif how == "fail":
        held = claimed(bench)
        with bench.database.write() as session:
            blobs = lifecycle.fail(session, held, InvalidData("Line 2 is bad.").to_problem())
    else:
        with bench.database.write() as session:
            session.execute(sa.update(Job).where(Job.id == job_id).values(max_attempts=1))
        claimed(bench)
        expire(bench, job_id)
        blobs = reconcile(bench).blobs
    bench.store.delete(blobs)
    dataset = bench.rows(Dataset, id=bench.job(job_id).dataset_id)[0]
    assert dataset.state == "rejected"
    assert dataset.problem["code"] == {"fail": "invalid_data", "cancel": "cancelled", "lost": "worker_lost"}[how]
    assert dataset.upload_blob_id is None
    kept = bench.rows(Dataset, id="ds_a")[0].table_blob_id
    assert [b.id for b in bench.rows(Blob)] == [kept]


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "running"},
        {"attempt": 4},
        {"lease_until": 1.0},
        {"ended_at": 1.0},
        {"state": "done"},
        {"kind": "dance"},
    ],
)
def test_the_schema_itself_refuses_impossible_jobs(bench: Any, wrong: dict[str, Any]) -> None:
    job_id = bench.add()
    with pytest.raises(sa.exc.IntegrityError), bench.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job_id).values(**wrong))
