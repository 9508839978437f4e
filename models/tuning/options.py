"""What a user may set about a search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from models.errors import Detail, InvalidInput
from models.options import FitOptions
from models.tuning.space import RESOLUTION, Space, parse_space, space_to_json

OBJECTIVES = ("detection", "utility", "likelihood")
MAX_TRIALS = 500


@dataclass(frozen=True)
class TuneOptions:
    """Options of `tune`.

    objective: detection (how well a classifier tells drawn rows from held-out ones), utility (how well a model trained
    on drawn rows predicts the target of held-out ones) or likelihood (nats per held-out row). trials: at most so many,
    the first of which are the defaults. max_time: seconds after which the search ends. validation: share of the
    training rows that the trials are judged by. space: what is tried; None: a range around the defaults.
    """

    objective: str = "detection"
    trials: int = 20
    max_time: float | None = None
    validation: float = 0.2
    space: Space | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise _bad("objective", f"must be one of {', '.join(OBJECTIVES)}")
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or not 2 <= self.trials <= MAX_TRIALS:
            raise _bad("trials", f"must be a whole number from 2 to {MAX_TRIALS}")
        for name, low, high in (("max_time", 1.0, 10_000_000.0), ("validation", 0.05, 0.5)):
            value = getattr(self, name)
            if value is None and name == "max_time":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise _bad(name, "must be a number")
            if not low <= value <= high:
                raise _bad(name, f"must lie between {low:g} and {high:g}")
        if self.objective == "likelihood" and (cut := sorted(RESOLUTION & set(self.space or ()))):
            raise _bad("space", f"may not hold {', '.join(cut)}: likelihoods of different cells cannot be compared")

    def check(self, options: FitOptions) -> None:
        """That nothing is both searched and set, and that all belongs to the model. Raises InvalidInput."""
        if self.objective == "likelihood" and options.model != "masked":
            raise _bad("objective", f"cannot be likelihood: model {options.model} has none")
        fixed = options.to_json()
        for name in self.space or ():
            if fixed[name] != getattr(_DEFAULTS, name):
                raise _bad("space", f"holds {name}, which is set among the training options too")
        for name, part in (self.space or {}).items():
            for value in part.ends:
                try:
                    replace(options, **{name: value})
                except InvalidInput as error:
                    raise _bad("space", f"holds {name}, which {error.hint}") from None

    def to_json(self) -> dict[str, Any]:
        facts = {f.name: getattr(self, f.name) for f in fields(self)}
        return facts | {"space": None if self.space is None else space_to_json(self.space)}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> TuneOptions:
        """Options from untrusted JSON. Raises InvalidInput naming the option."""
        known = [f.name for f in fields(TuneOptions)]
        for name in raw:
            if name not in known:
                raise _bad(str(name)[:60], f"is no option of a search; known: {', '.join(known)}")
        space = raw.get("space")
        return TuneOptions(**{**raw, "space": None if space is None else parse_space(space)})


_DEFAULTS = FitOptions()


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"Search option {name!r} {what}.", hint=what, errors=[Detail((name,), what)])
