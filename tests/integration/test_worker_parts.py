"""The parts of a worker that need neither database nor child."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
import time
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from models.errors import Cancelled, InvalidData
from service.jobs.hints import CeleryHint, LocalHint, NoHint, make_hint
from service.settings import Settings
from worker.archives import pack, unpack
from worker.child import TRACE_LINE, environment
from worker.folders import job_folder, sweep_folders
from worker.limits import job_memory, job_threads, machine_memory, resident
from worker.patience import patiently
from worker.recorder import Recorder
from worker.reporting import Reporter
from worker.runner import problem_of


def test_archives_round_trip(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.bin").write_bytes(b"\x00\xff")
    (source / "deep" / "b.json").write_text("{}")
    (source / "link").symlink_to("/etc/passwd")
    pack(source, tmp_path / "x.tar")
    unpack(tmp_path / "x.tar", tmp_path / "target")
    found = {str(p.relative_to(tmp_path / "target")): p.read_bytes() for p in (tmp_path / "target").rglob("*.*")}
    assert found == {"a.bin": b"\x00\xff", "deep/b.json": b"{}"}
    assert not (tmp_path / "target" / "link").exists()


@pytest.mark.parametrize("name", ["../outside", "deep/../../outside"])
def test_archives_do_not_write_outside(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(tarfile.TarError):
        unpack(tmp_path / "evil.tar", tmp_path / "target")
    assert not (tmp_path / "outside").exists()


def test_archives_refuse_links(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo("passwd")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(tarfile.TarError):
        unpack(tmp_path / "evil.tar", tmp_path / "target")


def test_recorder_keeps_what_could_not_be_written() -> None:
    recorder = Recorder()
    recorder.step("read")
    recorder.step("train")
    recorder.progress(0.5, "half", {"loss": 1.0})
    steps, events = recorder.take()
    assert steps["read"].ended_ago is not None
    assert (steps["train"].fraction, steps["train"].ended_ago) == (0.5, None)
    assert [e.type for e in events] == ["step", "step", "step", "progress"]
    assert recorder.take() == ({}, [])
    recorder.put_back(steps, events)
    recorder.finish()
    steps, again = recorder.take()
    assert again[: len(events)] == events
    assert steps["train"].fraction == 1.0


def test_recorder_does_not_flood_the_log() -> None:
    recorder = Recorder()
    recorder.step("train")
    for i in range(5000):
        recorder.progress(i / 5000, "", {})
    steps, events = recorder.take()
    assert len([e for e in events if e.type == "progress"]) == 1
    assert steps["train"].fraction == pytest.approx(1, abs=0.001)


def test_reports_are_json_lines(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "weights").write_bytes(b"w")
    out = io.StringIO()
    reporter = Reporter(out, tmp_path, checkpoint_seconds=0.1)
    reporter.step("train")
    reporter.update(float("0.5"), "text\nwith a line end", loss=float("nan"), auc=0.123456789)
    reporter.checkpoint(tmp_path / "state", step=1)
    time.sleep(0.12)
    reporter.checkpoint(tmp_path / "state", step=2)
    reporter.checkpoint(tmp_path / "state", step=3)
    time.sleep(0.12)
    reporter.checkpoint(tmp_path / "state", step=4)
    messages = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [m["type"] for m in messages] == ["step", "progress", "checkpoint"]
    assert messages[1]["values"] == {"auc": 0.123457}
    assert messages[2]["meta"] == {"step": 2}
    kept = tmp_path / "out" / messages[2]["file"]
    assert kept.is_file(), "not fetched yet, so the fourth was not packed"
    kept.unlink()
    reporter.checkpoint(tmp_path / "state", step=5)
    assert json.loads(out.getvalue().splitlines()[-1])["meta"] == {"step": 5}
    reporter.stop.set()
    with pytest.raises(Cancelled):
        reporter.step("sample")


def test_problems_quote_no_data() -> None:
    assert problem_of(InvalidData("Line 3 is bad."))["code"] == "invalid_data"
    assert problem_of(MemoryError())["code"] == "memory_limit"
    problem = problem_of(KeyError("Mrs Confidential"))
    assert (problem["code"], problem["status"]) == ("internal", 500)
    assert "Confidential" not in str(problem)


def test_logged_traces_name_places_and_no_texts() -> None:
    trace = [
        '  File "/app/models/x.py", line 3, in fit',
        '    raise ValueError(f"bad cell {cell}")',
        "ValueError: bad cell Mrs Confidential",
        "models.errors.InvalidData: Confidential",
        "Confidential row",
    ]
    kept = [found.group().strip() for line in trace if (found := TRACE_LINE.match(line))]
    assert kept == ['File "/app/models/x.py", line 3, in fit', "ValueError"]


def test_a_child_knows_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POPULACE_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PYTHONSTARTUP", "LD_PRELOAD"):
        monkeypatch.setenv(name, "x")
    env = environment(tmp_path, 3)
    assert not {"POPULACE_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PYTHONSTARTUP", "LD_PRELOAD"} & set(env)
    assert env["OMP_NUM_THREADS"] == env["MKL_NUM_THREADS"] == "3"
    assert env["HOME"] == str(tmp_path)


def test_limits_of_this_machine() -> None:
    assert 0 < job_memory(Settings(worker_slots=2)) < machine_memory() / 2
    assert job_memory(Settings(job_memory_bytes=7)) == 7
    assert job_threads(Settings(threads=5)) == 5
    assert 1 <= job_threads(Settings(worker_slots=64)) <= (os.cpu_count() or 1)
    own = psutil.Process().memory_info().rss
    assert resident(os.getpid()) >= own / 2
    assert resident(2**22 + 1) == 0


def test_job_folders_vanish_whatever_happens(tmp_path: Path) -> None:
    def work() -> None:
        with job_folder(tmp_path, "job_a", 1) as folder:
            (folder / "in" / "table").write_text("confidential")
            assert sweep_folders(tmp_path) == 0, "its worker lives"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "job_b.1").mkdir()
    (tmp_path / "other").mkdir()
    assert sweep_folders(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["other"]
    assert sweep_folders(tmp_path / "none") == 0


def test_hints_fit_the_settings() -> None:
    assert isinstance(make_hint(Settings()), LocalHint)
    assert isinstance(make_hint(Settings(broker_url="redis://127.0.0.1:1")), CeleryHint)
    assert isinstance(make_hint(Settings(mode="full", database_url="postgresql://u:x@h/d")), NoHint)


def test_a_local_hint_sent_before_waiting_is_not_missed() -> None:
    hint = LocalHint()
    seen = hint.wait(-1, 0)
    hint.send("cpu")
    began = time.monotonic()
    assert hint.wait(seen, 5) == seen + 1
    threading.Timer(0.1, hint.send, args=("cpu",)).start()
    assert hint.wait(seen + 1, 5) == seen + 2
    assert time.monotonic() - began < 2
    assert hint.wait(seen + 2, 0.05) == seen + 2


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.patience.PAUSE_SECONDS", 0.01)
    tries: list[int] = []

    def work() -> int:
        tries.append(1)
        if len(tries) < 4:
            raise sa.exc.OperationalError("select", {}, Exception("gone"))
        return 7

    assert patiently(work, 5) == 7
    tries.clear()
    with pytest.raises(sa.exc.OperationalError):
        patiently(work, -1)
    assert len(tries) == 1
