"""How much of the data an evaluation looks at. The defaults keep it below a minute on two cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import Detail, InvalidInput
from models.evaluation.analyses.requests import analyses_from_json

COLUMNS = ("subgroups", "sensitive", "known", "targets")
"""Options that are lists of column names."""
MOST_COLUMNS, MOST_TARGETS = 100, 20
METHODS = ("linear", "knn", "tree", "forest", "boosting", "svm", "mlp")
"""Of models.classifiers.methods, which this module, free of torch, does not import; conv1d is for ordered columns."""


@dataclass(frozen=True)
class EvaluationOptions:
    """Sample sizes are upper bounds on rows per table, drawn without replacement by the evaluation's seed.

    rows: shape, trend and total variation; detection_rows, utility_rows, sdmetrics_rows, distance_rows: per part.
    pairs, triples: upper bounds on column combinations. trend_bins, bins: quantile bins of numbers for trends and for
    total variation. folds: cross-validation of the detection. mlp, sdmetrics: switch these parts off to save time.

    subgroups: columns whose groups are compared one by one. sensitive, known: columns that an attacker would learn, and
    columns that he knows. Where such a list is empty, columns are chosen from the data.
    targets: columns that utility is measured on besides the evaluation's `target`, at most MOST_TARGETS; each costs as
    much again. Without a `target` the first of them stands for it in the utility.
    methods: of the classification core, trained for the utility of each target.
    analyses: the analyst's own models and tables, one JSON object each (models.evaluation.analyses.requests).
    """

    rows: int = 50_000
    detection_rows: int = 10_000
    utility_rows: int = 30_000
    sdmetrics_rows: int = 5_000
    distance_rows: int = 4_000
    pairs: int = 500
    triples: int = 60
    trend_bins: int = 10
    bins: int = 20
    folds: int = 3
    mlp: bool = True
    sdmetrics: bool = True
    subgroups: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    methods: tuple[str, ...] = METHODS
    analyses: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in COLUMNS:
                most = MOST_TARGETS if f.name == "targets" else MOST_COLUMNS
                object.__setattr__(self, f.name, _columns(f.name, value, most))
                continue
            if f.name == "methods":
                object.__setattr__(self, f.name, _methods(value))
                continue
            if f.name == "analyses":
                object.__setattr__(self, f.name, _analyses(value))
                continue
            if f.type == "bool":
                ok, what = isinstance(value, bool), "must be true or false"
            else:
                ok = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 10_000_000
                what = "must be a whole number from 2 to 10,000,000"
            if not ok:
                raise _refusal(f.name, what)

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> EvaluationOptions:
        """Options from untrusted JSON. Raises InvalidInput naming the option."""
        known = {f.name for f in fields(EvaluationOptions)}
        for key in raw:
            if key not in known:
                raise InvalidInput(
                    f"{key!r} is no evaluation option.",
                    hint=f"Known: {', '.join(sorted(known))}.",
                    errors=[Detail(("evaluation", str(key)), "unknown option")],
                )
        return EvaluationOptions(**raw)


def _columns(option: str, value: Any, most: int) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most:
        raise _refusal(option, f"must be a list of at most {most} column names")
    for i, name in enumerate(value):
        if not isinstance(name, str) or not name:
            raise _refusal(option, "must hold column names, each a text", i)
        if name in value[:i]:
            raise _refusal(option, "names a column twice", i)
    return tuple(value)


def _methods(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value or not set(value) <= set(METHODS):
        raise _refusal("methods", f"must be a list of some of {', '.join(METHODS)}")
    return tuple(dict.fromkeys(value))


def _analyses(value: Any) -> tuple[dict[str, Any], ...]:
    raw = list(value) if isinstance(value, tuple) else value
    return tuple(a.to_json() for a in analyses_from_json(raw, ("evaluation", "analyses")))


def _refusal(option: str, what: str, *at: int) -> InvalidInput:
    return InvalidInput(f"Evaluation option {option}: {what}.", errors=[Detail(("evaluation", option, *at), what)])
