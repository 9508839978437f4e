"""A report's JSON -> what the template lays out: worst first, every metric beside its yardsticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html import attacks, series
from service.reports.html.attacked import attacked
from service.reports.html.details import SECTIONS, details
from service.reports.html.glossary import GLOSSARY, HOW
from service.reports.html.pooled import pooled
from service.reports.html.standing import excess, views, worst_first
from service.reports.html.training import training

DRAWN = 100
"""Columns with a chart, the worst; others are listed, so that the page of a wide table stays below 3 MB."""
LISTED = 2_000
"""Pairs in the page's table; the JSON form has all."""
PARTS = ("detection", "analyses", "pooled", "propensity", "disclosure", "sdmetrics")

WEIGHTED = "Fidelity, weighted"
GROUPS = (
    (
        "Fidelity",
        ("columns", "pairs", *(s for s in SECTIONS if s != "weights"), "rules", "sdmetrics"),
        "Best known: real rows drawn again. Worst known: independent columns.",
    ),
    (
        WEIGHTED,
        ("weights",),
        "Every row counts with its survey weight, as in published tables; in the other groups every row counts once. "
        "Worst known: independent columns and weights.",
    ),
    ("Detection", ("detection",), "Best known: other real rows. Worst known: independent columns."),
    ("Utility", ("utility",), "Best known: trained on real rows. Worst known: always the majority class, or the mean."),
    ("Analyses", ("analyses", "propensity"), "Best known: real rows drawn again. Worst known: independent columns."),
    ("Disclosure", ("disclosure",), "Worst known: a copy of the training rows."),
)
"""(name, sections of its metrics, what its yardsticks are)"""


