"""How much of the data an evaluation looks at. The defaults keep it below a minute on two cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models.errors import Detail, InvalidInput


@dataclass(frozen=True)
class EvaluationOptions:
    """Sample sizes are upper bounds on rows per table, drawn without replacement by the evaluation's seed.

    rows: shape, trend and total variation; detection_rows, utility_rows, sdmetrics_rows, distance_rows: per part.
    pairs, triples: upper bounds on column combinations. trend_bins, bins: quantile bins of numbers for trends and for
    total variation. folds: cross-validation of the detection. mlp, sdmetrics: switch these parts off to save time.
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

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == "bool":
                ok, what = isinstance(value, bool), "must be true or false"
            else:
                ok = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 10_000_000
                what = "must be a whole number from 2 to 10,000,000"
            if not ok:
                raise InvalidInput(
                    f"Evaluation option {f.name}: {what}.", errors=[Detail(("evaluation", f.name), what)]
                )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

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
