"""How fast rows are drawn in each mode, decoding included, and what the fast mode loses.

    python -m bench.sampling --data DIR [--tables adult national2019] [--threads 1 2] [--no-scores]

Trains on all rows of the training part (`holdout=0`) without the adversarial phase, distils the student for the fast
mode, draws Arrow batches of either mode after a first one, and scores as many rows as were trained on, beside the
holdout (whose mle is that of the real rows). Rows per second are wall clock; per core: of processor time, which other
work on the machine changes less. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

from bench import data
from bench.matrices import read
from bench.score import Scores, score
from models.gan.draws import BLOCK
from models.ingest import Limits, infer_schema, read_upload
from models.options import FitOptions
from models.progress import SILENT
from models.streaming import stream_csv
from models.synthesize import MODES, Synthesizer, fit, sample, sample_batches, with_student
from models.table import Table

SHOWN = ("shape", "trend", "tvd3", "c2st", "mle", "copies", "dcr")
BLOCKS = {"full": 6, "fast": 24}


def trained(path: Path, options: FitOptions) -> Synthesizer:
    upload = read_upload(path, filename=path.name, limits=Limits(), progress=SILENT)
    return fit(Table(infer_schema(*upload), upload.data), options=options)


def on_threads(synthesizer: Synthesizer, threads: int) -> Synthesizer:
    options = FitOptions.from_json(synthesizer.manifest["options"])
    manifest = {**synthesizer.manifest, "options": replace(options, threads=threads).to_json()}
    return replace(synthesizer, manifest=manifest)


def speed(synthesizer: Synthesizer, mode: str, blocks: int) -> tuple[float, float]:
    """Rows per second and per second of processor time."""
    rows = blocks * BLOCK
    for _ in sample_batches(synthesizer, 2 * BLOCK, mode=mode):
        pass
    began, used = time.perf_counter(), time.process_time()
    for _ in sample_batches(synthesizer, rows, seed=1, mode=mode):
        pass
    return rows / (time.perf_counter() - began), rows / (time.process_time() - used)


def line(name: str, found: Scores) -> str:
    return f"| {name} | " + " | ".join(f"{found[k]:.3f}" if k in found else "" for k in SHOWN) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("POPULACE_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--tables", nargs="+", choices=list(data.TABLES), default=["adult"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="the first of them trains, too")
    parser.add_argument("--steps", type=int, help="of the training; by default by rows")
    parser.add_argument("--rows", type=int, help="keep the first so many training rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-scores", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("build/bench/sampling"))
    given = parser.parse_args()
    for name in given.tables:
        split = data.load(name, given.data, given.rows)
        train, test = data.write(split, given.out / name)
        options = FitOptions(
            seed=given.seed, holdout=0.0, steps=given.steps, threads=given.threads[0], adversarial="never"
        )
        made = trained(train, options)
        began, used = time.perf_counter(), time.process_time()
        made = with_student(made)
        seconds, of_cores = time.perf_counter() - began, time.process_time() - used
        facts = made.manifest["fast"]
        print(f"\n### {name}: {len(split.train):,} rows x {len(split.train.columns)} columns\n")
        print(
            f"Distilled in {seconds:.0f} s ({of_cores:.0f} s of processor time) on {given.threads[0]} thread(s) ",
            end="",
        )
        print(f"from {facts['rows']:,} drawn rows; {facts['kl']:.3f} nats a row off the generator.\n")
        print("| mode | threads | rows/s | rows/s per core |\n| --- | --- | --- | --- |", flush=True)
        for mode in MODES:
            for threads in given.threads:
                wall, core = speed(on_threads(made, threads), mode, BLOCKS[mode])
                print(f"| {mode} | {threads} | {wall:,.0f} | {core:,.0f} |", flush=True)
        if given.no_scores:
            continue
        real, held = read(train, split.code), read(test, split.code)
        print("\n| | " + " | ".join(SHOWN) + " |\n" + "| --- " * (len(SHOWN) + 1) + "|", flush=True)
        for mode in MODES:
            path = given.out / name / f"{mode}.csv"
            table = sample(made, len(split.train), seed=1, mode=mode)
            with path.open("wb") as out:
                out.writelines(stream_csv(iter(table.data.to_batches()), made.schema))
            print(line(mode, score(real, held, read(path, split.code), split.target, split.task)), flush=True)
        found = score(real, held, held, split.target, split.task)
        own = {k: found[k] for k in ("shape", "trend", "tvd3", "c2st", "copies_test")}
        print(line("the holdout itself", {**own, "copies": own["copies_test"], "mle": found["mle_real"]}), flush=True)


if __name__ == "__main__":
    main()
