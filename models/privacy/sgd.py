"""Steps of DP-SGD, planned from public facts alone: on how large samples, how many, with how much noise.

Abadi et al. 2016, "Deep learning with differential privacy": in a step each unit is in the sample by itself with
probability `rate`; its gradient is clipped to norm `clip`; the sum gets Gaussian noise of standard deviation sigma *
clip in each coordinate. Adding or removing a unit changes the sum by at most clip. The cost depends on rate, sigma and
the number of steps, not on clip, nor on how many units there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from models.accounting import Event, History, calibrate, compose, gaussian, sampled_gaussian
from models.accounting import epsilon as epsilon_of
from models.errors import Detail, InvalidInput

LABEL = "steps of DP-SGD"


@dataclass(frozen=True)
class SgdSettings:
    """What is chosen. tables: part of epsilon for the noisy tables that come first. rate: probability of a unit to be
    in a step's sample. steps: how many. clip: norm that a unit's gradient is clipped to. Raises InvalidInput."""

    tables: float = 0.5
    rate: float = 0.25
    steps: int = 60
    clip: float = 1.0

    def __post_init__(self) -> None:
        if not _number(self.tables) or not 0 < self.tables < 1:
            raise _bad("tables", "must lie between 0 and 1")
        _check(self.rate, self.steps, self.clip)


@dataclass(frozen=True)
class SgdPlan:
    """Steps that are paid for. sigma: noise, in multiples of clip; the rest as in SgdSettings. Raises InvalidInput."""

    rate: float
    steps: int
    clip: float
    sigma: float

    def __post_init__(self) -> None:
        _check(self.rate, self.steps, self.clip)
        if not _number(self.sigma) or not self.sigma > 0:
            raise _bad("sigma", "must be a number greater than 0")

    @property
    def events(self) -> History:
        """What all steps cost."""
        return (sampled_gaussian(self.rate, self.sigma, self.steps, label=LABEL),)


def plan(settings: SgdSettings, epsilon: float, delta: float, *, spent: History = ()) -> SgdPlan:
    """With the least noise at which `spent` and all steps together are (epsilon, delta)-DP.

    spent: everything else that the budget pays for. Raises InvalidInput where no noise is enough.
    """
    rate, steps = settings.rate, settings.steps
    sigma = calibrate(lambda s: (sampled_gaussian(rate, s, steps),), epsilon, delta, spent=spent)
    return SgdPlan(rate, steps, settings.clip, sigma)


def events(
    settings: SgdSettings, epsilon: float, delta: float, *, spent: History = (), label: str = "tables of counts"
) -> History:
    """What a fit by tables and steps costs, bringing `spent` to epsilon: one Gaussian release of tables, calibrated to
    its part of what epsilon leaves above that of `spent`, then the steps, calibrated on everything. Raises
    InvalidInput.
    """
    before = epsilon_of(spent, delta)
    part = before + settings.tables * (epsilon - before)
    tables = gaussian(calibrate(lambda s: (gaussian(s),), part, delta, spent=spent), label=label)
    return (tables, *plan(settings, epsilon, delta, spent=compose(spent, (tables,))).events)


def plan_of(history: History, clip: float) -> SgdPlan:
    """The steps that a planned history pays for. Raises InvalidInput unless it holds exactly one such event."""
    found: list[Event] = [event for event in history if event.mechanism == "sampled_gaussian"]
    if len(found) != 1 or found[0].q is None or found[0].sigma is None or found[0].steps is None:
        raise InvalidInput("The plan has no steps of DP-SGD, or several kinds.", hint="Plan them with models.privacy.")
    return SgdPlan(found[0].q, found[0].steps, clip, found[0].sigma)


def _check(rate: float, steps: int, clip: float) -> None:
    if not _number(rate) or not 1e-6 <= rate <= 1:
        raise _bad("rate", "must lie between 1e-6 and 1")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 1_000_000:
        raise _bad("steps", "must be a whole number from 1 to 1,000,000")
    if not _number(clip) or not clip > 0:
        raise _bad("clip", "must be a number greater than 0")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"Option {name!r} {what}.", hint=what, errors=[Detail(("privacy", "options", name), what)])


SETTINGS = {"hybrid": SgdSettings(tables=0.85), "dpsgd": SgdSettings(tables=0.1, rate=0.03, steps=300)}
"""By mechanism (docs/privacy.md, "DP-SGD")."""


def settings_of(mechanism: str, options: Mapping[str, Any]) -> SgdSettings:
    """Those of a mechanism, with what `options` has in their place; other options are passed over. Raises
    InvalidInput."""
    known = {f.name for f in fields(SgdSettings)}
    return replace(SETTINGS[mechanism], **{name: value for name, value in options.items() if name in known})
