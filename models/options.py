"""What a user may set about a fit. Left at None, a setting is chosen from the table's size (models/gan/plan.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import Detail, InvalidInput

MODELS = ("masked", "ctgan")
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
    "epochs": (1, 1_000_000),
    "pac": (1, 100),
    "noise": (1, 4_096),
    "critic_learning_rate": (1e-6, 1.0),
    "weight_decay": (0.0, 1.0),
}
_WHOLE = {"seed", "steps", "batch", "hidden", "depth", "direct", "coarse", "fine", "threads", "epochs", "pac", "noise"}
_OF_MODEL = {
    "masked": ("steps", "dropout", "coarse", "fine", "adversarial", "fast", "target"),
    "ctgan": ("epochs", "pac", "noise", "critic_learning_rate", "weight_decay"),
}
"""Options that mean nothing to the other model."""


@dataclass(frozen=True)
class FitOptions:
    """Options of `fit`.

    model: masked, conditional on any part of a row, or ctgan, the classic conditional GAN (docs/ctgan.md). holdout:
    share of rows set aside before anything is fitted. steps, batch, hidden, depth, dropout, learning_rate: of the
    generator. direct: distinct numbers up to which each has a cell; coarse, fine: quantile bins of the others.
    adversarial: whether a discriminator chooses among drawn rows: auto (only if it sees a difference), always, never;
    it is kept only where that helps. device: auto takes CUDA where there is one. threads: of the CPU. max_time: seconds
    of training, after which it ends. derive: columns that follow from another one are looked up, not drawn. fast:
    distil a student for fast mode (docs/sampling.md), beyond max_time. target: the column to predict from the others;
    it is drawn last, so that this is what is learnt of it.

    Of ctgan alone: epochs, pac (rows that the critic sees at once), noise (its length), critic_learning_rate,
    weight_decay. It has no steps, dropout, coarse, fine, adversarial, fast and target; hidden, depth and batch are the
    critic's too.
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
    target: str | None = None
    model: str = "masked"
    epochs: int | None = None
    pac: int | None = None
    noise: int | None = None
    critic_learning_rate: float | None = None
    weight_decay: float | None = None
    fast: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("model", MODELS), ("adversarial", ADVERSARIAL), ("device", DEVICES)):
            if getattr(self, name) not in choices:
                raise _bad(name, f"must be one of {', '.join(choices)}")
        for name in ("derive", "fast"):
            if not isinstance(getattr(self, name), bool):
                raise _bad(name, "must be true or false")
        if self.target is not None and not isinstance(self.target, str):
            raise _bad("target", "must be the name of a column")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name not in ("seed", "holdout"):
                continue
            if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else (int, float)):
                raise _bad(name, "must be a whole number" if name in _WHOLE else "must be a number")
            if not (math.isfinite(value) and low <= value <= high):
                raise _bad(name, f"must lie between {low:g} and {high:g}")
        self._check_model()

    def _check_model(self) -> None:
        defaults = {f.name: f.default for f in fields(self)}
        for model, names in _OF_MODEL.items():
            for name in names:
                if model != self.model and getattr(self, name) != defaults[name]:
                    raise _bad(name, f"means nothing to model {self.model}: leave it out, or set model to {model}")
        if self.model == "ctgan" and self.batch is not None and self.batch % (self.pac or 10):
            raise _bad("batch", f"must be a multiple of pac, which is {self.pac or 10}")
        if self.model == "ctgan" and self.depth == 0:
            raise _bad("depth", "must be at least 1 for model ctgan")

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
