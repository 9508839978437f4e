"""A child that works to plan: the real worker.runner with stand-in verbs, so that tests need no training.

spec["plan"]: ok, error, bug, crash, hang (deaf to TERM), hog (memory), fork (leaves a grandchild). spec["ticks"]
training steps of spec["tick"] seconds each write a checkpoint and go on from it. spec["plans"]: by number of a shard.
spec["says"]: events of the privacy ledger that a training begins with, [[type, accounts]]; then comes the plan
spec["then"].
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import worker.runner
from models.errors import InvalidData

EVALUATION = {
    "metrics": [
        {
            "name": "shape_error",
            "subject": "",
            "section": "columns",
            "value": 0.01,
            "ceiling": 0.005,
            "holdout": 0.007,
            "floor": 0.2,
            "direction": "lower",
            "goal": 0.02,
            "unit": "share",
            "note": "",
        }
    ],
    "sections": {},
    "meta": {},
}
SCHEMA = {"version": 1, "columns": [{"name": "age", "kind": "integer"}]}


def misbehave(plan: str, folder: Path) -> None:
    if plan == "error":
        raise InvalidData("Line 3 has 2 cells, the header 1.", hint="Quote cells that hold commas.")
    if plan == "bug":
        raise ValueError("secret-cell-value")
    if plan == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if plan == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if plan == "hog":
        hoard = []
        while True:
            hoard.append(os.urandom(8 << 20))
            time.sleep(0.01)
    if plan == "fork":
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("this is no message", grandchild.pid)
        Path(os.environ["TMPDIR"], "..", "grandchild").write_text(str(grandchild.pid))
        time.sleep(600)


def run(job: dict[str, Any], folder: Path, progress: Any) -> dict[str, Any]:
    spec, kind = job["spec"], job["kind"]
    progress.step("read")
    misbehave(spec.get("plans", {}).get(str(spec.get("shard")), spec.get("plan", "ok")), folder)
    if kind == "profile":
        progress.step("profile")
        (folder / "out" / "table.parquet").write_bytes((folder / "in" / "upload").read_bytes())
        return {"schema": SCHEMA, "profile": {"rows": 3}, "rows": 3}
    first = 0
    if kind == "synthesize":
        progress.step("train")
        for type, accounts in spec.get("says", []):
            progress.event(type, {"accounts": accounts})
        misbehave(spec.get("then", "ok"), folder)
        folder.joinpath("checkpoint").mkdir(exist_ok=True)
        state = folder / "checkpoint" / "state.json"
        first = json.loads(state.read_text())["tick"] if state.exists() else 0
        ticks = spec.get("ticks", 3)
        for tick in range(first, ticks):
            progress.check()
            time.sleep(spec.get("tick", 0.01))
            state.write_text(json.dumps({"tick": tick + 1}))
            progress.checkpoint(state.parent, step=tick + 1)
            progress.update((tick + 1) / ticks, f"tick {tick + 1}", loss=1 / (tick + 1))
        (folder / "out" / "synthesizer.tar").write_bytes(b"synthesizer")
    if kind in ("synthesize", "sample"):
        progress.step("sample")
        for tick in range(spec.get("ticks", 0) if kind == "sample" else 0):
            progress.check()
            time.sleep(spec.get("tick", 0.01))
            progress.update((tick + 1) / spec["ticks"])
        (folder / "out" / "sample.parquet").write_bytes(f"{spec.get('start', 0)}+{spec.get('rows', 10)};".encode())
    if kind in ("synthesize", "evaluate"):
        progress.step("evaluate")
    environment = sorted(os.environ)
    return {
        "schema": SCHEMA,
        "manifest": {"resumed_at": first, "split": {}, "environment": environment, "attempt": job["attempt"]},
        "rows": spec.get("rows", 10),
        "evaluation": EVALUATION,
        **({"rules": _costs(spec)} if spec.get("ruled") else {}),
    }


def _costs(spec: dict[str, Any]) -> dict[str, Any]:
    """Of each shard others."""
    share = spec.get("start", 0) / 10
    rule = {"rule": "a -> b", "redrawn_share": share}
    costs = {"rows": spec["rows"], "redrawn_share": share, "draws_per_row": 1 + share, "conditioned_rows": 1}
    return {**costs, "rules": [rule]}


if __name__ == "__main__":
    for name in ("profile", "synthesize", "sample", "evaluate"):
        verb = types.ModuleType(f"worker.verbs.{name}")
        verb.run = run  # type: ignore[attr-defined]
        sys.modules[verb.__name__] = verb
    sys.exit(worker.runner.main(Path(sys.argv[1])))
