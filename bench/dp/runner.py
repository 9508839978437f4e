"""Runs one private synthesizer in its own environment; bench.dp starts it as a process of its own.

    python -P bench/dp/runner.py NAME DOMAIN.npz OUT.npy ROWS SEED SETTINGS

NAME is a module of peers/ beside this file, with `fit(data, seed, settings)`, `draw(model, rows, seed)`, which returns
codes, and perhaps `facts(model)`. settings holds epsilon and delta. Writes OUT.npy and OUT.json: {fit_s, fit_cpu_s,
sample_s, facts}. Reading the training rows, importing and writing are not timed. This file and the modules of peers/
import nothing of the project, except `ours` and `steps`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Data:
    """codes (N, d) int64; sizes (d,): cells of each column, public; target: the number of the column to predict."""

    codes: Any
    sizes: list[int]
    target: int


def module(name: str) -> ModuleType:
    """The file peers/NAME.py, under a name that hides no package."""
    spec = importlib.util.spec_from_file_location(f"peer_{name}", Path(__file__).parent / "peers" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"There is no synthesizer {name!r}.")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def main(name: str, domain: str, out: str, rows: str, seed: str, settings: str) -> None:
    peer: Any = module(name)
    with np.load(domain) as held:
        data = Data(held["codes"].astype(np.int64), held["sizes"].tolist(), int(held["target"]))
    began, cpu = time.perf_counter(), time.process_time()
    model = peer.fit(data, int(seed), json.loads(settings))
    fitted, used = time.perf_counter(), time.process_time()
    drawn = peer.draw(model, int(rows), int(seed))
    ended = time.perf_counter()
    np.save(out, np.asarray(drawn, dtype=np.int64))
    facts = peer.facts(model) if hasattr(peer, "facts") else {}
    times = {"fit_s": fitted - began, "fit_cpu_s": used - cpu, "sample_s": ended - fitted}
    report = {**{k: round(v, 3) for k, v in times.items()}, "facts": facts}
    Path(out).with_suffix(".json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
