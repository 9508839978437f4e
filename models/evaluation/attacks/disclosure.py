"""Disclosure: every attack, and the verdict on all of them. The holdout is the control throughout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from models.evaluation.attacks.copies import copies, near_copies
from models.evaluation.attacks.distances import distances
from models.evaluation.attacks.inference import inference
from models.evaluation.attacks.linkage import linkability, uniques
from models.evaluation.attacks.membership import membership
from models.evaluation.attacks.setting import Finding, Setting, setting
from models.evaluation.attacks.singling import singling_out
from models.evaluation.context import Context, Part
from models.evaluation.result import Metric

CHANCE = 0.01
"""Chance that any attack is said to succeed on a sample that knows no more of the training rows than of others."""
TOLERABLE = 0.05
"""An attack that succeeds on so many more trained rows, of all, than others (or an AUC so far above .5) matters."""

ATTACKS = {
    "copies": "exact copies",
    "near_copies": "near copies",
    "dcr_share": "distance to the closest record",
    "membership_auc": "membership inference",
    "membership_tpr_1": "membership inference of the surest rows",
    "membership_tpr_01": "membership inference of the surest rows",
    "inference_neighbour": "attribute inference",
    "inference_model": "attribute inference",
    "cap": "attribute inference (CAP)",
    "singling_out_univariate": "singling out by one column",
    "singling_out_multivariate": "singling out by several columns",
    "linkability": "linkability",
    "replicated_uniques": "replicated uniques",
}
"""Tested figures, by how plainly they show what is wrong."""
NEEDED = (
    "copies",
    "near_copies",
    "dcr_share",
    "membership_auc",
    "inference_neighbour",
    "inference_model",
    "linkability",
)
"""Where one of these could not be run, nothing is said to pass; the others need a property that a table may lack."""
STEPS: dict[str, Callable[[Setting], tuple[list[Finding], dict[str, Any]]]] = {
    "near copies": near_copies,
    "distances": distances,
    "membership": membership,
    "inference": inference,
    "singling out": singling_out,
    "linkability": linkability,
    "uniques": uniques,
}
REMEDIES = {
    "copies": "Delete the copied rows and find out how they came into the sample; stop training earlier, or train with "
    "differential privacy.",
    "near_copies": "Stop training earlier, add dropout or a smaller network, or train with differential privacy.",
    "replicated_uniques": "Coarsen the columns that people are looked up by (age in bands, larger areas), or train "
    "with differential privacy.",
    "singling_out_univariate": "Set bounds that cut extreme values, and merge categories of single rows.",
    "singling_out_multivariate": "Cut extreme values, merge rare categories, or train with differential privacy.",
}
REMEDY = (
    "Stop training earlier, add dropout or a smaller network, train on more rows, or train with differential privacy."
)


def disclosure(context: Context) -> Part:
    """All attacks with their bars, and what they say together."""
    s = setting(context)
    found, section = copies(s)
    for i, (step, attack) in enumerate(STEPS.items()):
        context.progress.check()
        context.progress.update(0.85 + 0.01 * i, f"disclosure: {step}")
        more, data = attack(s)
        found += more
        section |= data
    metrics, verdict = judged(found)
    section["verdict"] = verdict
    sizes = {
        "distance_rows": section.pop("distance_rows", 0),
        "attacked_rows": len(s.members),
        "attacked_holdout_rows": len(s.controls),
        "attack_synthetic_rows": len(s.synthetic),
    }
    return Part(metrics, {"disclosure": section}, sizes)


def judged(found: Sequence[Finding]) -> tuple[list[Metric], dict[str, Any]]:
    """Metrics with bar and status, and the verdict. The tests share the chance of an error (Bonferroni)."""
    tests = [f for f in found if f.excess is not None]
    chance = CHANCE / max(1, len(tests))
    metrics, failed, doubts = [], [], []
    for f in found:
        if f.excess is None:
            metrics.append(f.metric)
            if f.metric.name in NEEDED:
                doubts.append(f)
            continue
        fails = f.excess.p <= chance
        metrics.append(replace(f.metric, bar=f.excess.bar(chance), status="fail" if fails else "pass"))
        if fails:
            failed.append(f)
        elif f.excess.highest > TOLERABLE:
            doubts.append(f)
    return metrics, _verdict(tests, failed, doubts)


def _verdict(tests: Sequence[Finding], failed: list[Finding], doubts: list[Finding]) -> dict[str, Any]:
    order = list(ATTACKS)

    def rank(f: Finding) -> tuple[int, float]:
        plain = order.index(f.metric.name)
        return (min(plain, 2), -f.excess.value if f.excess else 0.0)

    out: dict[str, Any] = {"tests": len(tests), "chance": CHANCE, "worst": None, "failed": [], "doubts": []}
    failed.sort(key=rank)
    out["failed"] = [_named(f) for f in failed]
    out["doubts"] = [{**_named(f), "why": _doubt(f)} for f in doubts]
    if failed:
        worst = failed[0]
        return out | {
            "status": "fail",
            "worst": _named(worst),
            "summary": f"{len(failed)} of {len(tests)} tests find that the sample tells more about the rows it was "
            f"trained on than about others; the worst: {ATTACKS[worst.metric.name]}.",
            "remedy": REMEDIES.get(worst.metric.name, REMEDY),
        }
    if not tests:
        return out | {
            "status": "cannot tell",
            "summary": "No attack could be run against a control: nothing can be said about disclosure.",
            "remedy": "Hold out rows before training (a tenth, and at least some hundred), or give a holdout file.",
        }
    strongest = max(tests, key=lambda f: f.excess.value if f.excess else 0.0)
    if doubts:
        names = list(dict.fromkeys(ATTACKS[f.metric.name] for f in doubts))
        return out | {
            "status": "cannot tell",
            "worst": _named(strongest),
            "summary": f"None of {len(tests)} tests succeeds, but the rows are too few to rule out a leak that matters "
            f"by {', '.join(names[:6])}.",
            "remedy": "Hold out more rows, draw a larger sample, or train with differential privacy.",
        }
    return out | {
        "status": "pass",
        "worst": _named(strongest),
        "summary": f"None of {len(tests)} tests finds that the sample tells more about the rows it was trained on than "
        "about others, and a leak that matters would have been seen by these attacks.",
        "remedy": "",
    }


def _named(f: Finding) -> dict[str, Any]:
    excess = f.excess
    figures = {} if excess is None else {"excess": excess.value, "low": excess.low, "high": excess.high, "p": excess.p}
    return {"metric": f.metric.name, "subject": f.metric.subject, "attack": ATTACKS[f.metric.name], **figures}


def _doubt(f: Finding) -> str:
    if f.excess is None:
        return f.metric.note
    return f"The excess may be as large as {100 * f.excess.highest:.1f} points; {100 * TOLERABLE:.0f} would matter."
