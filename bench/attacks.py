"""Our attacks beside anonymeter's: the same tables, the same number of attacks, one thread, one run.

    python -m bench.attacks --data DIR [--table adult] [--attacks 2000] [--anonymeter FOLDER]

anonymeter (Giomi et al. 2023, https://github.com/statice/anonymeter) wants an older numpy: install it, its polars and
its numba into a folder of their own (`pip install --no-deps --target FOLDER anonymeter numba llvmlite polars
polars-runtime-32`) and name the folder. Half of the training rows stand for the training part, the other half for a
sample with a twentieth of its rows copied; the test file is the control. Seconds are CPU time of this process.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data import Split, load
from bench.matrices import Reader
from models.evaluation.attacks.inference import Secret
from models.evaluation.attacks.linkage import linked
from models.evaluation.attacks.rates import Rate, risk
from models.evaluation.attacks.singling import Sorted, multivariate, singled, univariate
from models.evaluation.attacks.space import Space
from models.evaluation.threads import one_thread

COPIED = 0.05
Tables = tuple[Any, Any, Any]
"""Training rows, control, sample."""


def timed(run: Callable[[], tuple[Rate, Rate]]) -> tuple[float, Rate, Rate]:
    at = time.process_time()
    attack, control = run()
    return time.process_time() - at, attack, control


def ours(tables: Tables, secret: str, halves: list[list[int]], attacks: int) -> dict[str, tuple[float, Rate, Rate]]:
    real, control, sample = tables
    rng = np.random.default_rng(0)
    rows = min(len(real), len(control))
    groups = [m.take(rng.permutation(len(m))[:rows]) for m in (real, control)]
    targets = [m.take(np.arange(attacks)) for m in groups]
    labelled = np.array([c.labelled for c in real.columns])
    at = [c.name for c in real.columns].index(secret)

    def out(make: Any) -> tuple[Rate, Rate]:
        synthetic = Sorted.of(sample)
        predicates = make(synthetic, labelled, attacks, rng)
        a, b = (int((singled(predicates, Sorted.of(m)) >= 0).sum()) for m in groups)
        return Rate(a, len(predicates)), Rate(b, len(predicates))

    def link() -> tuple[Rate, Rate]:
        a, b = linked(real, sample, targets, halves)
        return a, b

    def infer() -> tuple[Rate, Rate]:
        known = [j for j in range(len(real.columns)) if j != at]
        space, hidden = Space(real, known, "range"), Secret.of(real, at)
        places, values = space.place(sample), hidden.read(sample)
        a, b = (hidden.hits(values[space.nearest(space.place(m), places)[0]], hidden.read(m), False) for m in targets)
        return a, b

    found = {
        "singling out, one column": lambda: out(univariate),
        "singling out, four columns": lambda: out(multivariate),
    }
    return {k: timed(f) for k, f in {**found, "linkability": link, "inference": infer}.items()}


def theirs(tables: Tables, secret: str, halves: list[list[int]], attacks: int) -> dict[str, tuple[float, Rate, Rate]]:
    from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

    real, control, sample = tables
    names = list(real.columns)

    def run(make: Callable[[], Any], **options: Any) -> tuple[Rate, Rate]:
        got = make().evaluate(**options).results()
        return Rate(got.n_success, got.n_attacks_ori), Rate(got.n_control, got.n_attacks_control)

    def out(columns: int, mode: str) -> tuple[Rate, Rate]:
        asked = {"ori": real, "syn": sample, "control": control, "n_attacks": attacks, "n_cols": columns}
        return run(lambda: SinglingOutEvaluator(**asked), mode=mode)

    parts = tuple([names[j] for j in h] for h in halves)
    few = {"ori": real[:50], "syn": sample[:50], "control": control[:50], "n_attacks": 10, "aux_cols": parts}
    LinkabilityEvaluator(**few).evaluate(n_jobs=1)  # compiles, which is not counted
    return {
        "singling out, one column": timed(lambda: out(1, "univariate")),
        "singling out, four columns": timed(lambda: out(4, "multivariate")),
        "linkability": timed(
            lambda: run(
                lambda: LinkabilityEvaluator(
                    ori=real, syn=sample, control=control, n_attacks=attacks, n_neighbors=1, aux_cols=parts
                ),
                n_jobs=1,
            )
        ),
        "inference": timed(
            lambda: run(
                lambda: InferenceEvaluator(
                    ori=real, syn=sample, control=control, n_attacks=attacks, secret=secret, regression=False,
                    aux_cols=[n for n in names if n != secret],
                ),
                n_jobs=1,
            )
        ),
    }  # fmt: skip


def tables_of(split: Split) -> tuple[Tables, Tables]:
    """As matrices, and as frames with numbers as numbers."""
    order = np.random.default_rng(0).permutation(len(split.train))
    half = len(order) // 2
    train, rest = split.train.iloc[order[:half]], split.train.iloc[order[half:]]
    copies = int(COPIED * len(rest))
    sample = pd.concat([rest.iloc[copies:], train.iloc[:copies]])
    frames = [pd.read_csv(io.StringIO(f.to_csv(index=False)), na_values=["?"]) for f in (train, split.test, sample)]
    mine = [f.fillna({c: "?" for c in f if f[c].dtype == object}) for f in frames]
    real, control, drawn = Reader.fit(mine[0]).matrices(*mine)
    return (real, control, drawn), (mine[0], mine[1], mine[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", default="adult")
    parser.add_argument("--attacks", type=int, default=2_000)
    parser.add_argument("--anonymeter", type=Path, help="folder that it was installed into")
    given = parser.parse_args()
    if given.anonymeter:
        sys.path.append(str(given.anonymeter))
    warnings.filterwarnings("ignore")
    split = load(given.table, given.data)
    matrices, frames = tables_of(split)
    columns = np.random.default_rng(1).permutation(len(frames[0].columns))
    halves = [np.sort(h).tolist() for h in np.array_split(columns, 2)]
    with one_thread():
        mine = ours(matrices, split.target, halves, given.attacks)
        other = theirs(frames, split.target, halves, given.attacks)
    print(
        "| attack | ours: s | training | control | risk | anonymeter: s | training | control | risk | times as fast |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (seconds, *rates) in mine.items():
        theirs_seconds, *their = other[name]
        cells = [f"{seconds:.2f}", *map(str, rates), f"{risk(*rates).value:.3f}"]
        cells += [f"{theirs_seconds:.2f}", *map(str, their), f"{risk(*their).value:.3f}"]
        cells.append(f"{theirs_seconds / seconds:.1f}")
        print("| " + " | ".join([name, *cells]) + " |")


if __name__ == "__main__":
    main()
