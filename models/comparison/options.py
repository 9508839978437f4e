"""What a user may set about a comparison of methods. No torch: the service validates with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from models.errors import Detail, InvalidInput

METHODS = ("mlp", "conv1d", "linear", "knn", "tree", "forest", "boosting", "svm")
SCALINGS = ("standard", "minmax", "robust", "none")
MISSING = ("median", "mean", "most_frequent", "constant")
ENCODINGS = ("onehot", "ordinal")
BALANCES = ("none", "weights", "oversample", "undersample")
TASKS = ("auto", "classes", "number")
MEASURES = {
    "classes": ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "pr_auc", "log_loss", "brier"),
    "several labels": ("accuracy", "subset_accuracy", "macro_f1", "micro_f1", "roc_auc", "pr_auc", "log_loss", "brier"),
    "numbers": ("r2", "rmse", "mae", "mape"),
}
"""By which methods can be ranked; the first is the default."""
MOST_TARGETS, MOST_VALUES = 20, 20

_RANGES = {"folds": (2, 50), "repeats": (1, 20), "rows": (20, 10_000_000), "seed": (0, 2**63 - 1)}
_CHOICES = {"scaling": SCALINGS, "missing": MISSING, "encoding": ENCODINGS, "balance": BALANCES, "task": TASKS}
_SWITCHES = ("stratify", "merge_rare", "learning_curve")

Setting = bool | int | float | str | None | tuple[int, ...]
"""Of a method: a number, a text, or a list of whole numbers (the widths of layers)."""


@dataclass(frozen=True)
class CompareOptions:
    """Options of `compare`.

    targets: what is predicted, one comparison each: a column, or several columns that are predicted together (two
    values each: a multi-label task; numbers: a multi-target task). methods: names of METHODS; left out, all but conv1d
    (which reads `ordered` columns as sequences). folds, repeats: of the cross-validation. groups: column whose values
    are never split between training and test rows (and never a feature). stratify: folds have the classes' shares.
    scaling: standard, minmax, robust, none; missing: what a gap becomes (an indicator column says where); encoding of
    categories, where a method leaves the choice. balance: of classes: none, weights, oversample, undersample.
    features: columns to predict from (none: all but targets, groups and weights); ignore: columns to leave out.
    ordered: columns in the order in which conv1d reads them (none: all numbers, in the table's order).
    task: what a numeric target is: auto (two values: classes, else a number), classes, number. merge_rare: classes with
    fewer rows than folds become one class instead of an error. measure: by which methods are ranked (none: accuracy, or
    R2). method_options: per method, options of its constructor. vary: per method and option, the values of a validation
    curve. learning_curve: of the best method. rows: at most so many rows, drawn by the seed.
    """

    targets: tuple[tuple[str, ...], ...]
    methods: tuple[str, ...] = tuple(m for m in METHODS if m != "conv1d")
    folds: int = 5
    repeats: int = 1
    groups: str | None = None
    stratify: bool = True
    scaling: str = "standard"
    missing: str = "median"
    encoding: str = "onehot"
    balance: str = "none"
    features: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    ordered: tuple[str, ...] | None = None
    task: str = "auto"
    merge_rare: bool = False
    measure: str | None = None
    method_options: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    vary: Mapping[str, Mapping[str, tuple[Setting, ...]]] = field(default_factory=dict)
    learning_curve: bool = True
    rows: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        _check_targets(self.targets)
        _check_methods(self.methods)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise _bad(name, f"must be a whole number from {low:,} to {high:,}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise _bad(name, f"must be one of {', '.join(known)}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise _bad(name, "must be true or false")
        if self.groups is not None and not isinstance(self.groups, str):
            raise _bad("groups", "must be the name of a column")
        for name in ("features", "ignore", "ordered"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, tuple) and all(isinstance(v, str) for v in value)):
                raise _bad(name, "must be a list of columns")
        if self.measure is not None and self.measure not in {m for known in MEASURES.values() for m in known}:
            raise _bad("measure", "; ".join(f"of {k}: {', '.join(v)}" for k, v in MEASURES.items()))
        for method, settings in self.method_options.items():
            _check_settings("method_options", method, settings)
        for method, curves in self.vary.items():
            _check_settings("vary", method, curves)
            for option, values in curves.items():
                if not isinstance(values, tuple) or not 2 <= len(values) <= MOST_VALUES:
                    raise _bad("vary", f"{method}, {option}: must be a list of 2 to {MOST_VALUES} values")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a target that stands alone is a text."""
        out = {k: _listed(v) for k, v in asdict(self).items()}
        return {**out, "targets": [t[0] if len(t) == 1 else list(t) for t in self.targets]}

    @staticmethod
    def from_json(raw: Any) -> CompareOptions:
        """Options from untrusted JSON. Raises InvalidInput naming the option."""
        if not isinstance(raw, Mapping):
            raise InvalidInput("Options of a comparison must be an object.", hint='e.g. {"targets": ["income"]}')
        known = [f.name for f in fields(CompareOptions)]
        for name in raw:
            if name not in known:
                raise _bad(str(name)[:60], f"is no option; known: {', '.join(known)}")
        values = {k: _frozen(v) for k, v in raw.items()}
        if "targets" not in values:
            raise _bad("targets", "is missing: name the column(s) to predict")
        targets = values["targets"]
        if isinstance(targets, str):
            targets = (targets,)
        if isinstance(targets, tuple):
            values["targets"] = tuple((t,) if isinstance(t, str) else t for t in targets)
        return CompareOptions(**values)

    def of(self, method: str, knows: Sequence[str]) -> dict[str, Any]:
        """Constructor options of a method: the preparation's where it `knows` them, then its own."""
        common = {k: getattr(self, k) for k in ("scaling", "missing", "encoding")}
        if "trees" in knows or "leaf" in knows:
            common.pop("encoding")
        return {**{k: v for k, v in common.items() if k in knows}, **self.method_options.get(method, {})}


def _check_targets(targets: Any) -> None:
    if not isinstance(targets, tuple) or not 1 <= len(targets) <= MOST_TARGETS:
        raise _bad("targets", f"must be a list of 1 to {MOST_TARGETS} columns, or lists of columns")
    for target in targets:
        if not isinstance(target, tuple) or not target or not all(isinstance(t, str) and t for t in target):
            raise _bad("targets", "must be names of columns, or lists of names")
        if len(target) > MOST_TARGETS or len(set(target)) < len(target):
            raise _bad("targets", f"that are predicted together must be at most {MOST_TARGETS} different columns")
    if len(set(targets)) < len(targets):
        raise _bad("targets", "must differ")


def _check_methods(methods: Any) -> None:
    if not isinstance(methods, tuple) or not methods or len(set(methods)) < len(methods):
        raise _bad("methods", "must be a list of different methods")
    for method in methods:
        if method not in METHODS:
            raise _bad("methods", f"must be among {', '.join(METHODS)}")


def _check_settings(where: str, method: str, settings: Any) -> None:
    if method not in METHODS:
        raise _bad(where, f"must be by method: {', '.join(METHODS)}")
    if not isinstance(settings, Mapping):
        raise _bad(where, f"{method}: must be an object of options")
    for option, value in settings.items():
        if not isinstance(option, str) or not _plain(value):
            raise _bad(where, f"{method}: options must be finite numbers, texts, true, false, null or lists of these")
        if option in ("task", "categorical", "seed", "class_weight"):
            raise _bad(where, f"{method}: {option} follows from the comparison (see task, balance, seed)")


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 100 and all(_plain(v) for v in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


def _frozen(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, Mapping):
        return {k: _frozen(v) for k, v in value.items()}
    return value


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _listed(v) for k, v in value.items()}
    return value


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"Option {name!r} of the comparison: {what}.", hint=what, errors=[Detail(("options", name), what)]
    )
