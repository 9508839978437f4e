"""The bench's results as tables of Markdown, and their place in a file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
Result = dict[str, Any]

KEY = ("table", "cut", "model", "seed", "settings", "threads")
"""What tells one result from another."""
NAMES = {"holdout": "the holdout itself", "bootstrap": "bootstrap of the training rows"}
NAMES |= {"independent": "independent columns", "ours": "**ours**", "ours-ctgan": "ours, `model: ctgan`"}
LABELS = {"binary": "AUC", "multiclass": "macro F1", "regression": "R2"}
BLANK = {"holdout": ("dcr", "mle"), "bootstrap": ("copies",), "independent": ()}
"""Figures of a yardstick that are so by construction."""

PUBLISHED = """\
Published, by other protocols (five seeds, 15 columns, GPU), quoted for orientation:

| | c2st | AUC | training s |
| --- | --- | --- | --- |
| Adult: TabPC | .855 | .916 | 272 |
| Adult: TabDiff | .841 | .913 | 11,605 |
| Adult: TabSyn | .794 | .910 | 3,083 |
| Adult: CTGAN | .000 | .862 | 3,798 |
| Default: TabDiff | .591 | .763 | |
| Magic: TabPC (c2st), TabSyn (AUC) | .860 | .937 | |
| Beijing: TabDiff | .772 | | |
"""


def results(file: Path) -> list[Result]:
    """Lines of a results file; none where there is no file."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def key(result: Result) -> str:
    return json.dumps([result[k] for k in KEY])


def report(everything: Sequence[Result]) -> str:
    """One table per data set and size, medians over seeds with ranges, ratios, and the published figures."""
    latest = {
        json.dumps([r[k] for k in ("table", "cut", "model", "seed", "settings", "threads")]): r for r in everything
    }
    groups: dict[tuple[str, int, int], list[Result]] = {}
    for r in latest.values():
        groups.setdefault((r["table"], r["train_rows"], r["threads"]), []).append(r)
    return "\n".join([*(table(k, v) for k, v in groups.items()), PUBLISHED])


def table(about: tuple[str, int, int], rows: Sequence[Result]) -> str:
    name, train, threads = about
    first = rows[0]
    lines = [
        f"### {name}: {train:,} training rows, {first['test_rows']:,} of the holdout, {threads} thread(s)\n",
        "| | seeds | fit s | rows/s | peak MB | shape % | trend % | tvd3 % | c2st "
        f"| mle ({LABELS[first['task']]}) | copies % | dcr |",
        "|" + " --- |" * 12,
    ]
    models: dict[str, list[Result]] = {}
    for r in rows:
        models.setdefault(label(r), []).append(r)
    lines += [row(title, found) for title, found in models.items()]
    notes = [n for n in (real_note(rows), ratio(models), equal_epochs(rows)) if n]
    return "\n".join([*lines, "", *notes]) + ("\n" if notes else "")


def label(result: Result) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in result["settings"].items())
    name = NAMES.get(result["model"], result["model"])
    return f"{name} ({settings})" if settings else name


def row(title: str, found: Sequence[Result]) -> str:
    good = [r for r in found if "failed" not in r]
    if not good:
        return f"| {title} | | failed: {cell_text(found[-1]['failed'])}" + " |" * 10
    model = good[0]["model"]

    def scores(name: str, decimals: int) -> str:
        if name in BLANK.get(model, ()):
            return ""
        return spread([r["scores"][name] for r in good], decimals)

    times = ["", "", ""]
    if "fit_s" in good[0]:
        speed = [r["scores"]["rows"] / max(r["sample_s"], 1e-3) for r in good]
        times = [middle([r["fit_s"] for r in good], 1), middle(speed, 0), middle([r["peak_mb"] for r in good], 0)]
    seeds = str(len(good)) if len(good) == len(found) else f"{len(good)} of {len(found)}"
    shown = [("shape", 2), ("trend", 2), ("tvd3", 2), ("c2st", 3), ("mle", 3), ("copies", 2), ("dcr", 3)]
    return "| " + " | ".join([title, seeds, *times, *(scores(n, d) for n, d in shown)]) + " |"


def cell_text(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def middle(values: Sequence[float], decimals: int) -> str:
    return f"{statistics.median(values):,.{decimals}f}"


def spread(values: Sequence[float], decimals: int) -> str:
    """Median, and the range where there are several values that differ."""
    low, high = (f"{f(values):.{decimals}f}" for f in (min, max))
    return middle(values, decimals) + (f" ({low} to {high})" if low != high else "")


def real_note(rows: Iterable[Result]) -> str:
    for r in rows:
        if "scores" in r:
            real, copies = r["scores"]["mle_real"], r["scores"]["copies_test"]
            return f"Trained on the real rows, mle reads {real:.3f}; {copies:.2f}% of the holdout are copies."
    return ""


def of(found: Iterable[Result], what: Callable[[Result], float]) -> float:
    return statistics.median(what(r) for r in found)


def ratio(models: dict[str, list[Result]]) -> str:
    """Ours at its defaults against CTGAN at its 300 epochs, where both were run."""
    good = [r for found in models.values() for r in found if "failed" not in r]
    ours = [r for r in good if r["model"] == "ours" and not r["settings"]]
    ctgan = [r for r in good if r["model"] == "ctgan"]
    if not ours or not ctgan:
        return ""

    mine, theirs = of(ours, lambda r: r["fit_s"]), of(ctgan, lambda r: r["facts"]["default_fit_s"])
    speed = [of(f, lambda r: r["scores"]["rows"] / max(r["sample_s"], 1e-3)) for f in (ours, ctgan)]
    epochs = {r["settings"].get("epochs", 300) for r in ctgan}
    how = "" if epochs == {300} else f", extrapolated from {', '.join(map(str, sorted(epochs)))} (setup + 300 x epoch)"
    return (
        f"Against CTGAN in the same run: fitted {theirs / mine:.1f} x faster than at its default 300 epochs "
        f"({theirs:,.0f} s{how}); {speed[0]:,.0f} rows/s against {speed[1]:,.0f}."
    )


def equal_epochs(rows: Iterable[Result]) -> str:
    """Our classic CTGAN against the package's, at each number of epochs that both were run at."""
    times: dict[tuple[str, int], list[Result]] = {}
    for r in rows:
        if r["model"] in ("ours-ctgan", "ctgan") and "failed" not in r:
            times.setdefault((r["model"], r["settings"].get("epochs", 300)), []).append(r)
    out = []
    for epochs in sorted({e for _, e in times}):
        ours, theirs = (times.get((m, epochs), []) for m in ("ours-ctgan", "ctgan"))
        if ours and theirs:
            mine, package = (of(found, lambda r: r["fit_s"]) for found in (ours, theirs))
            faster = f"{mine:,.1f} s, {package / mine:.1f} x faster"
            out.append(f"`model: ctgan` against the ctgan package at {epochs} epochs: {faster}.")
    return "\n".join(out)


def write(file: Path, text: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Puts `text` between the markers; what stands outside them stays. Raises ValueError where they are missing."""
    begin, end = markers
    whole = file.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(begin) > whole.index(end):
        raise ValueError(f"{file} must hold the lines {begin} and {end}, once and in this order.")
    before, after = whole.split(begin)[0], whole.split(end)[1]
    file.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
