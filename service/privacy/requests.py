"""What is refused of a request for differential privacy, and why. Pure: nothing here looks at the table.

n, the number of rows, may itself be confidential: what is checked against it is checked against the bound that the
custodian has made public with the budget (`rows_at_most`). The bound is from above, and a unit has a row at least, so
that a delta below 1 / rows_at_most is below 1 / n, for units too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import Detail, InvalidPrivacy
from service.privacy.schemas import PrivacyRequest, Unit

LARGEST_EPSILON = 1e6
SMALLEST_DELTA = 1e-100
LOOKING = {
    "adversarial": (("never",), "a discriminator that chooses among drawn rows looks at real ones"),
    "derive": ((False,), "columns that follow from others are looked up in the rows"),
    "max_time": ((None,), "training that stops by the clock tells how long the rows took"),
}
"""Training options that look at rows, or at how training goes, without paying: what they may be, and why no other."""
SEARCHING = ("early_stopping", "patience", "validation", "trials", "tune")
"""Options of searches and early stopping, which no mechanism has."""


@dataclass(frozen=True)
class Terms:
    """What the budget in force says of every job: its delta, who is protected, the public bound on the rows."""

    delta: float
    rows_at_most: int
    unit: Unit | None


def check_request(
    request: PrivacyRequest,
    terms: Terms,
    columns: Collection[str],
    options: Mapping[str, Any],
    options_from: str | None,
) -> float:
    """Everything that can be refused before anything is priced. Answers the job's delta. Raises InvalidPrivacy.

    columns: names in the table's schema. options, options_from: of the job, beside `privacy`.
    """
    delta = terms.delta if request.delta is None else request.delta
    check_epsilon(request.epsilon)
    check_delta(delta, terms.rows_at_most)
    check_shares(request)
    check_rows(request.rows, terms.rows_at_most)
    check_unit(request.unit, terms.unit)
    check_column(terms.unit, columns, ("body", "privacy", "unit", "column"))
    check_no_search(options, options_from)
    check_no_search(request.options, None, ("body", "privacy", "options"))
    return delta


def check_epsilon(epsilon: float, loc: tuple[str, ...] = ("body", "privacy", "epsilon")) -> None:
    """Raises InvalidPrivacy."""
    if not 0 < epsilon <= LARGEST_EPSILON:
        raise _bad(
            loc,
            f"must be above 0, and at most {LARGEST_EPSILON:g}",
            f"An epsilon of {epsilon:g} promises nothing or allows nothing.",
            "Ask for an epsilon above 0: about 1 is strong protection, 10 is weak.",
        )


def check_delta(delta: float, rows_at_most: int, loc: tuple[str, ...] = ("body", "privacy", "delta")) -> None:
    """Raises InvalidPrivacy unless 0 < delta < 1 / rows_at_most."""
    if not SMALLEST_DELTA <= delta < 1:
        raise _bad(
            loc,
            "must be above 0 and below 1",
            f"A delta of {delta:g} is no small probability.",
            f"Ask for a delta far below {1 / rows_at_most:.2g} (1 / rows_at_most), such as {_below(rows_at_most):g}.",
        )
    if delta * rows_at_most >= 1:
        raise _bad(
            loc,
            f"must be below {1 / rows_at_most:.3g}",
            f"A delta of {delta:g} would allow a mechanism that publishes whole rows: it is not below 1 in "
            f"{rows_at_most:,}, the bound on the table's rows that its budget declares.",
            f"Ask for a delta far below it, such as {_below(rows_at_most):g}.",
        )


def check_rows(rows: int | None, rows_at_most: int) -> None:
    """Raises InvalidPrivacy where both public numbers contradict each other."""
    if rows is not None and rows > rows_at_most:
        raise _bad(
            ("body", "privacy", "rows"),
            f"must be at most {rows_at_most}",
            f"The job declares {rows:,} rows, and the budget at most {rows_at_most:,}.",
            "Correct the one, or have the custodian correct the other.",
        )


def check_shares(request: PrivacyRequest) -> None:
    """Raises InvalidPrivacy unless they add up to 1 and leave something to the fit."""
    shares, loc = request.shares, ("body", "privacy", "shares")
    fit = shares.fit or 0.0
    total = (shares.domain or 0.0) + fit + (shares.evaluation or 0.0)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise _bad(
            loc,
            "must add up to 1",
            f"The shares add up to {total:g}.",
            'e.g. {"domain": 0.1, "fit": 0.8, "evaluation": 0.1}',
        )
    if fit <= 0:
        raise _bad((*loc, "fit"), "must be above 0", "Nothing is left for the fit.", "Give the fit most of the budget.")


def check_unit(asked: Unit | None, unit: Unit | None) -> None:
    """Raises InvalidPrivacy unless the job protects whom the budget protects."""
    if asked == unit:
        return
    loc = ("body", "privacy", "unit")
    if unit is None:
        raise _bad(
            loc,
            "is not that of the budget",
            "The dataset's budget protects single rows, and the job would protect units of several.",
            "Leave `unit` out, or have the custodian set a budget with this unit before anything is spent.",
        )
    named = f'{{"column": "{unit.column}", "rows": {unit.rows}}}'
    if asked is None:
        raise _bad(
            loc,
            "is missing",
            f"The budget protects all rows of one value of column {unit.column!r}, and the job names no unit.",
            f"Give `unit`: {named}.",
        )
    raise _bad(
        loc, "is not that of the budget", "The job's unit is another than the budget's.", f"Give `unit`: {named}."
    )


def check_column(unit: Unit | None, columns: Collection[str], loc: tuple[str, ...]) -> None:
    """Raises InvalidPrivacy where the table has no such key column."""
    if unit is not None and unit.column not in columns:
        raise _bad(
            loc,
            "is no column of the table",
            "The column whose values are the units is not in the table.",
            f"Columns: {', '.join(list(columns)[:30])}.",
        )


def check_no_search(
    options: Mapping[str, Any], options_from: str | None, loc: tuple[str, ...] = ("body", "options")
) -> None:
    """Raises InvalidPrivacy for whatever would look at rows, or at private losses, outside of the ledger."""
    if options_from is not None:
        raise _bad(
            ("body", "options_from"),
            "excludes `privacy`",
            "Tuned options cannot be used under differential privacy: the search looked at the rows without a budget.",
            "Leave `options_from` or `privacy` out; give options that were found on other, public data.",
        )
    for name in SEARCHING:
        if name in options:
            raise _bad(
                (*loc, name),
                "excludes `privacy`",
                f"Option {name!r} would decide by a loss on the rows, which is no part of what the ledger pays for.",
                f"Leave {name!r} out: training under differential privacy runs for a fixed number of steps.",
            )
    for name, (allowed, why) in LOOKING.items():
        if name in options and options[name] not in allowed:
            raise _bad(
                (*loc, name),
                "excludes `privacy`",
                f"Option {name!r} cannot be used under differential privacy: {why}.",
                f"Leave {name!r} out, or leave out `privacy`.",
            )


def _below(rows_at_most: int) -> float:
    """A power of ten at most a hundredth of 1 / rows."""
    return float(10.0 ** -(math.ceil(math.log10(rows_at_most)) + 2))


def _bad(loc: tuple[str, ...], what: str, message: str, hint: str) -> InvalidPrivacy:
    return InvalidPrivacy(message, hint=hint, errors=[Detail(loc, what, hint)])
