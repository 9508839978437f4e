"""Runs one synthesizer in its own environment; bench.run starts it as a process of its own.

    python -P bench/peers/runner.py NAME TRAIN.csv OUT.csv ROWS SEED SETTINGS

NAME is a module of this folder with `fit(data, seed, settings) -> model` and `draw(model, rows, seed) -> DataFrame`.
Writes OUT.csv and OUT.json: {fit_s, sample_s, facts}. Reading the training rows, importing and writing are not timed.
This file and the modules beside it import nothing of the project, except `ours`.
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
import pandas as pd

DISTINCT = 15
"""A column of numbers with at most so many distinct values is a category (as in bench.matrices)."""
FLAG = " is missing"


@dataclass(frozen=True)
class Data:
    """frame: numbers as numbers, everything else as text. codes: what the source writes for a missing number."""

    path: Path
    frame: pd.DataFrame
    columns: list[str]
    discrete: list[str]
    codes: dict[str, str]
    whole: list[str]


def read(path: Path, blanks: bool) -> Data:
    """A column of numbers with one code among them keeps NaN in its place where the synthesizer takes that (blanks);
    otherwise the median, and a column of flags is added."""
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame, discrete, codes, whole = {}, [], {}, []
    for name in raw:
        number = pd.to_numeric(raw[name], errors="coerce")
        odd = raw[name][number.isna()].unique()
        if number.nunique() <= DISTINCT or len(odd) > 1:
            frame[name] = raw[name].astype(object)
            discrete.append(name)
            continue
        if (number.dropna() % 1 == 0).all():
            whole.append(name)
        if len(odd):
            codes[name] = str(odd[0])
            if not blanks:
                frame[name + FLAG] = pd.Series(np.where(number.isna(), "yes", "no"), dtype=object)
                discrete.append(name + FLAG)
                number = number.fillna(number.median())
        frame[name] = number.astype(np.int64) if name in whole and not number.isna().any() else number
    return Data(path, pd.DataFrame(frame), list(raw), discrete, codes, whole)


def write(drawn: pd.DataFrame, data: Data, path: Path) -> None:
    """As the source spells it: whole numbers whole, missing numbers as their code."""
    out = drawn[data.columns].astype(object)
    for name in data.columns:
        if name not in data.discrete:
            number = pd.to_numeric(drawn[name], errors="coerce").astype(float)
            if name + FLAG in drawn:
                number = number.where(drawn[name + FLAG] != "yes")
            spelled = number.round().astype("Int64") if name in data.whole else number
            out[name] = spelled.astype(object).where(number.notna(), data.codes.get(name, ""))
    out.to_csv(path, index=False)


def module(name: str) -> ModuleType:
    """The file NAME.py beside this one, under a name that hides no package."""
    spec = importlib.util.spec_from_file_location(f"peer_{name}", Path(__file__).parent / f"{name}.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"There is no synthesizer {name!r}.")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def main(name: str, train: str, out: str, rows: str, seed: str, settings: str) -> None:
    peer: Any = module(name)
    data = read(Path(train), getattr(peer, "BLANKS", False))
    began = time.perf_counter()
    model = peer.fit(data, int(seed), json.loads(settings))
    fitted = time.perf_counter()
    drawn = peer.draw(model, int(rows), int(seed))
    ended = time.perf_counter()
    if hasattr(drawn, "schema"):
        drawn.data.to_pandas().to_csv(out, index=False)
    else:
        write(drawn, data, Path(out))
    facts = peer.facts(model) if hasattr(peer, "facts") else {}
    times = {"fit_s": round(fitted - began, 3), "sample_s": round(ended - fitted, 3)}
    Path(out).with_suffix(".json").write_text(json.dumps({**times, "facts": facts}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
