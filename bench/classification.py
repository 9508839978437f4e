"""Compare the methods of the classification core on five tables by 5-fold cross-validation (docs/classification.md).

    python -m bench.classification --data DIR [--only heart_failure insurance] [--methods mlp boosting] [--out DIR]
    python -m bench.classification --digits digits.csv

DIR holds the benchmark tables (NAME/FILE.csv.gz); the handwritten digits are scikit-learn's own and need no file.
--digits writes them as a CSV of 64 pixels and the column `digit`. Prints a table per target and, with --out, keeps each
comparison as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from bench.tables import read
from models.comparison.compare import Comparison, compare
from models.comparison.options import CompareOptions

WINDOW = [f"{axis}{k}" for axis in "XYZ" for k in range(10)]
"""Ten bins of each axis' acceleration in a window of 10 seconds, in order."""
DISABILITIES = ["DREM", "DPHY", "DEYE", "DEAR"]


@dataclass(frozen=True)
class Case:
    """file: below the data folder (none: the digits); options: of the comparison; more: methods beside the default."""

    file: str | None
    options: dict[str, Any]
    more: tuple[str, ...] = ()
    changed: dict[str, Any] = field(default_factory=dict)


CASES = {
    "har_wisdm": Case(
        "har_wisdm/wisdm_v1.1_transformed.csv.gz",
        {"targets": ["class"], "groups": "user", "ignore": ["UNIQUE_ID"], "ordered": WINDOW},
        ("conv1d",),
        {"conv1d": {"channels": 3}},
    ),
    "heart_failure": Case("heart_failure/heart.csv.gz", {"targets": ["HeartDisease"]}),
    "digits": Case(None, {"targets": ["digit"], "task": "classes"}),
    "insurance": Case("insurance/insurance.csv.gz", {"targets": ["charges"]}),
    "national2019": Case(
        "nist_acs/national2019.csv.gz",
        {
            "targets": [DISABILITIES, "OWN_RENT", ["PINCP", "POVPIP"]],
            "ignore": ["PINCP_DECILE", "PWGTP", "WGTP"],
            "rows": 10_000,
        },
    ),
}


def write_digits(path: Path) -> None:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels (0 to 16)."""
    found = load_digits()
    frame = pd.DataFrame(found.data.astype(int), columns=[f"pixel_{k // 8}_{k % 8}" for k in range(64)])
    frame.assign(digit=found.target).to_csv(path, index=False)


def run(name: str, data: Path | None, methods: list[str] | None, seed: int, curve: bool = True) -> Comparison:
    """The comparison of one case."""
    case = CASES[name]
    raw = {**case.options, "seed": seed, "method_options": case.changed, "learning_curve": curve}
    raw["methods"] = methods or [*CompareOptions.from_json({"targets": "a"}).methods, *case.more]
    options = CompareOptions.from_json(
        {**raw, "method_options": {m: o for m, o in case.changed.items() if m in raw["methods"]}}
    )
    if case.file is not None:
        if data is None:
            raise SystemExit(f"{name} needs --data")
        return compare(read(data / case.file), options)
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits.csv")
        return compare(read(Path(folder) / "digits.csv"), options)


COLUMNS = {
    "binary": ("accuracy", "macro_f1", "roc_auc", "log_loss"),
    "multiclass": ("accuracy", "macro_f1", "roc_auc", "log_loss"),
    "multilabel": ("accuracy", "subset_accuracy", "macro_f1", "roc_auc"),
    "regression": ("r2", "rmse", "mae", "mape"),
    "multitarget": ("r2",),
}


def markdown(section: dict[str, Any]) -> str:
    """One target's table, best method first."""
    columns = COLUMNS[section["task"]]
    lines = [
        f"**{section['target']}** ({section['task']}; {section['folds']['text']}; {section['rows']['used']:,} rows)",
        "",
    ]
    lines += [
        f"| method | {' | '.join(columns)} | behind the best | p (Holm) | CPU s |",
        f"|---|{'---|' * (len(columns) + 3)}",
    ]
    for m in section["methods"]:
        if m["note"]:
            lines.append(f"| {m['label']} | {m['note']} |" + " |" * (len(columns) + 2))
            continue
        cells = []
        for k, column in enumerate(columns):
            got = m["scores"][column]
            text = _number(got["value"])
            if k == 0 and got["low"] is not None:
                text += f" ({_number(got['low'])} to {_number(got['high'])})"
            cells.append(text)
        d = m["difference"]
        cells += [_number(d["value"]), f"{d['p_adjusted']:.2g}"] if d else ["", ""]
        lines.append(f"| {m['label']} | {' | '.join(cells)} | {m['seconds']['cpu']:.1f} |")
    base = section["baseline"]
    cells = [_number(base["scores"][c]) for c in columns]
    return "\n".join([*lines, f"| {base['label']} | {' | '.join(cells)} | | | |", "", section["verdict"]])


def _number(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-curve", action="store_true", help="leave out the learning curve of the best method")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--digits", type=Path, help="write the digits to this CSV and end")
    options = parser.parse_args()
    if options.digits:
        write_digits(options.digits)
        return
    for name in options.only:
        began = time.process_time()
        found = run(name, options.data, options.methods, options.seed, not options.no_curve)
        print(f"\n### {name} ({time.process_time() - began:.0f} s of one core)\n")
        for section in found.sections["comparisons"]:
            print(markdown(section), flush=True)
            if section["learning_curve"]:
                print(f"\nLearning curve of the best: {section['learning_curve']['reading']}\n", flush=True)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{name}.json").write_text(json.dumps(found.to_json(), indent=1))


if __name__ == "__main__":
    main()