def shell(report: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the pages of both kinds of reports: names, marks, provenance."""
    manifest: Mapping[str, Any] = (report.get("synthesizer") or {}).get("manifest") or {}
    return {
        "report": report,
        "title": title(report),
        "mark": report.get("edition"),
        "marking": report.get("marking"),
        "all": views(report["metrics"], report["meta"]),
        "warnings": (report.get("sample") or {}).get("warnings") or [],
        "facts": facts(report),
        "settings": settings(manifest, report["meta"]),
    }


def title(report: Mapping[str, Any]) -> str:
    """What the report is about: the table, or of uploads what is judged against what."""
    real, uploaded = str(report["dataset"]["name"]), report.get("synthetic") or {}
    return f"{uploaded['name']} against {real}" if uploaded.get("name") else real


def build(report: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of report.html beside the shell's."""
    seen = views(report["metrics"], report["meta"])
    metrics = {(m["name"], m["subject"]): m for m in seen}
    sections: Mapping[str, Any] = report["sections"]
    synthesizer: Mapping[str, Any] = report.get("synthesizer") or {}
    scorecard: Mapping[str, Any] = sections.get("scorecard") or {}
    headline = [
        {**metrics[(h["name"], h["subject"])], "label": h["label"]}
        for h in scorecard.get("headline", [])
        if (h["name"], h["subject"]) in metrics
    ]
    manifest: Mapping[str, Any] = synthesizer.get("manifest") or {}
    columns = _columns(sections.get("columns") or [], metrics)
    pairs: Mapping[str, Any] = sections.get("pairs") or {}
    detection: Mapping[str, Any] = sections.get("detection") or {}
    return {
        "synthetic_rows": _rows(report),
        "rows_of": report["meta"].get("rows") or {},
        "verdict": sections.get("verdict") or {"summary": "No verdict was drawn up.", "problems": []},
        "headline": headline,
        "count": Counter(m["status"] for m in headline),
        "counts": Counter(m["status"] for m in seen),
        "failing": [m for m in worst_first(seen) if m["status"] == "fail"],
        "groups": _groups(headline),
        "columns": columns[:DRAWN],
        "undrawn": columns[DRAWN:],
        "pairs": pairs,
        "pair_rows": pair_rows(pairs),
        **details(sections, seen),
        **attacked(sections, seen),
        "triples": sections.get("triples") or [],
        "detection": detection,
        "betraying": [{"subject": c["column"], "value": c["auc_alone"]} for c in detection.get("columns") or []],
        "utility": sections.get("utility"),
        "analyses": sections.get("analyses"),
        "pooled": pooled(sections.get("pooled")),
        "propensity": sections.get("propensity"),
        "disclosure": sections.get("disclosure") or {},
        "of": {part: worst_first([m for m in seen if m["section"] == part]) for part in PARTS},
        "roc": series.roc(sections.get("utility")),
        "precision": series.precision(sections.get("utility")),
        "calibration": series.calibration(sections.get("utility")),
        "validity": _misfits(sections.get("validity") or {}),
        "rules": {"cost": None, **sections["rules"]} if sections.get("rules") else None,
        "training": training(manifest),
        "detected": attacks.detected(detection),
        "members": attacks.members(sections.get("disclosure") or {}),
        "guessed": attacks.guessed(sections.get("disclosure") or {}),
        "verdicts": attacks.WORDS,
        "distances": series.distances(sections.get("disclosure")),
        "glossary": GLOSSARY,
        "how": HOW,
    }


def _groups(headline: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """Headline figures by group, worst first. Beside weighted ones those that count rows say so."""
    found = [(name, note, [m for m in headline if m["section"] in parts]) for name, parts, note in GROUPS]
    weighed = any(name == WEIGHTED and own for name, _, own in found)
    counting = {"Fidelity": "Fidelity, rows counted"} if weighed else {}
    return [(counting.get(name, name), note, worst_first(own)) for name, note, own in found]


def _rows(report: Mapping[str, Any]) -> int:
    """Of the table that is judged."""
    table: Mapping[str, Any] = report.get("sample") or {}
    uploaded: Mapping[str, Any] = report.get("synthetic") or {}
    return int(
        table.get("row_count") or uploaded.get("rows") or (report["meta"].get("rows") or {}).get("synthetic") or 0
    )


def pair_rows(pairs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """{i, j, synthetic, ceiling, holdout, floor, tvd2} of pairs with a trend, worst first, at most LISTED."""
    trend: Mapping[str, Any] = pairs.get("trend") or {}
    values = trend.get("synthetic") or []
    order = sorted((k for k, v in enumerate(values) if v is not None), key=lambda k: -values[k])[:LISTED]
    other = (pairs.get("tvd2") or {}).get("synthetic")

    def read(table: str, k: int) -> float | None:
        return trend[table][k] if trend.get(table) else None

    return [
        {
            "i": pairs["first"][k],
            "j": pairs["second"][k],
            **{table: read(table, k) for table in ("synthetic", "ceiling", "holdout", "floor")},
            "tvd2": other[k] if other else None,
        }
        for k in order
    ]


def _misfits(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of uploaded tables did not fit the real one; None where there is nothing to tell."""
    told: dict[str, Any] = {
        "left_out": found.get("left_out") or [],
        "extra": found.get("extra") or {},
        "cells": found.get("cells") or [],
    }
    return told if told["left_out"] or told["cells"] or any(told["extra"].values()) else None


def _columns(columns: Sequence[Mapping[str, Any]], metrics: Mapping[Any, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Worst first, with the column's own figures."""
    out: list[dict[str, Any]] = [
        {
            **column,
            "shape": metrics.get(("shape", column["column"])),
            "missing": metrics.get(("missing", column["column"])),
        }
        for column in columns
    ]
    return sorted(out, key=_rank)


def _rank(column: Mapping[str, Any]) -> tuple[bool, float, float]:
    """Those that miss a bar first, then by how far their shape is off."""
    own = [m for m in (column["shape"], column["missing"]) if m]
    fails = [excess(m) for m in own if m["status"] == "fail"]
    return not fails, -max(fails, default=0.0), -((column["shape"] or {}).get("value") or 0.0)


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance, as far as it is known."""
    dataset, sample, meta = report["dataset"], report.get("sample") or {}, report["meta"]
    manifest: Mapping[str, Any] = (report.get("synthesizer") or {}).get("manifest") or {}
    split: Mapping[str, Any] = manifest.get("split") or {}
    out = [
        ("Report", f"{report['id']}, {report['created_at'][:10]}"),
        ("Dataset", f"{dataset['name']} ({report['dataset_id']})"),
        ("SHA-256 of the upload", str(dataset["sha256"])),
        ("Real table", f"{dataset['rows']:,} rows, {dataset['columns']} columns" if dataset.get("rows") else "unknown"),
    ]
    for role, name in (("synthetic", "Synthetic table"), ("holdout", "Holdout")):
        if table := report.get(role):
            out.append((name, f"{table['name']} ({table['id']}), {table.get('rows') or 0:,} rows, {table['sha256']}"))
    if sample:
        out += [
            ("Sample", f"{sample['row_count']:,} rows ({report['sample_id']}), seed {sample['seed']}"),
            ("Conditions", "; ".join(sample["where"]) or "none"),
            *_balanced(sample.get("balance"), meta),
        ]
    out += [("Further sample", _further(table)) for table in report.get("replicates") or ()]
    if sample.get("mode") == "fast":
        out.append(("Mode", "fast: drawn by a small network distilled from the generator"))
    out.append(("Evaluated for", str(meta.get("target") or "no target")))
    if split and "train_rows" not in split:  # of a private synthesizer, whose rows are not counted
        out.append(("Split", f"about {split.get('fraction', 0):.0%} of the units held out, seed {split.get('seed')}"))
    elif split:
        rows = f"{split.get('train_rows', 0):,} rows trained on, {split.get('holdout_rows', 0):,} held out before that"
        out.append(("Split", f"{rows}, seed {split.get('seed')}"))
    versions = {**(manifest.get("versions") or {}), **(meta.get("versions") or {})}
    if versions:
        out.append(("Versions", ", ".join(f"{k} {v}" for k, v in sorted(versions.items()))))
    seconds = meta.get("seconds") or {}
    if "total" in seconds:
        out.append(("Evaluation took", f"{seconds['total']:.0f} s"))
    return out


def _further(table: Mapping[str, Any]) -> str:
    """A sample, or an upload, whose analyses are combined with the first one's."""
    if "name" in table:
        return f"{table['name']} ({table['id']}), {table.get('rows') or 0:,} rows, {table['sha256']}"
    return f"{table['row_count']:,} rows ({table['id']}), seed {table['seed']}"


def _balanced(balance: Mapping[str, Any] | None, meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked of one column, and what the sample was compared with."""
    if not balance:
        return []
    shares = ", ".join(f"{label}: {share:.1%}" for label, share in balance.get("shares", {}).items())
    rows = (meta.get("rows") or {}).get("real")
    compared = f"; compared with {rows:,} training rows chosen in these shares" if rows else ""
    return [("Balanced", f"{balance['column']} ({shares or 'equal shares'}){compared}")]


def settings(manifest: Mapping[str, Any], meta: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, names and values) of what is needed to do it again."""
    tables = (
        ("Options of the training", manifest.get("options")),
        ("Plan of the training", manifest.get("plan")),
        ("Options of the evaluation", meta.get("options")),
        ("Rows and combinations looked at", meta.get("sample_sizes")),
        ("Seconds of the evaluation", meta.get("seconds")),
    )
    return [
        (
            title,
            [(str(k), "none" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v)) for k, v in t.items()],
        )
        for title, t in tables
        if t
    ]
