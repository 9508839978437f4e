"""What a custodian asks of a private fit: epsilon, delta, who is protected, and what is public."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from models.errors import Detail, InvalidPrivacy
from models.options import FitOptions

DOMAIN, FIT, EVALUATION = ACCOUNTS = ("domain", "fit", "evaluation")
"""What a job spends on: finding bounds and categories, fitting, measuring the result."""
MECHANISMS = ("marginals", "dpsgd", "hybrid")
_STEPS: dict[str, tuple[type, float, float]] = {
    "tables": (float, 0.01, 0.99),
    "rate": (float, 1e-6, 1.0),
    "steps": (int, 1, 1_000_000),
    "clip": (float, 1e-6, 1e6),
}
_OPTIONS: dict[str, dict[str, tuple[type, float, float]]] = {
    "marginals": {
        "bins": (int, 2, 512),
        "one_way": (float, 0.0, 0.9),
        "triples": (bool, 0, 1),
        "selection": (bool, 0, 1),
    },
    "dpsgd": {"bins": (int, 2, 512), **_STEPS},
}
_OPTIONS["hybrid"] = _OPTIONS["marginals"] | _STEPS
"""By mechanism, its options: type and range."""
_NETWORK = (
    *("steps", "batch", "hidden", "depth", "dropout", "learning_rate", "direct", "coarse", "fine", "max_time"),
    *("epochs", "pac", "noise", "critic_learning_rate", "weight_decay"),
)
"""Training options of networks, and of cells that are cut by the rows."""


@dataclass(frozen=True)
class Shares:
    """Parts of epsilon, summing to 1."""

    domain: float = 0.0
    fit: float = 1.0
    evaluation: float = 0.0


@dataclass(frozen=True)
class PrivacyOptions:
    """epsilon, delta: of everything that the job releases, composed. unit: the column whose values are the units that
    are protected; None: each row is one. rows_per_unit: rows of a unit that are used at most. rows: the table's number
    of rows, where it is declared public; it is never looked up. options: of the mechanism, by name: of marginals bins
    (of a number without edges), one_way (part of the budget for single columns), triples (pairs by the target),
    selection (count the tables that are worth their noise, and not all); of dpsgd and hybrid also what
    models.privacy.sgd.SgdSettings has.

    Raises InvalidPrivacy.
    """

    epsilon: float
    delta: float
    mechanism: str = "marginals"
    shares: Shares = Shares()
    unit: str | None = None
    rows_per_unit: int = 1
    rows: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _number(self.epsilon) or not 0 < self.epsilon <= 1e6:
            raise _bad("epsilon", "must be above 0, and at most 1e6")
        if not _number(self.delta) or not 1e-100 <= self.delta < 1:
            raise _bad("delta", "must be above 0 and below 1")
        if self.mechanism not in MECHANISMS:
            raise _bad("mechanism", f"must be one of {', '.join(MECHANISMS)}")
        shares = [self.shares.domain, self.shares.fit, self.shares.evaluation]
        if not all(_number(s) and s >= 0 for s in shares) or not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise _bad("shares", "must be at least 0 and add up to 1")
        if not self.shares.fit > 0:
            raise _bad("shares", "must leave something to the fit")
        if not _whole(self.rows_per_unit) or not 1 <= self.rows_per_unit <= 1_000_000:
            raise _bad("unit", "must have a whole number of rows, from 1 to 1,000,000")
        if self.unit is None and self.rows_per_unit != 1:
            raise _bad("unit", "of several rows needs the column that tells them apart")
        if self.rows is not None and not (_whole(self.rows) and self.rows >= 1):
            raise _bad("rows", "must be a whole number of at least 1")
        self._check_options()

    def _check_options(self) -> None:
        known = _OPTIONS.get(self.mechanism)
        for name, value in self.options.items() if known is not None else ():
            if known is None or name not in known:
                names = ", ".join(sorted(known or ()))
                raise _bad(("options", str(name)[:60]), f"means nothing to {self.mechanism}; known: {names}")
            kind, low, high = known[name]
            proper = isinstance(value, bool) if kind is bool else _whole(value) if kind is int else _number(value)
            if not proper or not low <= value <= high:
                what = (
                    "true or false" if kind is bool else f"a {'whole ' * (kind is int)}number from {low:g} to {high:g}"
                )
                raise _bad(("options", name), f"must be {what}")

    def check_training(self, options: FitOptions) -> None:
        """Raises InvalidPrivacy for training options that look at rows without paying, or that mean nothing here."""
        if options.adversarial == "always":
            raise _bad("adversarial", "looks at real rows: leave it out", ())
        if options.max_time is not None:
            raise _bad("max_time", "would tell how long the rows took: leave it out", ())
        if options.model != "masked" and self.mechanism != "dpsgd":
            raise _bad("model", f"means nothing to mechanism {self.mechanism}: leave it out, or take dpsgd", ())
        for name in _NETWORK:
            if getattr(options, name) is not None:
                raise _bad(name, f"means nothing to mechanism {self.mechanism}: leave it out", ())

    def to_json(self) -> dict[str, Any]:
        unit = None if self.unit is None else {"column": self.unit, "rows": self.rows_per_unit}
        own = {"epsilon": self.epsilon, "delta": self.delta, "mechanism": self.mechanism}
        return {**own, "shares": asdict(self.shares), "unit": unit, "rows": self.rows, "options": dict(self.options)}

    @staticmethod
    def from_json(raw: Any) -> PrivacyOptions:
        """Options from untrusted JSON. Raises InvalidPrivacy naming the place."""
        if not isinstance(raw, Mapping):
            raise InvalidPrivacy("`privacy` must be an object.", hint='e.g. {"epsilon": 1, "delta": 1e-9}')
        known = [f.name for f in fields(PrivacyOptions) if f.name != "rows_per_unit"]
        for name in raw:
            if name not in known:
                raise _bad(str(name)[:60], f"is no option; known: {', '.join(known)}")
        for name in ("epsilon", "delta"):
            if name not in raw:
                raise _bad(name, "is missing")
        shares, unit, options = raw.get("shares") or {}, raw.get("unit"), raw.get("options") or {}
        if not isinstance(shares, Mapping) or set(shares) - {f.name for f in fields(Shares)}:
            raise _bad("shares", 'must be like {"domain": 0.1, "fit": 0.9, "evaluation": 0}')
        if unit is not None and not (
            isinstance(unit, Mapping) and set(unit) == {"column", "rows"} and isinstance(unit["column"], str)
        ):
            raise _bad("unit", 'must be like {"column": "household", "rows": 8}')
        if not isinstance(options, Mapping):
            raise _bad("options", "must be an object")
        own = {name: raw[name] for name in ("epsilon", "delta", "mechanism", "rows") if name in raw}
        who = {} if unit is None else {"unit": unit["column"], "rows_per_unit": unit["rows"]}
        return PrivacyOptions(**own, **who, shares=Shares(**shares), options=dict(options))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(name: str | tuple[str, ...], what: str, place: tuple[str, ...] = ("privacy",)) -> InvalidPrivacy:
    loc = (*(place or ("options",)), *((name,) if isinstance(name, str) else name))
    return InvalidPrivacy(f"{'.'.join(loc)} {what}.", hint=what, errors=[Detail(loc, what)])
