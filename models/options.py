"""What a user may set about a fit. Left at None, a setting is chosen from the table's size (models/gan/plan.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import Detail, InvalidInput

DEVICES = ("auto", "cpu", "cuda")
ADVERSARIAL = ("auto", "always", "never")

_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "holdout": (0.0, 0.5),
    "steps": (1, 1_000_000),
    "batch": (2, 1_000_000),
    "hidden": (8, 8_192),
    "depth": (0, 16),
    "dropout": (0.0, 0.9),
    "learning_rate": (1e-6, 1.0),
    "direct": (1, 4_096),
    "coarse": (2, 1_024),
    "fine": (1, 256),
    "threads": (1, 1_024),
    "max_time": (0.001, 10_000_000.0),
}
_WHOLE = {"seed", "steps", "batch", "hidden", "depth", "direct", "coarse", "fine", "threads"}


@dataclass(frozen=True)
class FitOptions:
    """Options of `fit`.

    holdout: share of rows set aside before anything is fitted. steps, batch, hidden, depth, dropout, learning_rate:
    of the generator. direct: distinct numbers up to which each has a cell; coarse, fine: quantile bins of the others.
    adversarial: auto (only if a discriminator sees a difference), always, never; the better weights are kept in any
    case. device: auto takes CUDA where there is one. threads: of the CPU. max_time: seconds of training, after which
    it ends. derive: columns that follow from another one are looked up, not drawn.
    """

    seed: int = 0
    holdout: float = 0.1
    steps: int | None = None
    batch: int | None = None
    hidden: int | None = None
    depth: int | None = None
    dropout: float | None = None
    learning_rate: float | None = None
    direct: int | None = None
    coarse: int | None = None
    fine: int | None = None
    adversarial: str = "auto"
    device: str = "auto"
    threads: int | None = None
    max_time: float | None = None
    derive: bool = True

    def __post_init__(self) -> None:
        for name, choices in (("adversarial", ADVERSARIAL), ("device", DEVICES)):
            if getattr(self, name) not in choices:
                raise _bad(name, f"must be one of {', '.join(choices)}")
        if not isinstance(self.derive, bool):
            raise _bad("derive", "must be true or false")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name not in ("seed", "holdout"):
                continue
            if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else (int, float)):
                raise _bad(name, "must be a whole number" if name in _WHOLE else "must be a number")
            if not (math.isfinite(value) and low <= value <= high):
                raise _bad(name, f"must lie between {low:g} and {high:g}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: Any) -> FitOptions:
        """Options from untrusted JSON. Raises InvalidInput naming the option."""
        if not isinstance(raw, Mapping):
            raise InvalidInput("Options must be an object.", hint='e.g. {"seed": 1}')
        known = [f.name for f in fields(FitOptions)]
        for name in raw:
            if name not in known:
                raise _bad(str(name)[:60], f"is no option; known: {', '.join(known)}")
        return FitOptions(**raw)


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"Option {name!r} {what}.", hint=what, errors=[Detail(("options", name), what)])
