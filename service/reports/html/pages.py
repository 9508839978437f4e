"""A report's JSON -> what the template lays out: worst first, every metric beside its yardsticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.glossary import GLOSSARY, NAMES


def build(report: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of report.html."""
    metrics = {(m["name"], m["subject"]): m for m in report["metrics"]}
    sections: Mapping[str, Any] = report["sections"]
    scorecard: Mapping[str, Any] = sections.get("scorecard") or {}
    headline = [
        {**metrics[(h["name"], h["subject"])], "label": h["label"]}
        for h in scorecard.get("headline", [])
        if (h["name"], h["subject"]) in metrics
    ]
    return {
        "report": report,
        "verdict": sections.get("verdict") or {"summary": "No verdict was drawn up.", "problems": []},
        "headline": [{**m, "status": status(m)} for m in headline],
        "columns": _columns(sections.get("columns") or [], metrics),
        "pairs": sections.get("pairs"),
        "triples": sections.get("triples") or [],
        "detection": sections.get("detection"),
        "detection_metrics": of_section(report["metrics"], "detection"),
        "utility": sections.get("utility"),
        "utility_metrics": of_section(report["metrics"], "utility"),
        "disclosure": sections.get("disclosure"),
        "disclosure_metrics": [{**m, "status": status(m)} for m in of_section(report["metrics"], "disclosure")],
        "facts": facts(report),
        "curve": training_curve(report["synthesizer"].get("manifest", {})),
        "glossary": GLOSSARY,
        "names": NAMES,
    }


def of_section(metrics: Sequence[Mapping[str, Any]], section: str) -> list[Mapping[str, Any]]:
    return [m for m in metrics if m["section"] == section]


def status(metric: Mapping[str, Any]) -> str:
    """Where the value stands among its yardsticks, in words.

    `as real`: within what the real holdout or the bootstrap reads; `close`: in the better half of the way from there to
    independent columns; `off`: beyond. `unavailable`: not computed, the note says why.
    """
    value, goal = metric["value"], metric.get("goal")
    known = [metric[k] for k in ("ceiling", "holdout") if metric.get(k) is not None]
    if value is None:
        return "unavailable"
    if not known:
        return ""
    if metric["direction"] == "target" and goal is not None:
        low, high = metric.get("low"), metric.get("high")
        if low is not None and high is not None and low <= goal <= high:
            return "as real"
        return "close" if abs(value - goal) <= 0.05 else "off"
    sign = 1 if metric["direction"] == "higher" else -1
    worst_real = min(sign * v for v in known)
    tolerance = 0.005 * max(1.0, abs(worst_real)) if metric["unit"] != "share" else 0.0
    if sign * value >= worst_real - tolerance:
        return "as real"
    floor = metric.get("floor")
    middle = (worst_real + sign * floor) / 2 if floor is not None and sign * floor < worst_real else worst_real * (
        0.95 if worst_real > 0 else 2.0
    )  # fmt: skip
    return "close" if sign * value >= middle else "off"


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
    return sorted(out, key=lambda c: -((c["shape"] or {}).get("value") or 0.0))


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance, as far as it is known."""
    dataset, sample, meta = report["dataset"], report["sample"], report["meta"]
    manifest: Mapping[str, Any] = report["synthesizer"].get("manifest") or {}
    split: Mapping[str, Any] = manifest.get("split") or {}
    out = [
        ("Report", f"{report['id']}, {report['created_at'][:10]}"),
        ("Dataset", f"{dataset['name']} ({report['dataset_id']})"),
        ("SHA-256 of the upload", str(dataset["sha256"])),
        ("Real table", f"{dataset['rows']:,} rows, {dataset['columns']} columns" if dataset.get("rows") else "unknown"),
        ("Sample", f"{sample['row_count']:,} rows ({report['sample_id']}), seed {sample['seed']}"),
        ("Conditions", "; ".join(sample["where"]) or "none"),
        ("Evaluated for", str(meta.get("target") or "no target")),
    ]
    if split:
        rows = f"{split.get('train_rows', 0):,} rows trained on, {split.get('holdout_rows', 0):,} held out before that"
        out.append(("Split", f"{rows}, seed {split.get('seed')}"))
    versions = {**(manifest.get("versions") or {}), **(meta.get("versions") or {})}
    if versions:
        out.append(("Versions", ", ".join(f"{k} {v}" for k, v in sorted(versions.items()))))
    seconds = meta.get("seconds") or {}
    if "total" in seconds:
        out.append(("Evaluation took", f"{seconds['total']:.0f} s"))
    return out


def training_curve(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """(step, loss) and (step, validation loss) of the training, None where none is recorded."""
    points = [p for p in manifest.get("curve") or [] if "step" in p]
    drawn = {
        name: ([p["step"] for p in points if name in p], [p[name] for p in points if name in p])
        for name in ("loss", "validation")
    }
    return drawn if any(x for x, _ in drawn.values()) else None
