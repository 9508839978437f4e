"""Sweep the options of a perceptron on handwritten digits, one at a time (docs/sweeps.md).

    python -m bench.sweeps --images docs/images/sweeps [--only activation dropout] > sweeps.md

Each sweep is a grid search (models/comparison/search.py) and could be sent as a `tune` job: the options are printed as
JSON. Prints a table per sweep and, with --images, draws the validation loss by epoch as SVG. About two minutes of one
core.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from bench.classification import write_digits
from bench.tables import read
from models.comparison.search import search
from models.comparison.search_options import SearchOptions

PLAIN = {
    "epochs": 25,
    "patience": 25,
    "members": 1,
    "numbers": "plain",
    "schedule": "constant",
    "dropout": 0.0,
    "weight_decay": 0.0,
    "batch": 32,
    "hidden": [64],
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.1,
    "validation": 0.2,
}
"""A textbook's perceptron: one network, stochastic gradient descent, nothing that adapts."""
LARGE = {"hidden": [256, 256], "optimizer": "adamw", "learning_rate": 2e-3}
SWEEPS: dict[str, tuple[str, dict[str, Any], list[Any], dict[str, Any]]] = {
    "activation": (
        "activation",
        {"hidden": [64, 64, 64], "learning_rate": 0.05},
        ["relu", "leaky_relu", "prelu", "elu", "silu", "maxout", "tanh", "sigmoid", "softmax", "linear"],
        {},
    ),
    "optimizer": ("optimizer", {"learning_rate": None}, ["sgd", "adagrad", "rmsprop", "adam", "adamw"], {}),
    "momentum": ("momentum", {"learning_rate": 0.01}, [0.0, 0.5, 0.9], {}),
    "learning_rate": ("learning_rate", {}, [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0], {}),
    "batch": ("batch", {}, [8, 32, 128, 512, 2048], {}),
    "width": ("hidden", {}, [[2], [4], [16], [64], [256]], {}),
    "depth": ("hidden", {"activation": "sigmoid"}, [[32], [32] * 2, [32] * 3, [32] * 5], {}),
    "dropout": ("dropout", LARGE, [0.0, 0.2, 0.5, 0.8, 0.95], {"rows": 500}),
    "l2": ("l2", LARGE, [0.0, 0.0001, 0.001, 0.01, 0.1], {"rows": 500}),
}
"""Name -> option, what differs from PLAIN, its values, and options of the search."""
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#edae49", "#6a4c93", "#00798c", "#8d5524", "#555555", "#e377c2", "#9acd32")
WIDTH, HEIGHT, LEFT, FOOT = 460, 260, 46, 34


def options_of(name: str) -> dict[str, Any]:
    """The sweep as the options of a search."""
    option, fixed, values, more = SWEEPS[name]
    settings = {k: v for k, v in {**PLAIN, **fixed}.items() if k != option}
    return {
        "targets": ["digit"],
        "task": "classes",
        "method": "mlp",
        "search": "grid",
        "space": {option: values},
        "method_options": {"mlp": settings},
        "validation": 0.25,
        "seed": 0,
        **more,
    }


def table_of(section: dict[str, Any]) -> str:
    """One sweep as a table: scores, and the epoch at which the validation loss was least."""
    lines = ["| value | accuracy, training | accuracy, validation | least loss, epoch |", "|---|---|---|---|"]
    for trial in section["trials"]:
        (value,) = trial["parameters"].values()
        losses = [v for v in trial["curve"].get("validation", []) if v is not None]
        least = f"{min(losses):.3f}, {losses.index(min(losses)) + 1} of {len(losses)}" if losses else "-"
        scores = [f"{trial[k]:.3f}" if trial[k] is not None else trial["reason"] for k in ("training", "score")]
        lines.append(f"| {value} | {scores[0]} | {scores[1]} | {least} |")
    return "\n".join([*lines, "", section["reading"]])


def figure(section: dict[str, Any], title: str) -> str:
    """Validation loss by epoch, a line per value, on a logarithmic scale."""
    lines = [(str(next(iter(t["parameters"].values()))), t["curve"].get("validation", [])) for t in section["trials"]]
    known = [v for _, line in lines for v in line if v is not None and v > 0]
    low, high = math.log10(max(min(known), 1e-3)), math.log10(min(max(known), 10.0))
    epochs = max(len(line) for _, line in lines)
    right, bottom = WIDTH - 110, HEIGHT - FOOT

    def at(epoch: int, value: float) -> str:
        share = (math.log10(min(max(value, 1e-3), 10.0)) - low) / max(high - low, 1e-9)
        return f"{LEFT + (right - LEFT) * epoch / max(epochs - 1, 1):.1f},{bottom - (bottom - 24) * share:.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" '
        f'font-size="11"><title>Validation loss by epoch, by {title}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path d="M{LEFT} 24V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{LEFT}" y="15">validation loss (log), by {title}</text>',
        f'<text x="{right}" y="{HEIGHT - 8}" text-anchor="end">epoch {epochs}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 8}">1</text>',
    ]
    for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1):
        y = at(0, 10.0**power).split(",")[1]
        out.append(f'<text x="{LEFT - 6}" y="{y}" text-anchor="end" dy="4">{10.0**power:g}</text>')
        out.append(f'<path d="M{LEFT} {y}H{right}" stroke="#ddd"/>')
    for k, (label, line) in enumerate(lines):
        colour = COLOURS[k % len(COLOURS)]
        points = " ".join(at(e, v) for e, v in enumerate(line) if v is not None)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        out.append(f'<text x="{right + 8}" y="{34 + 15 * k}" fill="{colour}">{label}</text>')
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits.csv")
        table = read(Path(folder) / "digits.csv")
    for name in args.only:
        raw = options_of(name)
        found = search(table, SearchOptions.from_json(raw)).to_json()["sections"]["search"]
        print(f"## {name}\n\n```json\n{json.dumps(raw)}\n```\n\n{table_of(found)}\n", flush=True)
        if args.images:
            args.images.mkdir(parents=True, exist_ok=True)
            (args.images / f"{name}.svg").write_text(figure(found, name))


if __name__ == "__main__":
    main()
