"""A large sample, drawn as shards: one whole sample whatever happens to its workers, or nothing."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from service.db.base import new_id
from service.db.tables import Blob, Job, JobEvent, Sample, SamplePart, Synthesizer
from service.jobs import lifecycle, repository
from service.jobs.hints import CeleryHint
from service.jobs.lifecycle import FencedError
from service.jobs.resolved import Resolved
from service.jobs.shards import BLOCK, MOST_CELLS, MOST_SHARDS, ranges
from service.settings import Settings
from worker.archives import pack

RANGES = [(0, 4), (4, 4), (8, 2)]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., str]:
    """draw(bench, **spec): a sample job of ten rows in three shards -> its id."""

    def start(bench: Any, ranges: Sequence[tuple[int, int]] = RANGES, **spec: Any) -> str:
        (tmp_path / "empty").mkdir(exist_ok=True)
        pack(tmp_path / "empty", tmp_path / "empty.tar")
        artifact = bench.store.write([(tmp_path / "empty.tar").read_bytes()]).id
        trained = bench.add(seed=0)
        with bench.database.write() as session:
            made = session.get_one(Job, trained)
            made.state, made.ended_at = "succeeded", 1.0
            own = {"tenant_id": bench.tenant_id, "dataset_id": bench.dataset_id, "job_id": trained}
            synthesizer = Synthesizer(id=new_id("syn"), artifact_blob_id=artifact, schema={}, manifest={}, **own)
            session.add(synthesizer)
            session.flush()
            whole = {"rows": 10, "synthesizer_id": synthesizer.id, **spec}
            job_id = bench.add("sample", session=session, **whole, shards=len(ranges))
            lifecycle.split(session, session.get_one(Job, job_id), ranges)
        return str(job_id)

    return start


def shards(bench: Any, parent_id: str) -> list[Job]:
    return sorted(bench.rows(Job, parent_id=parent_id), key=lambda j: int(j.spec["shard"]))


def told(bench: Any, job_id: str, state: str) -> int:
    """How often the job's log says that it is in the state."""
    return sum(e.data.get("state") == state for e in bench.rows(JobEvent, job_id=job_id, type="state"))


def check_whole(bench: Any, parent_id: str) -> None:
    """There is one sample with all rows, in order, once."""
    (sample,) = bench.rows(Sample)
    assert (sample.job_id, sample.row_count) == (parent_id, 10)
    parts = sorted(bench.rows(SamplePart), key=lambda p: int(p.position))
    assert [p.row_count for p in parts] == [4, 4, 2]
    assert sample.table_blob_id == parts[0].blob_id
    text = b"".join(piece for p in parts for piece in bench.store.chunks(p.blob_id))
    assert text == b"0+4;4+4;8+2;"
    assert told(bench, parent_id, "succeeded") == 1
    with bench.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 2 + len(RANGES), "no blob is left over"


def check_nothing(bench: Any, parent_id: str) -> None:
    assert bench.rows(Sample) == []
    assert bench.rows(SamplePart) == []
    assert {j.state for j in shards(bench, parent_id)} <= {"succeeded", "failed", "cancelled"}
    with bench.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Blob)) == 2, "the dataset and the synthesizer"
    assert not list(bench.settings.jobs_dir.glob("job_*")), "no folder is left over"


