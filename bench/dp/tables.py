"""The results of bench.dp as tables of Markdown, and who is ahead in how many of their cells."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from bench.summary import LABELS, cell_text, middle, spread

MARKERS = "<!-- private:begin -->", "<!-- private:end -->"
KEY = ("table", "cut", "model", "epsilon", "delta", "seed", "settings", "threads")
"""What tells one result from another."""
NAMES = {
    "bins": "the cells alone",
    "ours": "**ours**",
    "ours-hybrid": "ours, hybrid",
    "ours-dpsgd": "ours, dpsgd",
    "mst": "MST",
    "aim": "AIM",
}
NAMES |= {"dp-ctgan": "DP-CTGAN", "pate-ctgan": "PATE-CTGAN"}
SCORES = (("tvd2", 2), ("tvd3", 2), ("cells2", 2), ("cells3", 2), ("c2st", 3), ("mle", 3))
COMPARED = {"tvd3": -1, "mle": 1, "tvd2": -1, "c2st": 1}
"""+1: more is better."""

Result = dict[str, Any]


def key(result: Result) -> str:
    return json.dumps([result[k] for k in KEY])


def report(everything: Sequence[Result]) -> str:
    """One table per data set, medians over seeds with ranges, and the comparison of ours with each peer."""
    latest = list({key(r): r for r in everything}.values())
    groups: dict[tuple[str, int, int], list[Result]] = {}
    for r in latest:
        groups.setdefault((r["table"], r["train_rows"], r["threads"]), []).append(r)
    return "\n".join([*(table(k, v) for k, v in groups.items()), comparison(latest)])


def table(about: tuple[str, int, int], rows: Sequence[Result]) -> str:
    name, train, threads = about
    first = rows[0]
    lines = [
        f"### {name}: {train:,} training rows, {first['columns']} columns, {first['cells']} cells, delta "
        f"{first['delta']:g}, {threads} thread(s)\n",
        "| epsilon | | seeds | fit s | CPU s | peak MB | tvd2 % | tvd3 % | cells2 % | cells3 % | c2st "
        f"| mle ({LABELS[first['task']]}) |",
        "|" + " --- |" * 12,
    ]
    found: dict[tuple[float, str], list[Result]] = {}
    for r in rows:
        found.setdefault((0.0 if r["model"] == "bins" else r["epsilon"], label(r)), []).append(r)
    order = sorted(found, key=lambda k: (k[0], list(NAMES).index(found[k][0]["model"]), k[1]))
    lines += [row(k, found[k]) for k in order]
    real = next((r["scores"]["mle_real"] for r in rows if "scores" in r), None)
    return "\n".join([*lines, "", f"Trained on the real rows, mle reads {real:.3f}.\n" if real is not None else ""])


def label(result: Result) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in result["settings"].items())
    name = NAMES.get(result["model"], result["model"])
    return f"{name} ({settings})" if settings else name


def row(about: tuple[float, str], found: Sequence[Result]) -> str:
    epsilon, title = about
    head = f"| {f'{epsilon:g}' if epsilon else ''} | {title} |"
    good = [r for r in found if "scores" in r]
    if not good:
        return f"{head} | failed: {cell_text(found[-1]['failed'])}" + " |" * 9
    times = ["", "", ""]
    if "fit_s" in good[0]:
        times = [middle([r[k] for r in good], d) for k, d in (("fit_s", 1), ("fit_cpu_s", 1), ("peak_mb", 0))]
    seeds = str(len(good)) if len(good) == len(found) else f"{len(good)} of {len(found)}"
    shown = [spread([r["scores"][name] for r in good], decimals) for name, decimals in SCORES]
    return f"{head} " + " | ".join([seeds, *times, *shown]) + " |"


def comparison(rows: Sequence[Result]) -> str:
    """Ours at its defaults against each peer at its own, by medians over the seeds each has, cell by cell."""
    medians: dict[tuple[str, str, float], dict[str, float]] = {}
    grouped: dict[tuple[str, str, float], list[Result]] = {}
    for r in rows:
        if "scores" in r and not r["settings"] and r["model"] != "bins":
            grouped.setdefault((r["model"], f"{r['table']} {r['train_rows']} {r['delta']}", r["epsilon"]), []).append(r)
    for where, found in grouped.items():
        medians[where] = {s: statistics.median(r["scores"][s] for r in found) for s in COMPARED}
    lines = []
    for model in NAMES:
        if model == "bins" or model.startswith("ours"):
            continue
        counts = []
        for name, sign in COMPARED.items():
            both = [
                (medians["ours", *at], mine)
                for (m, *at), mine in medians.items()
                if m == model and ("ours", *at) in medians
            ]
            ahead = sum(sign * ours[name] > sign * theirs[name] for ours, theirs in both)
            counts.append(f"{name} in {ahead} of {len(both)}")
        if both:
            lines.append(
                f"Ours is ahead of {NAMES[model]} on {', on '.join(counts)} cells (medians of the seeds above)."
            )
    return "\n".join(lines)
