"""Ours and its peers on the same splits: quality, time and memory, beside yardsticks.

    python -m bench.run --data DIR [--tables adult magic] [--models ours ctgan] [--seeds 1 2 3] [--set ctgan.epochs=20]

DIR (or POPULACE_BENCH_DATA) holds the tables of bench.data; without it the invented census is used. Every result is a
line of OUT/results.jsonl; what is there is not run again. A model that fails is a result that says why.
Models: holdout, bootstrap, independent (yardsticks), ours, ours-ctgan (our classic baseline), and the peers of
bench.environments.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

from bench import data, environments, summary
from bench.matrices import read
from bench.score import score

HERE = Path(__file__).parent
YARDSTICKS = ("holdout", "bootstrap", "independent")
VARIANTS = {"ours-ctgan": ("ours", {"model": "ctgan"})}
"""Models that are a module of bench/peers at settings of their own."""
MODELS = (*YARDSTICKS, "ours", *VARIANTS, *environments.PEERS)

Result = dict[str, Any]


def yardstick(name: str, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A known table: the holdout itself, training rows drawn with replacement, or each column shuffled for itself."""
    if name == "holdout":
        return test
    if name == "bootstrap":
        return train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: train[c].to_numpy()[rng.permutation(len(train))] for c in train})


def run_model(model: str, train: Path, out: Path, rows: int, seed: int, settings: Result, given: Any) -> Result:
    """Fit and draw in a process of its own. Returns times, peak memory and facts, or {failed: why}."""
    try:
        interpreter = environments.python(model, given.cache)
    except environments.NoEnvironment as error:
        return {"failed": str(error)}
    module, fixed = VARIANTS.get(model, (model, {}))
    return execute(
        interpreter, HERE / "peers" / "runner.py", module, (train, out), rows, seed, {**fixed, **settings}, given
    )


def execute(
    interpreter: Path,
    runner: Path,
    module: str,
    files: tuple[Path, Path],
    rows: int,
    seed: int,
    settings: Result,
    given: Any,
) -> Result:
    """A module beside a runner in a measured process, from one file to another. Returns as run_model."""
    source, out = files
    log = out.with_suffix(".log")
    # Absolute paths without following links: an environment's interpreter is a link.
    command = [sys.executable, "-S", "-E", str(HERE / "measure.py"), str(given.limit)]
    command += [str(interpreter), "-P", str(runner), module]
    command += [str(source.absolute()), str(out.absolute()), str(rows), str(seed), json.dumps(settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    for stale in (out, out.with_suffix(".json")):
        stale.unlink(missing_ok=True)
    with log.open("w", encoding="utf-8") as words:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=words, text=True)
        try:
            told, _ = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    measured = json.loads(told.splitlines()[-1]) if told.strip() else {"code": process.returncode, "over": False}
    report = out.with_suffix(".json")
    if measured["code"] or not report.is_file():
        return {"failed": reason(measured, log, given.limit)}
    return {**json.loads(report.read_text()), "wall_s": measured["wall_s"], "peak_mb": measured["peak_mb"]}


def reason(measured: Result, log: Path, limit: float) -> str:
    """One line: over time, killed, or the last words of the log."""
    if measured["over"]:
        return f"took more than {limit:g} s"
    if measured["code"] < 0:
        return f"killed by signal {-measured['code']}"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit code {measured['code']}")[:200]


def one(model: str, split: data.Split, paths: tuple[Path, Path], seed: int, settings: Result, given: Any) -> Result:
    """The result of one model, one table, one seed."""
    train, test = (read(p, split.code) for p in paths)
    out = paths[0].parent / f"{model}-{seed}.csv"
    measured: Result = {}
    if model not in YARDSTICKS:
        if model == "ours":
            settings = {"target": split.target, **settings}
        measured = run_model(model, paths[0], out, len(train), seed, settings, given)
        if "failed" in measured:
            return measured
    try:
        drawn = yardstick(model, train, test, seed) if model in YARDSTICKS else read(out, split.code)
        began = time.perf_counter()
        scores = score(train, test, drawn, split.target, split.task)
    except (ValueError, pd.errors.ParserError) as error:
        return {**measured, "failed": f"its table cannot be scored: {error}"[:200]}
    return {**measured, "scores": scores, "score_s": round(time.perf_counter() - began, 1)}


def orders(given: Any) -> Iterator[tuple[str, int, str]]:
    """Tables, seeds, models. The holdout has no seed."""
    for table in given.tables:
        for seed in given.seeds:
            for model in given.models:
                if model != "holdout" or seed == given.seeds[0]:
                    yield table, seed, model


def settings_of(texts: list[str], models: Sequence[str] = MODELS) -> dict[str, Result]:
    """`model.name=value` -> {model: {name: value}}; values are JSON, or text where they are not."""
    out: dict[str, Result] = {}
    for text in texts:
        where, equals, value = text.partition("=")
        model, dot, name = where.partition(".")
        if not (equals and dot and name and model in models):
            raise SystemExit(f"--set {text}: write MODEL.NAME=VALUE with one of {', '.join(models)}.")
        try:
            out.setdefault(model, {})[name] = json.loads(value)
        except json.JSONDecodeError:
            out.setdefault(model, {})[name] = value
    return out


def parse(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("POPULACE_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--tables", nargs="+", choices=list(data.TABLES))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--rows", type=int, help="keep the first so many training rows")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS") or 2))
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds, of one fit and sample")
    parser.add_argument("--set", nargs="+", default=[], metavar="MODEL.NAME=VALUE", help="e.g. ctgan.epochs=20")
    parser.add_argument("--cache", type=Path, default=Path("build/bench/envs"), help="the peers' environments")
    parser.add_argument("--out", type=Path, default=Path("build/bench/full"))
    parser.add_argument("--readme", type=Path, help="write the tables between this file's markers")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    given = parser.parse_args(arguments)
    given.tables = given.tables or (data.REAL if given.data else ["census"])
    return given


def main(arguments: list[str] | None = None) -> int:
    """1 if ours failed, else 0: a peer that fails is a row of the table."""
    given = parse(arguments)
    settings = settings_of(given.set)
    signal.signal(signal.SIGTERM, interrupt)
    given.out.mkdir(parents=True, exist_ok=True)
    file, bad = given.out / "results.jsonl", 0
    if given.fresh:
        file.unlink(missing_ok=True)
    done = {summary.key(r): r for r in summary.results(file)}
    splits: dict[str, tuple[data.Split, tuple[Path, Path]]] = {}
    for table, seed, model in orders(given):
        fixed = settings.get(model, {})
        result: Result = {"table": table, "cut": given.rows, "model": model, "seed": seed, "settings": fixed}
        result["threads"] = given.threads
        known = done.get(summary.key(result))
        if known is None or ("failed" in known and given.retry):
            if table not in splits:
                try:
                    split = data.load(table, given.data, given.rows)
                except data.NoData as error:
                    raise SystemExit(str(error)) from None
                name = table if given.rows is None else f"{table}-{given.rows}"
                splits[table] = split, data.write(split, given.out / name)
            split, paths = splits[table]
            known = result | {"train_rows": len(split.train), "test_rows": len(split.test)}
            known |= {"target": split.target, "task": split.task} | one(model, split, paths, seed, fixed, given)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(known) + "\n")
            print(json.dumps(known), flush=True)
        bad += model == "ours" and "failed" in known
    text = summary.report(summary.results(file))
    (given.out / "tables.md").write_text(text, encoding="utf-8")
    if given.readme:
        summary.write(given.readme, text)
    return 1 if bad else 0


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