def test_workers_share_the_shards_and_the_last_one_publishes(bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(bench, ticks=4, tick=0.1)
    first, second = bench.supervisor(), bench.supervisor()
    threads = [threading.Thread(target=s.work) for s in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.result["sample_id"]) == ("succeeded", 1, bench.rows(Sample)[0].id)
    assert {j.worker for j in shards(bench, job_id)} == {first.name, second.name}
    check_whole(bench, job_id)
    steps = repository_steps(bench, job_id)
    assert {name for name, ended in steps.items() if ended is not None} == {"read", "sample", "publish"}
    fractions = [e.data["fraction"] for e in bench.rows(JobEvent, job_id=job_id, type="progress")]
    assert fractions
    assert all(0 <= f <= 1 for f in fractions)


def repository_steps(bench: Any, job_id: str) -> dict[str, float | None]:
    with bench.database.read() as session:
        return {s.name: s.ended_at for s in repository.steps(session, [job_id])[job_id]}


def test_what_rules_cost_is_told_of_all_shards_together(sqlite_bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(sqlite_bench, ruled=True)
    supervisor = sqlite_bench.supervisor()
    for _ in RANGES:
        supervisor.work()
    check_whole(sqlite_bench, job_id)
    costs = sqlite_bench.job(job_id).result["rules"]
    assert (costs["rows"], costs["conditioned_rows"]) == (10, 3)
    # Four rows at 0, four at 0.4, two at 0.8.
    assert costs["redrawn_share"] == pytest.approx(0.32)
    assert costs["draws_per_row"] == pytest.approx(1.32)
    assert costs["rules"] == [{"rule": "a -> b", "redrawn_share": pytest.approx(0.32)}]


def test_nothing_is_visible_before_the_last_shard(bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(bench)
    supervisor = bench.supervisor()
    for left in (2, 1):
        with bench.database.write() as session:
            held = [j for j in shards(bench, job_id) if j.state == "queued"][1:]
            session.execute(sa.update(Job).where(Job.id.in_([j.id for j in held])).values(queue="later"))
        supervisor.work()
        with bench.database.write() as session:
            session.execute(sa.update(Job).where(Job.queue == "later").values(queue="gpu"))
        assert bench.job(job_id).state == "running"
        assert bench.rows(Sample) == []
        assert len(bench.rows(SamplePart)) == 3 - left
    supervisor.work()
    check_whole(bench, job_id)


def test_a_vanished_worker_costs_its_shard_an_attempt(bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(bench)
    with bench.database.write() as session:
        lost = lifecycle.claim(session, worker="gone", queues=["gpu"], lease_seconds=0.0)
    assert lost is not None
    supervisor = bench.supervisor()
    supervisor.work()
    assert bench.job(job_id).state == "running"
    supervisor.reconcile()
    supervisor.work()
    assert bench.job(job_id).state == "succeeded"
    assert sorted(j.attempt for j in shards(bench, job_id)) == [1, 1, 2]
    check_whole(bench, job_id)
    with pytest.raises(FencedError), bench.database.write() as session:
        lifecycle.publish(session, lost, {"rows": 4}, {"sample": "blob_none"})
    check_whole(bench, job_id)


def test_a_shard_that_cannot_be_drawn_fails_the_whole(bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(bench, plans={"1": "error"})
    bench.supervisor().work()
    job = bench.job(job_id)
    assert (job.state, job.problem["code"]) == ("failed", "invalid_data")
    assert "failed" in [j.state for j in shards(bench, job_id)]
    check_nothing(bench, job_id)


def test_a_shard_has_three_attempts(sqlite_bench: Any, draw: Callable[..., str]) -> None:
    bench = sqlite_bench
    job_id = draw(bench, plans={"2": "crash"})
    bench.supervisor().work()
    job = bench.job(job_id)
    assert (job.state, job.problem["code"]) == ("failed", "child_lost")
    assert [(j.state, j.attempt) for j in shards(bench, job_id)][2] == ("failed", 3)
    check_nothing(bench, job_id)


def test_cancel_stops_every_shard_and_leaves_nothing(
    bench: Any, draw: Callable[..., str], until: Callable[..., None]
) -> None:
    job_id = draw(bench, ticks=400, tick=0.05, plans={})
    with bench.database.write() as session:  # the first one has drawn its rows already
        done = lifecycle.claim(session, worker="w", queues=["gpu"], lease_seconds=60.0)
        assert done is not None
    blob = bench.store.write([b"rows"]).id
    with bench.database.write() as session:
        lifecycle.record(session, done, {})
        assert lifecycle.publish(session, done, {"rows": 4}, {"sample": blob}) == []
    thread = threading.Thread(target=bench.supervisor().work)
    thread.start()
    until(lambda: "running" in [j.state for j in shards(bench, job_id)])
    assert len(bench.rows(SamplePart)) == 1
    with bench.database.write() as session:
        blobs = lifecycle.cancel(session, job_id)
    bench.store.delete(blobs)
    assert bench.job(job_id).state == "cancelling"
    assert bench.wait(job_id, "cancelled", seconds=20).result is None
    thread.join()
    assert sorted(j.state for j in shards(bench, job_id)) == ["cancelled", "cancelled", "succeeded"]
    assert told(bench, job_id, "cancelled") == 1
    check_nothing(bench, job_id)


def test_cancel_before_any_worker_came(bench: Any, draw: Callable[..., str]) -> None:
    job_id = draw(bench)
    with bench.database.write() as session:
        assert lifecycle.cancel(session, job_id) == []
    assert bench.job(job_id).state == "cancelled"
    assert bench.supervisor().work() == 0
    check_nothing(bench, job_id)


def test_shutdown_gives_a_shard_back(sqlite_bench: Any, draw: Callable[..., str], until: Callable[..., None]) -> None:
    bench = sqlite_bench
    job_id = draw(bench, ticks=400, tick=0.05)
    supervisor = bench.supervisor()
    thread = threading.Thread(target=supervisor.work)
    thread.start()
    until(lambda: "running" in [j.state for j in shards(bench, job_id)])
    supervisor.stop()
    thread.join()
    assert {j.state for j in shards(bench, job_id)} == {"queued"}
    with bench.database.write() as session:
        quick = [{"id": j.id, "spec": {**j.spec, "ticks": 1}} for j in shards(bench, job_id)]
        session.execute(sa.update(Job), quick)
    bench.supervisor().work()
    check_whole(bench, job_id)


@pytest.mark.parametrize("stop", [False, True])
def test_many_hands_neither_block_each_other_nor_publish_twice(
    bench: Any, draw: Callable[..., str], until: Callable[..., None], stop: bool
) -> None:
    """Claims, reports, ends, a reconciler and (stop) a cancellation of one sample at a time, without children."""
    job_id = draw(bench, ranges=[(i, 1) for i in range(24)])
    blob = bench.store.write([b"rows"]).id
    errors: list[BaseException] = []
    turns, asked = itertools.count(), threading.Event()

    def hand(number: int) -> None:
        try:
            while True:
                with bench.database.write() as session:
                    claim = lifecycle.claim(session, worker=f"w{number}", queues=["gpu"], lease_seconds=60.0)
                if claim is None:
                    return
                with contextlib.suppress(FencedError):
                    for fraction in (0.5, 1.0):
                        report = {"sample": lifecycle.StepReport(fraction, "", 1.0)}
                        with bench.database.write() as session:
                            lifecycle.record(session, claim, report, [lifecycle.Event("progress", {"n": number})])
                    if stop and next(turns) >= 12:
                        asked.wait(60)  # so that the sample is not whole before it is cancelled
                    with bench.database.write() as session:
                        lifecycle.publish(session, claim, {"rows": 1}, {"sample": blob})
                    continue
                with contextlib.suppress(FencedError), bench.database.write() as session:
                    lifecycle.cancelled(session, claim)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=hand, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    if stop:
        until(lambda: bench.rows(SamplePart))
        with bench.database.write() as session:
            lifecycle.cancel(session, job_id)
        asked.set()
    while any(thread.is_alive() for thread in threads):
        with bench.database.write() as session:
            lifecycle.reconcile(session, hint_after=1000.0)
    for thread in threads:
        thread.join()
    assert errors == []
    states = [j.state for j in shards(bench, job_id)]
    assert set(states) <= {"succeeded", "cancelled"}
    assert bench.job(job_id).state == ("cancelled" if stop else "succeeded")
    assert len(bench.rows(Sample)) == (0 if stop else 1)
    assert len(bench.rows(SamplePart)) == (0 if stop else 24)
    assert told(bench, job_id, bench.job(job_id).state) == 1


def test_kill_9_in_mid_shard_and_there_is_one_whole_sample(
    postgres_bench: Any, workers: Any, draw: Callable[..., str], until: Callable[..., None]
) -> None:
    bench = postgres_bench
    for _ in range(2):
        workers.start()
    workers.ready(2)
    job_id = draw(bench, ticks=40, tick=0.05)
    CeleryHint(workers.broker_url).send("gpu", 3)
    until(lambda: [j.state for j in shards(bench, job_id)].count("running") == 2)
    until(workers.busy)
    victim = workers.busy()
    assert victim is not None
    child = workers.child_of(victim)
    victim.send_signal(signal.SIGKILL)
    until(lambda: child is None or not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
    job = bench.wait(job_id, "succeeded", "failed", seconds=40)
    assert job.state == "succeeded", workers.log()
    assert sorted(j.attempt for j in shards(bench, job_id)) == [1, 1, 2]
    check_whole(bench, job_id)


def plan(rows: int, columns: int = 10, **more: Any) -> list[tuple[int, int]]:
    job = Resolved("sample", {}, rows, columns)
    return ranges(job, Settings(**more))


def test_how_a_sample_is_divided() -> None:
    assert plan(1_000_000) == [(0, 1_000_000)]
    assert plan(1_000_001) == [(0, 507_904), (507_904, 492_097)]
    assert plan(10, shard_rows=4) == RANGES
    for found, rows in ((plan(50_000_000), 50_000_000), (plan(100_000, 2_000), 100_000)):
        assert len(found) > 1
        assert all(start % BLOCK == 0 for start, _ in found)
        assert [start for start, _ in found] == [0, *(sum(r for _, r in found[:i]) for i in range(1, len(found)))]
        assert sum(r for _, r in found) == rows
    assert max(r for _, r in plan(100_000, 2_000)) < MOST_CELLS / 2_000 + BLOCK
    assert len(plan(100_000_000, 2_000)) <= MOST_SHARDS
    assert ranges(Resolved("synthesize", {}, 10**8, 10), Settings()) == [(0, 10**8)]
    assert ranges(Resolved("sample", {"impute": {"columns": None}}, 10**8, 10), Settings()) == [(0, 10**8)]
