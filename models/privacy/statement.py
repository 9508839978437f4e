"""The privacy statement of a synthesizer, in the order in which NIST SP 800-226 has a guarantee questioned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.accounting import History, compose, epsilon, history_to_json
from models.privacy.options import PrivacyOptions

ACCOUNTANT = "pld"
_TABLES = "exact discrete Gaussian from the operating system's entropy; no floating-point number on the way"
_STEPS = (
    "Gaussian in floating point from a secret stream, keyed by the operating system's entropy: the guarantee is proved "
    "for real numbers (docs/privacy.md, DP-SGD)"
)


def statement(
    options: PrivacyOptions,
    history: Mapping[str, History],
    public: Sequence[str],
    holdout: float,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """public: what was assumed to be public, one line each. holdout: share of the units set aside, each by a coin of
    its own. Holds nothing that was learnt from rows.
    """
    k, unit = options.rows_per_unit, options.unit
    who = "one row" if unit is None else f"all rows with the same value of column {unit!r}"
    notes = []
    if unit is not None:
        notes.append(
            f"Of a unit at most {k} rows are used, chosen at random before anything else; rows in which the column is "
            "blank are one unit."
        )
    if holdout:
        notes.append(
            f"A share of about {holdout:g} of the units is set aside for the internal evaluation, each by a hash of "
            "itself: a unit is either in the part that was released from or in the other, and moves no other unit."
        )
    assumed = list(public)
    if options.rows is not None:
        assumed.append(f"the number of rows: {options.rows}")
    return {
        "unit": {"what": who, "column": unit, "rows": k, "notes": notes},
        "neighbours": "Tables that differ by adding or removing one unit.",
        "epsilon": options.epsilon,
        "delta": options.delta,
        "spent": {
            "all": epsilon(compose(*history.values()), options.delta, ACCOUNTANT),
            **{account: epsilon(events, options.delta, ACCOUNTANT) for account, events in history.items()},
        },
        "accountant": "privacy loss distributions (models/accounting); Gaussian releases by their exact formula",
        "mechanism": options.mechanism,
        "mechanisms": {account: history_to_json(events) for account, events in history.items()},
        "options": dict(options.options),
        "assumed_public": assumed,
        "trust": "Central: the service, its workers and its database see the table. The guarantee is about what "
        "leaves: this synthesizer and whatever is drawn from it.",
        "not_covered": [
            "how long the job took, how much memory it needed, and that it took place",
            "reports of the edition marked internal, which are computed on real rows",
            "people who are in several units, or in several datasets with budgets of their own",
        ],
        "noise": _TABLES if options.mechanism == "marginals" else f"tables: {_TABLES}; steps: {_STEPS}",
        "versions": dict(versions),
    }
