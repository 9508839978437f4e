"""What a search may try of each training option. Light: the service checks requests with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import Detail, InvalidInput
from models.options import FitOptions

SEARCHED = (
    "steps",
    "batch",
    "hidden",
    "depth",
    "dropout",
    "learning_rate",
    "direct",
    "coarse",
    "fine",
    "adversarial",
    "epochs",
    "pac",
    "noise",
    "critic_learning_rate",
    "weight_decay",
)
"""Options that may be searched. The others say which rows, which machine or how long, not how well."""
RESOLUTION = frozenset({"direct", "coarse", "fine"})
"""Options that decide what a cell is: likelihoods of different cells cannot be compared."""
CTGAN = frozenset({"epochs", "pac", "noise", "critic_learning_rate", "weight_decay"})
"""Options of model ctgan alone."""
MAX_CHOICES = 50
EXAMPLE = 'e.g. {"steps": {"low": 300, "high": 3000, "log": true}, "hidden": [128, 256, 512]}'


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both attainable. log: drawn on a logarithmic scale. whole: whole numbers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.low, self.high

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "log": self.log}

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choices:
    """One of these values."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    def to_json(self) -> list[Any]:
        return list(self.values)

    def holds(self, value: Any) -> bool:
        return value in self.values


Space = dict[str, Range | Choices]
"""By name of the option."""


def parse_space(raw: Any) -> Space:
    """A space from untrusted JSON: per option a range {"low", "high", "log"?} or a list of values.

    Every value must be one that FitOptions takes. Raises InvalidInput naming the option.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidInput(
            "The search space must be an object with at least one option.",
            hint=EXAMPLE,
            errors=[Detail(("space",), "must be an object with at least one option")],
        )
    return {name: _parse(name, given) for name, given in raw.items()}


def space_to_json(space: Space) -> dict[str, Any]:
    return {name: part.to_json() for name, part in space.items()}


def _parse(name: Any, given: Any) -> Range | Choices:
    if name not in SEARCHED:
        raise _bad(str(name)[:60], f"is no option to search; known: {', '.join(SEARCHED)}")
    if isinstance(given, list):
        return _choices(name, given)
    if isinstance(given, Mapping):
        return _range(name, given)
    raise _bad(name, "must be a range {low, high} or a list of values")


def _choices(name: str, given: list[Any]) -> Choices:
    if not 2 <= len(given) <= MAX_CHOICES:
        raise _bad(name, f"must list 2 to {MAX_CHOICES} values")
    for value in given:
        _check(name, value)
    if len(set(given)) < len(given):
        raise _bad(name, "lists a value twice")
    return Choices(tuple(given))


def _range(name: str, given: Mapping[str, Any]) -> Range:
    if unknown := set(given) - {"low", "high", "log"}:
        raise _bad(name, f"has no part {min(map(str, unknown))[:60]!r}; a range has low, high and log")
    if not {"low", "high"} <= set(given):
        raise _bad(name, "needs both low and high")
    low, high, log = given["low"], given["high"], given.get("log", False)
    if not isinstance(log, bool):
        raise _bad(name, "log must be true or false")
    for value in (low, high):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _bad(name, "low and high must be numbers")
        _check(name, value)
    if low >= high:
        raise _bad(name, "low must be less than high")
    if log and low <= 0:
        raise _bad(name, "low must be above 0 where log is true")
    return Range(low, high, log, whole=_whole(name))


def _check(name: str, value: Any) -> None:
    """That FitOptions takes this value of the option."""
    if value is None or isinstance(value, list | dict):
        raise _bad(name, "must hold numbers or words")
    try:
        FitOptions.from_json(_of_model(name) | {name: value})
    except InvalidInput as error:
        raise _bad(name, error.hint) from None


def _whole(name: str) -> bool:
    """Whether the option takes whole numbers only."""
    try:
        FitOptions.from_json(_of_model(name) | {name: 0.5})
    except InvalidInput as error:
        return "whole" in error.hint
    return False


def _of_model(name: str) -> dict[str, Any]:
    return {"model": "ctgan", "batch": None} if name in CTGAN else {}


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"The search space of {name!r} {what}.", hint=EXAMPLE, errors=[Detail(("space", name), what)])
