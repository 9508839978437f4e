"""What a user may set about a search of a method's options. No torch: the service validates with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from models.comparison.options import CompareOptions
from models.errors import Detail, InvalidInput
from models.tuning.space import Choices, Range, Space, space_to_json

SEARCHES = ("bayes", "random", "grid")
MAX_TRIALS = 500
GRID_POINTS = 5
"""Values that a grid tries of a range."""
OWN = ("method", "search", "trials", "space", "validation", "max_time")
TAKEN = ("task", "categorical", "seed", "class_weight", "ordered")
"""Options of a method that follow from the comparison."""
EXAMPLE = 'e.g. {"learning_rate": {"low": 0.001, "high": 0.1, "log": true}, "hidden": [[64], [128, 64]]}'

DEFAULT_SPACES: dict[str, Space] = {
    "mlp": {
        "learning_rate": Range(3e-4, 2e-2, log=True),
        "hidden": Choices(("[64]", "[128, 64]", "[256, 128]", "[128, 128, 128]")),
        "dropout": Range(0.0, 0.5),
        "weight_decay": Range(1e-6, 1e-1, log=True),
        "numbers": Choices(("plain", "piecewise")),
    },
    "conv1d": {
        "learning_rate": Range(3e-4, 2e-2, log=True),
        "filters": Choices(("[16]", "[32, 64]", "[64, 64]")),
        "kernel": Choices((3, 5)),
        "dropout": Range(0.0, 0.5),
    },
    "linear": {"penalty": Range(1e-3, 1e3, log=True)},
    "knn": {"neighbours": Range(1, 50, log=True, whole=True), "weights": Choices(("uniform", "distance"))},
    "tree": {"depth": Range(2, 20, whole=True), "leaf": Range(1, 50, log=True, whole=True)},
    "forest": {"depth": Range(4, 30, whole=True), "leaf": Range(1, 20, log=True, whole=True)},
    "boosting": {
        "iterations": Range(40, 400, log=True, whole=True),
        "learning_rate": Range(0.02, 0.3, log=True),
        "leaves": Range(4, 63, log=True, whole=True),
    },
    "svm": {"penalty": Range(1e-2, 1e2, log=True)},
}
"""What is searched where nobody says. Lists are written as JSON texts, here and in Choices."""


@dataclass(frozen=True)
class SearchOptions:
    """Options of `search`.

    compare: the target (one), the method (one), its fixed options, preparation, folds, groups, measure and seed.
    search: bayes (tree of Parzen estimators, Optuna), random or grid. trials: at most so many; of bayes and random, the
    first has the defaults. space: per option a range or a list of values; none: DEFAULT_SPACES. validation: share of
    the rows that trials are judged by; none: by cross-validation. max_time: seconds after which no trial begins.
    """

    compare: CompareOptions
    search: str = "bayes"
    trials: int = 20
    space: Space | None = None
    validation: float | None = 0.2
    max_time: float | None = None

    def __post_init__(self) -> None:
        if len(self.compare.targets) != 1:
            raise _bad("targets", "must be one target: a column, or one list of columns")
        if len(self.compare.methods) != 1:
            raise _bad("method", "must be one method")
        if self.search not in SEARCHES:
            raise _bad("search", f"must be one of {', '.join(SEARCHES)}")
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or not 1 <= self.trials <= MAX_TRIALS:
            raise _bad("trials", f"must be a whole number from 1 to {MAX_TRIALS}")
        for name, low, high in (("validation", 0.05, 0.5), ("max_time", 1.0, 10_000_000.0)):
            value = getattr(self, name)
            if value is not None and (not _number(value) or not low <= value <= high):
                raise _bad(name, f"must be a number from {low:g} to {high:g}, or null")
        if self.search == "grid" and len(self.grid()) > self.trials:
            raise _bad("trials", f"must be at least {len(self.grid())}, the points of the grid")

    @property
    def method(self) -> str:
        return self.compare.methods[0]

    def searched(self) -> Space:
        """The space, without the options that are fixed."""
        fixed = self.compare.method_options.get(self.method, {})
        default = DEFAULT_SPACES[self.method]
        space = self.space if self.space is not None else {k: v for k, v in default.items() if k not in fixed}
        if not space:
            raise _bad("space", "is empty: all options of the default space are fixed")
        return space

    def grid(self) -> list[dict[str, Any]]:
        """Every combination, as in Trial.parameters; ranges as GRID_POINTS values."""
        space = self.searched()
        parts = [_points(part) for part in space.values()]
        if math.prod(map(len, parts)) > MAX_TRIALS:
            raise _bad("space", f"makes a grid of more than {MAX_TRIALS} points")
        return [dict(zip(space, point, strict=True)) for point in product(*parts)]

    def to_json(self) -> dict[str, Any]:
        common = self.compare.to_json()
        own = {k: getattr(self, k) for k in ("search", "trials", "validation", "max_time")}
        space = None if self.space is None else space_to_json(self.space)
        if space is not None:
            space = {k: [plain(v) for v in part] if isinstance(part, list) else part for k, part in space.items()}
        return {**{k: v for k, v in common.items() if k != "methods"}, **own, "method": self.method, "space": space}

    @staticmethod
    def from_json(raw: Any) -> SearchOptions:
        """Options from untrusted JSON: those of a comparison with `method` in place of `methods`, and OWN. Where folds
        are asked for and validation is not, trials are judged by cross-validation. Raises InvalidInput."""
        if not isinstance(raw, Mapping):
            raise InvalidInput("Options of a search must be an object.", hint='e.g. {"targets": ["income"]}')
        own = {k: v for k, v in raw.items() if k in OWN}
        rest = {k: v for k, v in raw.items() if k not in OWN}
        if "methods" in rest or rest.get("vary"):
            raise _bad("methods" if "methods" in rest else "vary", "is no option of a search: give method and space")
        compare = CompareOptions.from_json({"learning_curve": False, **rest, "methods": [own.pop("method", "mlp")]})
        if "folds" in rest and "validation" not in own:
            own["validation"] = None
        space = own.pop("space", None)
        return SearchOptions(compare, **own, space=None if space is None else parse_space(space, compare))


def parse_space(raw: Any, compare: CompareOptions) -> Space:
    """A space from untrusted JSON: per option a range {"low", "high", "log"?} of numbers or a list of values (numbers,
    texts, true, false, null, or lists of whole numbers). Whole ends make a range of whole numbers."""
    if not isinstance(raw, Mapping) or not raw:
        raise _bad("space", "must be an object with at least one option")
    fixed = compare.method_options.get(compare.methods[0], {})
    out: Space = {}
    for name, given in raw.items():
        if not isinstance(name, str) or name in TAKEN:
            raise _bad("space", f"{str(name)[:60]} follows from the comparison")
        if name in fixed:
            raise _bad("space", f"holds {name[:60]}, which is set in method_options too")
        out[name] = _range(name, given) if isinstance(given, Mapping) else _choices(name, given)
    return out


def plain(value: Any) -> Any:
    """A value of a trial as the method takes it: lists are kept as texts of JSON."""
    return tuple(json.loads(value)) if isinstance(value, str) and value.startswith("[") else value


def _range(name: str, given: Mapping[str, Any]) -> Range:
    if not {"low", "high"} <= set(given) <= {"low", "high", "log"}:
        raise _bad("space", f"{name[:60]}: a range has low, high and perhaps log")
    low, high, log = given["low"], given["high"], given.get("log", False)
    if not isinstance(log, bool) or not _number(low) or not _number(high) or not low < high or (log and low <= 0):
        raise _bad("space", f"{name[:60]}: low and high must be numbers, low < high, and above 0 where log is true")
    return Range(low, high, log, whole=isinstance(low, int) and isinstance(high, int))


def _choices(name: str, given: Any) -> Choices:
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= 50:
        raise _bad("space", f"{name[:60]} must be a range or a list of 1 to 50 values")
    values = []
    for value in given:
        if isinstance(value, list | tuple):
            if len(value) > 100 or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
                raise _bad("space", f"{name[:60]}: lists must hold whole numbers")
            value = json.dumps(list(value))
        elif value is not None and not isinstance(value, bool | str) and not _number(value):
            raise _bad("space", f"{name[:60]}: values must be numbers, texts, true, false, null or lists")
        elif isinstance(value, str) and value.startswith("["):
            raise _bad("space", f"{name[:60]}: texts may not begin with a bracket")
        values.append(value)
    if len(set(map(repr, values))) < len(values):
        raise _bad("space", f"{name[:60]} lists a value twice")
    return Choices(tuple(values))


def _points(part: Range | Choices) -> list[Any]:
    if isinstance(part, Choices):
        return list(part.values)
    steps = [i / (GRID_POINTS - 1) for i in range(GRID_POINTS)]
    if part.log:
        points = [part.low * (part.high / part.low) ** s for s in steps]
    else:
        points = [part.low + (part.high - part.low) * s for s in steps]
    return list(dict.fromkeys(round(p) for p in points)) if part.whole else points


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"Option {name!r} of the search: {what}.", hint=f"{what}; {EXAMPLE}", errors=[Detail(("options", name), what)]
    )
