"""Private synthesizers on the same public cells: quality, time and memory at several epsilons.

    python -m bench.dp --data DIR [--tables adult] [--models ours mst] [--epsilons .2 1 3 10] [--seeds 1 2 3]

Tables and splits are those of bench.data; Adult without fnlwgt and education-num. Every method gets the same cells
(bench.dp.bins), which count as public, and the number of rows. What it draws is decoded and scored by bench.score,
and as cells: cells2, cells3, 100 times the mean total variation of pairs and of 60 triples against the training rows.
Every result is a line of OUT/results.jsonl; what is there is not run again. Models: bins (the training rows themselves,
encoded and decoded: what the cells alone cost), ours, ours-hybrid and ours-dpsgd (its other mechanisms), and the peers
of bench.environments.PRIVATE.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench import data, environments, run, summary
from bench.downstream import downstream
from bench.dp import tables
from bench.dp.bins import Bins
from bench.matrices import Reader, read
from bench.score import C2ST_ROWS, TRIPLES, c2st, joint, some
from models.evaluation.marginals import tuple_errors
from models.evaluation.matrix import Matrix

HERE = Path(__file__).parent
DROPPED = {"adult": ("fnlwgt", "education-num")}
"""A weight, and a column that says what another says."""
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("ours", {}),
    "ours-hybrid": ("steps", {"mechanism": "hybrid"}),
    "ours-dpsgd": ("steps", {"mechanism": "dpsgd"}),
    "mst": ("dpmm", {"model": "mst"}),
    "aim": ("dpmm", {"model": "aim"}),
    "dp-ctgan": ("smartnoise", {"model": "dp-ctgan"}),
    "pate-ctgan": ("smartnoise", {"model": "pate-ctgan"}),
}
MODELS = ("bins", *MODULES)

Result = dict[str, Any]
Array = npt.NDArray[Any]


class Case:
    """A table, its cells, and its files. bins: of its training rows. codes (N, d)."""

    def __init__(self, name: str, given: Any) -> None:
        split = data.load(name, given.data, given.rows)
        kept = [c for c in split.train if c not in DROPPED.get(name, ())]
        self.split = data.Split(split.name, split.train[kept], split.test[kept], split.target, split.task, split.code)
        self.folder = given.out / (name if given.rows is None else f"{name}-{given.rows}")
        self.bins = Bins.of(self.split.train)
        self.codes = self.bins.encode(self.split.train)
        paths = data.write(self.split, self.folder)
        self.train, self.test = (read(p, split.code) for p in paths)
        self.reader = Reader.fit(self.train)
        # The real rows' own score is the same for all.
        self.known = self.folder / "mle_real.json"
        self.real: float | None = json.loads(self.known.read_text()) if self.known.is_file() else None
        self.domain = self.folder / "domain.npz"
        target = list(self.bins.columns).index(split.target)
        np.savez(self.domain, codes=self.codes, sizes=self.bins.sizes, target=target)

    def scores(self, codes: Array, seed: int, file: Path) -> dict[str, float]:
        """Of what a method drew. Raises ValueError where it is no table of the domain."""
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != len(self.bins.sizes):
            raise ValueError(f"its codes have the shape {codes.shape}")
        if codes.min(initial=0) < 0 or (codes >= self.bins.sizes).any():
            raise ValueError("its codes lie outside the domain")
        self.bins.decode(codes, seed).to_csv(file, index=False)
        real, held, other = self.reader.matrices(self.train, self.test, read(file, self.split.code))
        size = min(len(real), len(other), C2ST_ROWS)
        out = joint(real, held, other) | self.cells(codes)
        out["c2st"] = c2st(self.reader, some(real, size), some(other, size))
        out["mle"] = self.downstream(other, held)
        out["mle_real"] = self.downstream(real, held) if self.real is None else self.real
        self.real = out["mle_real"]
        self.known.write_text(json.dumps(self.real), encoding="utf-8")
        return {k: round(float(v), 4) for k, v in out.items()} | {"rows": len(other)}

    def downstream(self, rows: Matrix, held: Matrix) -> float:
        return downstream(self.reader, rows, held, self.split.target, self.split.task)

    def cells(self, codes: Array) -> dict[str, float]:
        """cells2, cells3."""
        columns = range(len(self.bins.sizes))
        pairs, triples = (list(itertools.combinations(columns, n)) for n in (2, 3))
        if len(triples) > TRIPLES:
            triples = [triples[i] for i in np.random.default_rng(0).choice(len(triples), TRIPLES, replace=False)]
        both = [np.asfortranarray(self.codes), np.asfortranarray(codes)]
        sizes = self.bins.sizes
        two, three = (float(tuple_errors(both, sizes, chosen).mean(0)) for chosen in (pairs, triples))
        return {"cells2": round(100 * two, 4), "cells3": round(100 * three, 4)}


def one(model: str, case: Case, epsilon: float, seed: int, settings: Result, given: Any) -> Result:
    """The result of one model, one table, one epsilon, one seed."""
    out = case.folder / f"{model}-{epsilon:g}-{seed}.npy"
    measured: Result = {}
    if model == "bins":
        np.save(out, case.codes)
    else:
        try:
            interpreter = environments.python(model, given.cache)
        except environments.NoEnvironment as error:
            return {"failed": str(error)}
        module, fixed = MODULES[model]
        told = {"epsilon": epsilon, "delta": given.delta, **fixed, **settings}
        files = case.domain, out
        measured = run.execute(interpreter, HERE / "runner.py", module, files, len(case.codes), seed, told, given)
        if "failed" in measured:
            return measured
    began = time.perf_counter()
    try:
        scores = case.scores(np.load(out), seed, out.with_suffix(".csv"))
    except (ValueError, pd.errors.ParserError) as error:
        return {**measured, "failed": f"its table cannot be scored: {error}"[:200]}
    return {**measured, "scores": scores, "score_s": round(time.perf_counter() - began, 1)}


def orders(given: Any) -> Iterator[tuple[str, float, int, str]]:
    """Tables, epsilons, seeds, models. The bins have neither epsilon nor seed."""
    for table, epsilon, seed, model in itertools.product(given.tables, given.epsilons, given.seeds, given.models):
        if model != "bins" or (epsilon, seed) == (given.epsilons[0], given.seeds[0]):
            yield table, epsilon, seed, model


def parse(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dp", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = os.environ.get("POPULACE_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--tables", nargs="+", choices=list(data.TABLES))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epsilons", nargs="+", type=float, default=[0.2, 1.0, 3.0, 10.0])
    parser.add_argument("--delta", type=float, default=1e-9)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--rows", type=int, help="keep the first so many training rows")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS") or 2))
    parser.add_argument("--limit", type=float, default=2400.0, help="seconds, of one fit and sample")
    parser.add_argument("--set", nargs="+", default=[], metavar="MODEL.NAME=VALUE", help="e.g. ours.triples=false")
    parser.add_argument("--cache", type=Path, default=Path("build/bench/envs"), help="the peers' environments")
    parser.add_argument("--out", type=Path, default=Path("build/bench/dp"))
    parser.add_argument("--readme", type=Path, help="write the tables between this file's markers")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    given = parser.parse_args(arguments)
    given.tables = given.tables or (["adult", "national2019"] if given.data else ["census"])
    return given


def main(arguments: list[str] | None = None) -> int:
    """1 if ours failed, else 0: a peer that fails is a row of the table."""
    given = parse(arguments)
    settings = run.settings_of(given.set, MODELS)
    signal.signal(signal.SIGTERM, run.interrupt)
    given.out.mkdir(parents=True, exist_ok=True)
    file, bad = given.out / "results.jsonl", 0
    if given.fresh:
        file.unlink(missing_ok=True)
    done = {tables.key(r): r for r in summary.results(file)}
    cases: dict[str, Case] = {}
    for table, epsilon, seed, model in orders(given):
        fixed = settings.get(model, {})
        result: Result = {"table": table, "cut": given.rows, "model": model, "epsilon": epsilon, "delta": given.delta}
        result |= {"seed": seed, "settings": fixed, "threads": given.threads}
        known = done.get(tables.key(result))
        if known is None or ("failed" in known and given.retry):
            try:
                case = cases.setdefault(table, cases.get(table) or Case(table, given))
            except data.NoData as error:
                raise SystemExit(str(error)) from None
            known = result | {"train_rows": len(case.train), "test_rows": len(case.test)}
            known |= {"target": case.split.target, "task": case.split.task}
            known |= {"columns": len(case.bins.sizes), "cells": sum(case.bins.sizes)}
            known |= one(model, case, epsilon, seed, fixed, given)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(known) + "\n")
            print(json.dumps(known), flush=True)
        bad += model == "ours" and "failed" in known
    text = tables.report(summary.results(file))
    (given.out / "tables.md").write_text(text, encoding="utf-8")
    if given.readme:
        summary.write(given.readme, text, tables.MARKERS)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
