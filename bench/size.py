"""Memory and time of the default model on large tables: long, wide, and with very many labels.

    python -m bench.size --data DIR [--only covertype long categories wide] [--threads N] [--steps N] [--command]

DIR holds covertype/covertype.csv.gz and adult/train.csv.gz. The cases:
 covertype   581,012 x 55, as many rows drawn
 long        10,000,000 x 15: Adult's training rows over and over, with noise on the numbers; 1,000,000 rows drawn
 categories  1,000,000 x 5 with a column of 50,000 labels (Zipf), on which three others depend; 2,000,000 rows drawn
 wide        20,000 x 300; 20,000 rows drawn
Each is written to a scratch folder as a file, then read, fitted and drawn from in a process of its own; `--command`
does the same through `populace synth`, report and evaluation included. Prints markdown: seconds of each step, CPU
seconds of each (which other work on the machine changes little), and the resident megabytes that the process has held
at most by its end (of a command: those of each child that it starts, and of the rest).

shares: of the 1,000 most frequent labels of `label`, how many are drawn within 10% of their share in the training rows
(`by_chance`: of a sample from the true shares; `rms_own`: what is left of the error without chance).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq

from bench.size_tables import CASES, Case, write
from models.ingest import Limits, infer_schema, read_upload
from models.progress import SILENT, Silent
from models.synthesize import FitOptions, fit, sample_batches
from models.table import StoredWriter, Table

MOST_FREQUENT = 1_000
CLOSE = 0.1


class Marks(Silent):
    """Seconds and peak memory of each step, as it ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {}
        self._name, self._began, self._used = "", time.perf_counter(), time.process_time()

    def step(self, name: str) -> None:
        now, used = time.perf_counter(), time.process_time()
        if self._name:
            self.seconds[self._name] = round(now - self._began, 1)
            self.cpu[self._name] = round(used - self._used, 1)
            self.peak_mb[self._name] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        self._name, self._began, self._used = name, now, used
        print(f"{name} ...", file=sys.stderr, flush=True)


def measure(case: Case, source: Path, options: FitOptions) -> dict[str, Any]:
    """Read, fit and draw, in this process."""
    marks = Marks()
    marks.step("read")
    data, dialect, storages = read_upload(source, filename=source.name, limits=Limits(), progress=SILENT)
    table = Table(infer_schema(data, dialect, storages), data)
    shape = (len(table), data.num_columns)
    del data
    synthesizer = fit(table, options=options, progress=marks)
    del table
    marks.step("sample")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.parquet"
        with StoredWriter(path, synthesizer.schema.names) as writer:
            for batch in sample_batches(synthesizer, case.drawn):
                writer.write(batch)
        marks.step("")
        out = {"rows": shape[0], "columns": shape[1], "drawn": case.drawn, "plan": synthesizer.manifest["plan"]}
        out |= {"seconds": marks.seconds, "cpu": marks.cpu, "peak_mb": marks.peak_mb}
        out["slots"] = synthesizer.manifest["slots"]
        out["facts"] = {k: synthesizer.manifest.get(k) for k in ("seconds", "steps", "adversarial", "impossible_pairs")}
        out["width"] = synthesizer.manifest["width"]
        if case.labels:
            out["shares"] = shares(source, path, case.labels)
    return out


def counts_of(path: Path, name: str) -> dict[str, int]:
    """Rows of each label of a stored column."""
    found = pq.read_table(path, columns=[name]).column(name).value_counts()
    return {str(c["values"]): c["counts"] for c in found.to_pylist()}


def shares(source: Path, drawn: Path, name: str) -> dict[str, float]:
    """How near the shares of the most frequent labels are."""
    real, made = counts_of(source, name), counts_of(drawn, name)
    return compare(real, made)


def compare(real: Mapping[str, int], made: Mapping[str, int]) -> dict[str, float]:
    """Counts by label of the source and of a sample -> the most frequent labels' shares, and what chance would do."""
    top = sorted(real, key=lambda w: (-real[w], w))[:MOST_FREQUENT]
    n, m = sum(real.values()), sum(made.values())
    p = np.array([real[w] for w in top]) / n
    q = np.array([made.get(w, 0) for w in top]) / m
    noise = np.random.default_rng(0).binomial(m, np.minimum(p, 1)) / m
    off, chance = np.abs(q / p - 1), np.abs(noise / p - 1)
    # Chance adds the variance (1 - p) / (m p) to the square of each ratio: what is left is the generator's own error.
    own = np.sqrt(max(0.0, float((off**2 - (1 - p) / (m * p)).mean())))
    return {
        "labels": len(real),
        "labels_drawn": len(made),
        "smallest_rows": real[top[-1]],
        "within": int((off <= CLOSE).sum()),
        "within_by_chance": int((chance <= CLOSE).sum()),
        "worst": round(float(off.max()), 4),
        "worst_by_chance": round(float(chance.max()), 4),
        "rms": round(float(np.sqrt((off**2).mean())), 4),
        "rms_by_chance": round(float(np.sqrt((chance**2).mean())), 4),
        "rms_own": round(own, 4),
    }


