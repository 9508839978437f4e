"""The privacy statement of a job under differential privacy, in the order of the questions of NIST SP 800-226 (2025),
"Guidelines for Evaluating Differential Privacy Guarantees": the guarantee, the algorithm, the deployment.

Data in, data out. Everything here is public: parameters of the job, its budget, the ledger, declarations of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MECHANISMS = {
    "marginals": "Noisy tables of counts (columns, then the pairs, by the target where one is named, that noisy "
    "figures of their dependence say are worth counting), to which a generator is fitted; rows are drawn from the "
    "generator, and neither reads a row.",
    "dpsgd": "A generator trained by DP-SGD: each step takes a Poisson sample of the units, clips each unit's "
    "gradient and "
    "adds Gaussian noise.",
    "hybrid": "Noisy tables of counts as for `marginals`, and a generator that is pretrained on rows drawn from them "
    "and "
    "refined by DP-SGD.",
}
ACCOUNTS = {"domain": "finding bounds and categories", "fit": "fitting the generator", "evaluation": "this report"}
FLOATING = "Noise of DP-SGD is drawn in floating-point numbers, whose last digits no proof covers. "


def statement(
    privacy: Mapping[str, Any],
    budget: Mapping[str, Any] | None,
    ledger: Mapping[str, Any],
    schema: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """[{question, answer, items}], items a list where the answer is one.

    privacy: of the job's spec. budget: in force when it was placed. ledger: as `ledger_of` answers. schema: that the
    job was placed with. manifest: of the synthesizer."""
    epsilon, delta, mechanism = privacy["epsilon"], privacy["delta"], str(privacy.get("mechanism") or "marginals")
    answers = (
        (
            "What is guaranteed?",
            f"(epsilon, delta)-differential privacy with epsilon {epsilon:g} and delta {delta:g}, of everything that "
            f"this "
            "job releases together: the synthetic rows, the synthesizer and this public edition. For any set of "
            f"outcomes, its chance changes by a factor of at most e^{epsilon:g}, plus {delta:g}, when one unit is "
            f"added to "
            "or removed from the table.",
        ),
        ("Who is protected?", _unit(privacy.get("unit"))),
        ("What else was released about the same units?", _composed(ledger, budget)),
        ("How is it computed?", f"{MECHANISMS.get(mechanism, mechanism)} {releases(privacy.get('history') or {})}"),
        (
            "What does the noise do to the results?",
            "It blurs small groups most: a category or combination of few units may be lost or made up, and counts of "
            "small groups in the sample mean little. Noisy tables are unbiased; making them non-negative and fitting a "
            "generator to them pulls rare combinations towards what their columns alone would give. The figures below "
            "say how far.",
        ),
        (
            "What was taken for public, and what is not covered?",
            "Not covered: that the job ran, when, how long, in how much memory, and whether it succeeded; people who "
            f"are in several units. {_found(privacy, schema)}Taken for public:",
        ),
        (
            "Who is trusted?",
            "The service, those who operate it and the dataset's custodian, who hold the real table (the central "
            "model). "
            "Nobody who reads what is released: the guarantee holds whatever else they know, and whoever they share "
            "with.",
        ),
        (
            "How is it implemented?",
            "Noise of counts is drawn exactly (discrete Gaussian) from the operating system's entropy; no seed "
            "reaches it. "
            + (FLOATING if mechanism != "marginals" else "")
            + "The accountant composes privacy loss distributions and rounds upwards. How long the job took is not "
            f"covered. {_versions(manifest)}",
        ),
        (
            "Who can reach the real data?",
            "Holders of an API key of the tenant that owns the dataset, and operators of the service. The internal "
            "edition "
            "of this report holds exact figures and is marked; the job's log, times and errors carry none. Copies that "
            "the job made were deleted at its end.",
        ),
        (
            "How were the data collected?",
            "The service does not know. The same units in another dataset have another budget there, which is not "
            "counted here.",
        ),
    )
    told = [{"question": question, "answer": " ".join(answer.split()), "items": []} for question, answer in answers]
    next(t for t in told if "public" in t["question"])["items"] = _assumed(privacy, budget, schema, manifest)
    return told


def releases(history: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The planned events in words, by account."""
    told = []
    for account, events in history.items():
        named = []
        for event in events:
            values = ", ".join(
                f"{k} {v:.6g}"
                for k, v in event.items()
                if k not in ("mechanism", "label") and v is not None and (k, v) != ("steps", 1)
            )
            named.append(
                f"{event['mechanism'].replace('_', ' ')} ({values}){': ' if event.get('label') else ''}"
                f"{event.get('label') or ''}"
            )
        if named:
            told.append(f"For {ACCOUNTS.get(account, account)}: {'; '.join(named)}.")
    return " ".join(told) + " Sigma is in units of the L2 sensitivity of one unit." if told else ""


def _unit(unit: Mapping[str, Any] | None) -> str:
    neighbours = "Neighbouring tables differ by one unit added or removed."
    if unit is None:
        return f"Each row of the table. {neighbours} A person or household of several rows is not protected as a whole."
    rows = int(unit["rows"])
    return (
        f"All rows with the same value of column {unit['column']!r}, of which at most {rows:,} are used; more are left "
        f"out at random before anything is counted. {neighbours}"
    )


def _composed(ledger: Mapping[str, Any], budget: Mapping[str, Any] | None) -> str:
    words = f"Before this job the dataset's ledger stood at epsilon {ledger['before']:.4g}, with it at "
    words += f"{ledger['after']:.4g}"
    if budget is not None:
        words += f", of {budget['epsilon']:g} that its custodian allows, at delta {budget['delta']:g}"
    own = ledger.get("own")
    return f"{words}; {f'this job alone costs {own:.4g}. ' if own is not None else ''}Costs are composed, not added up."


def _assumed(
    privacy: Mapping[str, Any],
    budget: Mapping[str, Any] | None,
    schema: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> list[str]:
    own: Mapping[str, Any] = manifest.get("privacy") or {}
    columns = schema.get("columns") or []
    public = [str(c["name"]) for c in columns if c.get("public")]
    told = ["the options, conditions and seeds of the job"]
    if own.get("assumed_public"):
        told += [str(line).rstrip(".") for line in own["assumed_public"]]
    else:
        told.append("the names and kinds of the columns")
    if public and not own.get("assumed_public"):
        names = ", ".join(public[:30]) + (f" and {len(public) - 30} more" if len(public) > 30 else "")
        told.append(f"the categories or bounds, as the schema declares them, of {names}")
    if privacy.get("rows") is not None and not own.get("assumed_public"):
        told.append(f"the number of rows, {int(privacy['rows']):,}")
    elif budget is not None:
        told.append(f"that the table has at most {int(budget['rows_at_most']):,} rows")
    return told


def _found(privacy: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    columns = schema.get("columns") or []
    paid = (privacy.get("shares") or {}).get("domain") and not all(c.get("public") for c in columns)
    return "The domains of columns that are not declared public were found under the budget. " if paid else ""


def _versions(manifest: Mapping[str, Any]) -> str:
    versions = {"populace": manifest.get("populace"), **(manifest.get("versions") or {})}
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if version)
    return f"Versions: {told}." if told else ""
