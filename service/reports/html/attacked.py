"""Detection, disclosure, utility and the analyst's results -> drawings with their sentences and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.charts import Line
from service.reports.html.standing import worst_first

Facts = Mapping[str, Any]
Chart = dict[str, Any]
MAIN = {"utility_auc": "AUC", "utility_r2": "R2"}
"""The figure by which methods are drawn beside each other."""


def attacked(sections: Facts, metrics: Sequence[Facts]) -> dict[str, Any]:
    """Variables of utility.html, analyses.html, detection.html and disclosure.html beside their figures."""
    utility: Facts = sections.get("utility") or {}
    detection: Facts = sections.get("detection") or {}
    disclosure: Facts = sections.get("disclosure") or {}
    propensity: Facts = sections.get("propensity") or {}
    further = [_further(other, metrics) for other in utility.get("others") or []]
    elsewhere = {(m["name"], m["subject"]) for other in further for m in other["kept"]}
    metrics = [m for m in metrics if (m["name"], m["subject"]) not in elsewhere]
    main = next((n for n in MAIN if any(m["name"] == n and m["value"] is not None for m in metrics)), "")
    return {
        "of_target": worst_first([m for m in metrics if m["section"] == "utility"]),
        "further": further,
        "scored_by": MAIN.get(main, ""),
        "scored": [
            {**{k: m[k] for k in ("subject", "value", "low", "high")}, "other": {"value": m["ceiling"]}}
            for m in metrics
            if m["name"] == main and m["value"] is not None
        ],
        "importance": [
            {"subject": c["column"], "value": c.get("synthetic"), "other": {"value": c.get("real")}}
            for c in (utility.get("importance") or {}).get("columns") or []
        ],
        "coefficients": coefficients,
        "spmse": [
            {"subject": " × ".join(map(str, p["columns"])), "value": p["value"], "holdout": p.get("holdout")}
            for p in propensity.get("pairs") or []
        ],
        "betraying_pairs": [
            {"subject": " × ".join(map(str, p["columns"])), "value": p["auc"]} for p in detection.get("pairs") or []
        ],
        "told": [c for c in (_propensity(detection),) if c],
        "inferred": _inferred(disclosure),
        "controlled": _controlled(disclosure),
        "subsamples": _subsamples(sections.get("k_marginal") or {}),
    }


def _further(utility: Facts, metrics: Sequence[Facts]) -> dict[str, Any]:
    """One more target: its section, its figures as they are, and as the page shows them, worst first."""
    name = str(utility["target"])
    end = f" × {name}"
    kept = [m for m in metrics if m["section"] == "utility" and (m["subject"] == name or m["subject"].endswith(end))]
    shown = [{**m, "subject": m["subject"].removesuffix(end).removesuffix(name)} for m in kept]
    return {**utility, "kept": kept, "figures": worst_first(shown)}


def coefficients(found: Sequence[Facts], most: int = 15) -> list[dict[str, Any]]:
    """Coefficients with intervals, on the sample and on real rows."""

    def spanned(value: float | None, error: float | None) -> dict[str, Any]:
        if value is None or error is None:
            return {"value": value}
        return {"value": value, "low": value - 1.96 * error, "high": value + 1.96 * error}

    return [
        {
            "subject": c["name"],
            **spanned(c.get("synthetic"), c.get("synthetic_error")),
            "other": spanned(c.get("real"), c.get("real_error")),
        }
        for c in found[:most]
    ]


def _propensity(detection: Facts) -> Chart | None:
    """Shares of rows by their chance of being taken for synthetic."""
    found = detection.get("propensity")
    if not found:
        return None
    middles = [(a + b) / 2 for a, b in zip(found["edges"], found["edges"][1:], strict=False)]
    named = (("synthetic", "Synthetic rows", "c0"), ("real", "Real rows", "c1"))
    lines: list[Line] = [(words, class_, middles, found[role]) for role, words, class_ in named if found.get(role)]
    rows = [[("score", x), *(("score", ys[k]) for _, _, _, ys in lines)] for k, x in enumerate(middles)]
    return {
        "title": "Chance of being taken for synthetic", "lines": lines, "axes": ("chance", "share of rows"),
        "square": False, "look": "The two lines should be one. A hump of orange on the right: rows that the classifier "
        "is sure of; see what marks them below.",
        "head": [("Chance", True), *((words, True) for words, *_ in lines)], "rows": rows,
    }  # fmt: skip


def _inferred(disclosure: Facts) -> list[dict[str, Any]]:
    """By sensitive column the largest advantage on trained rows over the control."""
    out = []
    for c in (disclosure.get("inference") or {}).get("columns") or []:
        gaps = [
            r["training"] - r["holdout"]
            for kind in ("inference_neighbour", "inference_model", "cap")
            if (r := c.get(kind)) and None not in (r.get("training"), r.get("holdout"))
        ]
        if gaps:
            out.append({"subject": c["column"], "value": max(0.0, *gaps)})
    return sorted(out, key=lambda row: -row["value"])


def _controlled(disclosure: Facts) -> list[tuple[str, float | None, float | None]]:
    """(attack, success on trained rows, on the holdout), the widest gap first."""
    found = [(str(s["attack"]).replace("_", " "), s) for s in disclosure.get("singling_out") or []]
    if linked := disclosure.get("linkability"):
        found.append(("linkability", linked))
    rows = [(name.replace("singling out", "singling out, "), s.get("training"), s.get("holdout")) for name, s in found]
    return sorted(rows, key=lambda r: -((r[1] or 0.0) - (r[2] or 0.0)))


def _subsamples(found: Facts) -> list[Line]:
    """Scores of subsamples, and the sample's as a level line."""
    curve = found.get("curve") or []
    if len(curve) < 2:
        return []
    xs, ys = [p["fraction"] for p in curve], [p["score"] for p in curve]
    lines: list[Line] = [("subsamples of the real rows", "c1", xs, ys)]
    for role, words, class_ in (("synthetic", "sample", "c0"), ("holdout", "holdout", "c2 dashed")):
        level = (found.get("scores") or {}).get(role)
        if level is not None:
            lines.append((words, class_, [xs[0], xs[-1]], [level, level]))
    return lines