@dataclass
class Family:
    """Peak memory of each kind of process below a command, by its own account of it (VmHWM)."""

    peaks: dict[str, float]

    def watch(self, process: psutil.Process, stop: threading.Event) -> None:
        while not stop.wait(0.2):
            try:
                members = [process, *process.children(recursive=True)]
            except psutil.Error:
                return
            for member in members:
                try:
                    words = " ".join(member.cmdline())
                    status = Path(f"/proc/{member.pid}/status").read_text()
                except (psutil.Error, OSError):
                    continue
                held = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
                kind = "child" if "worker.runner" in words else "probe" if "parquet_probe" in words else "command"
                if held:
                    name = f"{kind} {member.pid}" if kind == "child" else kind
                    self.peaks[name] = max(self.peaks.get(name, 0), held[0] / 1024)


def command(case: Case, source: Path, options: FitOptions) -> dict[str, Any]:
    """The same through the command line, as a user does it."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        out = Path(folder) / "out.csv"
        words = [sys.executable, "-m", "populace", "synth", str(source), "--output", str(out), "--json"]
        words += ["--rows", str(case.drawn), "--report", str(Path(folder) / "r.html")]
        words += ["--option", f"steps={options.steps}"] if options.steps else []
        words += ["--option", f"adversarial={options.adversarial}"] if options.adversarial != "auto" else []
        words += ["--option", f"threads={options.threads}"] if options.threads else []
        words += ["--target", case.target] if case.target else []
        environment = {**os.environ, "POPULACE_HOME": str(Path(folder) / "home")}
        began = time.perf_counter()
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as run:
            family, stop = Family({}), threading.Event()
            thread = threading.Thread(target=family.watch, args=(psutil.Process(run.pid), stop))
            thread.start()
            said, _ = run.communicate()
            stop.set()
            thread.join()
        seconds = round(time.perf_counter() - began, 1)
        peaks = {k: round(v) for k, v in family.peaks.items()}
        if run.returncode:
            return {"failed": run.returncode, "seconds": seconds, "peaks_mb": peaks}
        return {"seconds": seconds, "peaks_mb": peaks, "said": json.loads(said), "bytes": out.stat().st_size}


def show(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Markdown of what was measured."""
    steps = ("read", "encode", "train", "sample")
    heads = [*(f"{s}, s" for s in steps), "all, s", "CPU, s", *(f"{s}, peak MB" for s in steps)]
    print(f"| table | rows x columns | drawn | {' | '.join(heads)} |")
    print("| --- " * (3 + len(heads)) + "|")
    for name, found in results.items():
        seconds, used, peaks = found["seconds"], found["cpu"], found["peak_mb"]
        cells = [f"{seconds[s]:.0f}" for s in steps] + [f"{sum(seconds.values()):.0f}"]
        cells += [" + ".join(f"{used[s]:.0f}" for s in steps)]
        cells += [f"{peaks[s]:,}" for s in steps]
        print(f"| {name} | {found['rows']:,} x {found['columns']} | {found['drawn']:,} | {' | '.join(cells)} |")
    for name, found in results.items():
        told = {k: found[k] for k in ("plan", "slots", "width", "facts", "shares") if k in found}
        print(f"\n{name}: {json.dumps(told)}")


def show_commands(results: Mapping[str, Mapping[str, Any]]) -> None:
    print("| table | seconds of the command | its steps | peak MB: children, others |\n| --- | --- | --- | --- |")
    for name, found in results.items():
        if "failed" in found:
            print(f"| {name} | {found['seconds']} | failed | {found['peaks_mb']} |")
            continue
        print(f"| {name} | {found['seconds']} | {found['said']['seconds']} | {found['peaks_mb']} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", type=int, help="of the CPU; by default all cores")
    parser.add_argument("--steps", type=int, help="of training; by default as many as the table asks for")
    parser.add_argument("--drawn", type=int, help="rows of the sample")
    parser.add_argument("--adversarial", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--command", action="store_true", help="through `populace synth`")
    parser.add_argument("--scratch", type=Path, help="keeps the tables here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = given.scratch or Path(temporary)
        if given.child:
            print(json.dumps(one(given.child, given, scratch)))
            return 0
        results = {}
        for name in given.only:
            write(name, given.data, scratch)
            words = [sys.executable, "-m", "bench.size", "--child", name, "--scratch", str(scratch), *sys.argv[1:]]
            run = subprocess.run(words, stdout=subprocess.PIPE, text=True)
            if run.returncode:
                return run.returncode
            results[name] = json.loads(run.stdout.splitlines()[-1])
        (show_commands if given.command else show)(results)
    return 0


def one(name: str, given: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    case = CASES[name]
    case = replace(case, drawn=given.drawn or case.drawn)
    source = write(name, given.data, scratch)
    options = FitOptions(holdout=case.holdout, threads=given.threads, steps=given.steps, adversarial=given.adversarial)
    return command(case, source, options) if given.command else measure(case, source, options)


if __name__ == "__main__":
    raise SystemExit(main())
