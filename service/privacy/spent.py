"""What a dataset has spent: histories of releases by state and account, as sums that can be added to and taken from.

models.accounting is imported where it is used: few calls of the API account for anything, and scipy takes 15 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.accounting import Event, History

ACCOUNTS = ("domain", "fit", "evaluation")
"""What a job spends on: finding bounds and categories, fitting, measuring the result."""
STATES = ("reserved", "settled")

Shares = Mapping[str, "History"]
"""What a job plans to spend, by account."""


def joined(*histories: History) -> History:
    """Their sum in one form, whatever the order: without labels, equal releases counted in one event's steps."""
    return _events(sum((_counts(h) for h in histories), Counter()))


def without(whole: History, part: History) -> History:
    """`whole` less `part`, in the same form. Raises ValueError if it does not hold it."""
    counts = _counts(whole)
    counts.subtract(_counts(part))
    if any(count < 0 for count in counts.values()):
        raise ValueError("the ledger does not hold what is to be taken from it")
    return _events(counts)


def _counts(history: History) -> Counter[Event]:
    out: Counter[Event] = Counter()
    for event in history:
        one = replace(event, label="", steps=None if event.steps is None else 1)
        out[one] += event.steps or 1
    return out


def _events(counts: Mapping[Event, int]) -> History:
    def order(event: Event) -> tuple[Any, ...]:
        return event.mechanism, *(getattr(event, name) or 0.0 for name in ("sigma", "q", "epsilon", "delta"))

    out: list[Event] = []
    for event in sorted((e for e, count in counts.items() if count), key=order):
        out += [event] * counts[event] if event.steps is None else [replace(event, steps=counts[event])]
    return tuple(out)


@lru_cache(maxsize=4096)
def epsilon(history: History, delta: float) -> float:
    """Of a history in the form that `joined` gives: the same releases, in any order, cost the same to the last bit."""
    from models import accounting

    return accounting.epsilon(history, delta)


def is_cheap(history: History) -> bool:
    """Whether its epsilon has a closed form."""
    return all(event.mechanism == "gaussian" for event in history)


@lru_cache(maxsize=1024)
def largest_epsilon(history: History, cap: float, delta: float) -> float:
    """Largest epsilon of one more release that keeps all within the cap; or 0."""
    from models import accounting

    return accounting.largest_epsilon(history, cap, delta)


def to_json(history: History) -> list[dict[str, Any]]:
    return [event.to_json() for event in history]


def from_json(raw: Any) -> History:
    """Raises InvalidInput."""
    from models.accounting import Event

    return tuple(Event.from_json(item) for item in raw)


@dataclass(frozen=True)
class Spent:
    """reserved, settled: account -> history, as `joined` gives it. What was released is in neither."""

    reserved: Shares = field(default_factory=dict)
    settled: Shares = field(default_factory=dict)

    @property
    def total(self) -> History:
        return joined(*self.reserved.values(), *self.settled.values())

    def of(self, account: str) -> History:
        return joined(self.reserved.get(account, ()), self.settled.get(account, ()))

    def reserve(self, account: str, history: History) -> Spent:
        return replace(self, reserved=_added(self.reserved, account, history))

    def settle(self, account: str, history: History) -> Spent:
        """Raises ValueError if it was not reserved."""
        return replace(self.release(account, history), settled=_added(self.settled, account, history))

    def release(self, account: str, history: History) -> Spent:
        """Raises ValueError if it was not reserved."""
        return replace(self, reserved={**self.reserved, account: without(self.reserved.get(account, ()), history)})

    def to_json(self) -> dict[str, Any]:
        return {s: {a: to_json(h) for a, h in getattr(self, s).items() if h} for s in STATES}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Spent:
        return Spent(*({a: from_json(h) for a, h in raw[s].items()} for s in STATES))


def _added(shares: Shares, account: str, history: History) -> Shares:
    return {**shares, account: joined(shares.get(account, ()), history)}


def ordered(accounts: Iterable[str]) -> list[str]:
    """Accounts in the order in which a job spends them. Raises ValueError for one that there is not."""
    return sorted(accounts, key=ACCOUNTS.index)
