"""The public edition's JSON -> what public.html lays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Where drawings may end, shares."""
WORDS = (
    ("Total variation distance", "Half the sum of absolute differences between two tables of shares: 0% where they "
    "agree."),
    ("Reads", "The distance between the sample and the noisy table. Noise makes it larger."),
    (
        "Noise alone",
        "What the exact real table would read against its own noisy copy, on average: the part of a reading that says "
        "nothing of the sample.",
    ),
    (
        "Estimate",
        "The reading with the noise taken off, where the noise is fresh. It is right where the true differences are "
        "spread over the cells as noise is; the interval holds without that.",
    ),
    ("Interval", "Where the distance to the exact table lies, at 95% over the noise. It is of this table, not of a "
    "population."),
    ("Real rows again", "What as many real rows, drawn anew, would read without noise: no sample can be expected to "
    "do better."),
    ("Independent", "The same estimate for a sample whose columns are shuffled: the relations are lost."),
    (
        "Accuracy and AUC",
        "A model that has seen synthetic rows only, tested on the real ones. Beside it, the same model on synthetic "
        "rows "
        "that it has not seen: the nearer the two, the more alike the tables.",
    ),
)  # fmt: skip

HOW = (
    "Read the privacy statement: it says what is promised, to whom, and what is not.",
    "Read the interval of a figure before the figure: noise was added on purpose, and the interval says how much.",
    "Look at the first rows of each table: the worst comes first.",
)


def public(report: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of public.html."""
    figures: Mapping[str, Any] = report["sections"]["public"]
    free, paid = figures.get("release") or {}, figures.get("paid") or {}
    return {
        "report": report,
        "free": _part(free),
        "paid": _part(paid),
        "about": figures.get("about") or "sample",
        "prediction": paid.get("prediction") or {},
        "glossary": WORDS,
        "how": HOW,
        "all": (),
        "mark": report.get("edition"),
        "marking": report.get("marking"),
        "facts": facts(report, figures),
        "summary": summary(report, free, paid),
        "warnings": report["sample"].get("warnings") or [],
    }


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Worst first. scales: by group the share that its drawings end at."""
    out: dict[str, Any] = {**part, "scales": {}}
    for group in ("columns", "pairs"):
        found = sorted(part.get(group) or (), key=lambda f: -f.get("estimate", f["read"]))
        widest = min(1.0, max((f["high"] for f in found), default=0.0))
        out[group], out["scales"][group] = found, next(end for end in ENDS if end >= widest)
    return out


def summary(report: Mapping[str, Any], free: Mapping[str, Any], paid: Mapping[str, Any]) -> str:
    """The first sentence a reader sees."""
    privacy = report["privacy"]
    words = f"Epsilon {privacy['epsilon']:g} at delta {privacy['delta']:g}."
    for part, source in ((paid, "measured with fresh noise"), (free, "against the noisy tables of the fit")):
        pairs = (part.get("mean") or {}).get("pairs")
        if pairs:
            low, high = pairs["low"], pairs["high"]
            return f"{words} Pairs of columns are off by {low:.1%} to {high:.1%} on average, {source}."
    return f"{words} No figure of the sample against the real table was released."


def facts(report: Mapping[str, Any], figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance, of public facts."""
    sample = report["sample"]
    out = [
        ("Report", f"{report['id']}, {report['created_at'][:10]}"),
        ("Dataset", f"{report['dataset_id']}, {report['dataset']['columns']} columns"),
        ("Sample", f"{sample['row_count']:,} rows ({report['sample_id']}), seed {sample['seed']}"),
        ("Conditions", "; ".join(sample["where"]) or "none"),
        ("Target", str(report["meta"].get("target") or "none")),
    ]
    for part, name in (("release", "Real rows fitted to"), ("paid", "Real rows measured")):
        if rows := (figures.get(part) or {}).get("rows"):
            how = "declared public" if rows["public"] else f"a noisy estimate, give or take {1.96 * rows['sd']:,.0f}"
            out.append((name, f"{rows['value']:,.0f}, {how}"))
    manifest: Mapping[str, Any] = report["synthesizer"].get("manifest") or {}
    versions = {"populace": manifest.get("populace"), **(manifest.get("versions") or {})}
    out.append(("Versions", ", ".join(f"{k} {v}" for k, v in sorted(versions.items()) if v) or "unknown"))
    return out
