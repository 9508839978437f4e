"""What the manifest tells of the training: its curve with what was kept, why it ended, and of the discriminator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.charts import Line, Mark
from service.reports.html.series import thin

Facts = Mapping[str, Any]
LIKELIHOOD = (
    ("loss", "training rows", "from-real", "Training"),
    ("validation", "validation rows", "from-synthetic", "Validation"),
)
CRITIC = (("loss", "generator", "from-synthetic", "Generator"), ("critic", "critic", "from-real", "Critic"))
"""(name in the curve, words, class of the line, head of its column)"""
LIKELIHOOD_LOOK = "Loss in nats a row. A validation line that rises while the training line falls tells of memorising."
CRITIC_LOOK = (
    "Losses of generator and critic. They play against each other, so neither need fall; what tells of trouble is one "
    "that runs away."
)


def training(manifest: Facts) -> dict[str, Any] | None:
    """lines and marks of the chart, rows of its table, sentences; None without a
    curve.
    """
    points = [p for p in manifest.get("curve") or [] if "step" in p]
    named = CRITIC if any("critic" in p for p in points) else LIKELIHOOD
    drawn: list[Line] = [
        (words, class_, [p["step"] for p in points if name in p], [p[name] for p in points if name in p])
        for name, words, class_, _ in named
    ]
    lines = [line for line in drawn if line[2]]
    if not lines:
        return None
    kept, early = _kept(manifest, points), _early(manifest)
    marks: list[Mark] = []
    last = kept is not None and kept["step"] == points[-1]["step"]
    if kept is not None:
        words = "kept; ended early" if early and last else "kept"
        marks.append((kept["step"], kept.get("validation"), "kept", words))
    if early and not last:
        marks.append((points[-1]["step"], None, "ended", "ended early"))
    rows = thin(points)
    if kept is not None and kept not in rows:
        rows = sorted([*rows, kept], key=lambda p: p["step"])
    adversarial: Facts = manifest.get("adversarial") or {}
    return {
        "look": CRITIC_LOOK if named is CRITIC else LIKELIHOOD_LOOK,
        "columns": [(name, title) for name, _, _, title in named],
        "lines": lines,
        "marks": marks,
        "rows": rows,
        "kept": kept["step"] if kept is not None else None,
        "told": [*_told(manifest, kept, early), *_phase(adversarial)],
    }


def _kept(manifest: Facts, points: Sequence[Facts]) -> Facts | None:
    """The point of the curve whose weights were kept, as far as the plan tells."""
    select = (manifest.get("plan") or {}).get("select")
    judged = [p for p in points if "validation" in p]
    if select == "validation" and judged:
        return min(judged, key=lambda p: p["validation"])
    return points[-1] if select in ("last", "validation") else None


def _early(manifest: Facts) -> str:
    """Why training ended before its last planned step, or nothing."""
    plan, options = manifest.get("plan") or {}, manifest.get("options") or {}
    done, planned, limit = manifest.get("steps"), plan.get("steps"), options.get("max_time")
    if done is None or planned is None or done >= planned:
        return ""
    over = manifest.get("seconds", 0.0) >= limit if limit is not None else False
    if manifest.get("ended", "max_time" if over else "patience") == "max_time":
        return "its time was over" if limit is None else f"its time of {limit:g} s was over"
    checks = plan.get("patience")
    return f"the validation loss had not fallen for {checks} check{'s' if checks != 1 else ''}"


def _told(manifest: Facts, kept: Facts | None, early: str) -> list[str]:
    out = []
    done, planned = manifest.get("steps"), (manifest.get("plan") or {}).get("steps")
    if done is not None and planned is not None:
        of = f"after {done:,} of {planned:,} planned steps" if early else f"after all {planned:,} planned steps"
        took = f" and {manifest['seconds']:.0f} s" if "seconds" in manifest else ""
        out.append(f"Training ended {of}{took}{f': {early}' if early else ''}.")
    if kept is not None:
        lowest = (manifest.get("plan") or {}).get("select") == "validation" and "validation" in kept
        words = "whose validation loss was lowest" if lowest else "the last ones"
        out.append(f"Kept were the averaged weights of step {kept['step']:,}, {words}.")
    return out


def _phase(adversarial: Facts) -> list[str]:
    """Whether a discriminator chooses rows, in words."""
    if not adversarial:
        return []
    before, after = adversarial.get("auc_before"), adversarial.get("auc_after")
    reason = f": {adversarial['reason']}" if adversarial.get("reason") else ""
    if not adversarial.get("played"):
        return [f"No discriminator chooses among the drawn rows{reason}."]
    trees, kept = adversarial.get("trees"), adversarial.get("kept")
    of = f" of {trees} tree{'s' if trees != 1 else ''}" if trees else ""
    out = f"A discriminator{of} {'chooses among the drawn rows' if kept else 'was tried and left out'}{reason}."
    if before is not None and after is not None:
        read = f"{before:.3f} without and {after:.3f} with it" if kept else f"{before:.3f}"
        out += f" AUC of telling drawn rows from real ones that training never saw: {read} (0.5: they are alike)."
    return [out]
