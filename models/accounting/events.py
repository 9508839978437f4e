"""What touched the data: mechanisms with their parameters, in a form that is stored, sent and composed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import Detail, InvalidInput

MAX_EVENTS = 10_000
"""Events of a stored history, at most."""
MAX_LABEL = 200

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "gaussian": ("sigma", "steps"),
    "discrete_gaussian": ("sigma", "steps"),
    "sampled_gaussian": ("q", "sigma", "steps"),
    "pure": ("epsilon",),
    "approximate": ("epsilon", "delta"),
}
MECHANISMS = tuple(_PARAMETERS)
_RANGES: dict[str, tuple[float, float]] = {
    "q": (1e-12, 1.0),
    "sigma": (1e-3, 1e12),
    "steps": (1, 1_000_000_000),
    "epsilon": (1e-12, 1e6),
    "delta": (1e-300, 0.999),
}


@dataclass(frozen=True)
class Event:
    """One release, or `steps` releases of the same kind, each possibly chosen in view of those before it.

    mechanism: "gaussian", Gaussian noise of standard deviation `sigma` times the L2 sensitivity of what is released;
    "discrete_gaussian", counts with discrete Gaussian noise of parameter `sigma`, of which a unit changes at most
    `steps`, each by one (10 tables of counts: steps 10); "sampled_gaussian", the same on a Poisson sample that holds
    each unit with probability `q` (a step of DP-SGD; sensitivity: the clipping norm); "pure", any epsilon-DP release;
    "approximate", any (epsilon, delta)-DP release. Sensitivities are under adding or removing one unit. label: words,
    what it pays for. Parameters that the mechanism has not are None. Raises InvalidInput where one is missing, too many
    or out of range.
    """

    mechanism: str
    label: str = ""
    sigma: float | None = None
    steps: int | None = None
    q: float | None = None
    epsilon: float | None = None
    delta: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, str) or self.mechanism not in _PARAMETERS:
            raise _bad("mechanism", f"must be one of {', '.join(MECHANISMS)}")
        if not isinstance(self.label, str) or len(self.label) > MAX_LABEL or not self.label.isprintable():
            raise _bad("label", f"must be at most {MAX_LABEL} printable characters")
        wanted = _PARAMETERS[self.mechanism]
        if "steps" in wanted and self.steps is None:
            object.__setattr__(self, "steps", 1)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if name not in wanted:
                if value is not None:
                    raise _bad(name, f"means nothing to mechanism {self.mechanism}: leave it out")
                continue
            kinds = int if name == "steps" else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise _bad(name, f"must be a {'whole ' if name == 'steps' else ''}number")
            if name == "sigma" and self.mechanism == "discrete_gaussian":
                low, high = 0.25, 1e5
            if not low <= value <= high:
                raise _bad(name, f"must lie between {low:g} and {high:g}")
            if name != "steps":
                object.__setattr__(self, name, float(value))

    def to_json(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in _PARAMETERS[self.mechanism]}
        return {"mechanism": self.mechanism, "label": self.label, **named}

    @staticmethod
    def from_json(raw: Any) -> Event:
        """Event from untrusted JSON. Raises InvalidInput naming the field."""
        if not isinstance(raw, Mapping):
            raise InvalidInput("An event must be an object.", hint='e.g. {"mechanism": "gaussian", "sigma": 20}')
        known = ("mechanism", "label", *_RANGES)
        for name in raw:
            if name not in known:
                raise _bad(str(name)[:60], f"is no field of an event; known: {', '.join(known)}")
        if "mechanism" not in raw:
            raise _bad("mechanism", f"must be one of {', '.join(MECHANISMS)}")
        return Event(**raw)


History = tuple[Event, ...]
"""Everything that a dataset, or a job, has spent or will spend. The order means nothing."""


def gaussian(sigma: float, *, steps: int = 1, label: str = "") -> Event:
    """Gaussian noise of standard deviation sigma * sensitivity."""
    return Event("gaussian", label, sigma=sigma, steps=steps)


def discrete_gaussian(sigma: float, counts: int, *, label: str = "") -> Event:
    """Counts with discrete Gaussian noise, of which one unit changes `counts` by one each."""
    return Event("discrete_gaussian", label, sigma=sigma, steps=counts)


def sampled_gaussian(q: float, sigma: float, steps: int, *, label: str = "") -> Event:
    """`steps` steps of DP-SGD with Poisson sampling rate q and noise multiplier sigma."""
    return Event("sampled_gaussian", label, q=q, sigma=sigma, steps=steps)


def pure(epsilon: float, *, label: str = "") -> Event:
    """An epsilon-DP release."""
    return Event("pure", label, epsilon=epsilon)


def approximate(epsilon: float, delta: float, *, label: str = "") -> Event:
    """An (epsilon, delta)-DP release, e.g. a stability histogram."""
    return Event("approximate", label, epsilon=epsilon, delta=delta)


def compose(*histories: History) -> History:
    """All of them, one after the other."""
    return tuple(event for history in histories for event in history)


def history_to_json(history: History) -> list[dict[str, Any]]:
    return [event.to_json() for event in history]


def history_from_json(raw: Any) -> History:
    """History from untrusted JSON. Raises InvalidInput naming the place."""
    if not isinstance(raw, Sequence) or isinstance(raw, (str, bytes)) or len(raw) > MAX_EVENTS:
        raise InvalidInput("A history must be a list of events.", hint=f"At most {MAX_EVENTS:,} of them.")
    events = []
    for i, item in enumerate(raw):
        try:
            events.append(Event.from_json(item))
        except InvalidInput as error:
            detail = [Detail((i, *d.loc), d.msg, d.hint) for d in error.errors]
            raise InvalidInput(f"Event {i + 1}: {error.message}", hint=error.hint, errors=detail) from None
    return tuple(events)


def check_epsilon(epsilon: float) -> float:
    """Raises InvalidInput unless 0 <= epsilon < infinity."""
    if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not 0 <= epsilon < math.inf:
        raise _bad("epsilon", "must be a finite number of at least 0")
    return float(epsilon)


def check_delta(delta: float) -> float:
    """Raises InvalidInput unless 1e-100 <= delta < 1."""
    if isinstance(delta, bool) or not isinstance(delta, (int, float)) or not 1e-100 <= delta < 1:
        raise _bad("delta", "must be a number of at least 1e-100 and below 1")
    return float(delta)


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"Privacy parameter {name!r} {what}.", hint=what, errors=[Detail(("privacy", name), what)])
