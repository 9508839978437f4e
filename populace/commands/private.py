"""Options of commands that fit under differential privacy, and what they ask the service for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

Epsilon = Annotated[
    float | None,
    typer.Option(help="Fit under differential privacy with this epsilon (docs/privacy.md).", show_default=False),
]
Delta = Annotated[float | None, typer.Option(help="With --epsilon; far below 1 / rows of the table.")]
Mechanism = Annotated[str | None, typer.Option(help="marginals (the default), dpsgd or hybrid.")]
UnitColumn = Annotated[
    str | None, typer.Option(help="Protect all rows with the same value of this column, not single rows.")
]
RowsPerUnit = Annotated[int | None, typer.Option(help="How many of these rows are used at most.", min=1)]
PublicRows = Annotated[
    int | None, typer.Option(help="The table's number of rows, if it is public knowledge; else it is estimated.", min=1)
]
DomainShare = Annotated[
    float | None,
    typer.Option(
        help="Part of epsilon for finding what the schema does not declare public; by default a fifth where it is "
        "bins of numbers alone, else nothing.",
        min=0,
        max=1,
    ),
]
EvaluationShare = Annotated[
    float | None,
    typer.Option(help="Part of epsilon for figures of the public report; by default a tenth.", min=0, max=1),
]
DELTA = 1e-9


@dataclass(frozen=True)
class Asked:
    """What a command line says of privacy; None where it says nothing of something."""

    epsilon: float | None
    delta: float | None = None
    mechanism: str | None = None
    unit_column: str | None = None
    rows_per_unit: int | None = None
    public_rows: int | None = None
    domain_share: float | None = None
    evaluation_share: float | None = None

    def request(self) -> dict[str, Any] | None:
        """The part `privacy` of a job; None without an epsilon. Raises typer.BadParameter."""
        if self.epsilon is None:
            for name, value in self.__dict__.items():
                if value is not None:
                    raise typer.BadParameter("belongs to --epsilon.", param_hint=f"--{name.replace('_', '-')}")
            return None
        if (self.unit_column is None) != (self.rows_per_unit is None):
            raise typer.BadParameter("--unit-column and --rows-per-unit go together.", param_hint="--unit-column")
        out: dict[str, Any] = {"epsilon": self.epsilon, "delta": self.delta}
        out |= {"mechanism": self.mechanism, "rows": self.public_rows}
        if self.unit_column is not None:
            out["unit"] = {"column": self.unit_column, "rows": self.rows_per_unit}
        shares = {"domain": self.domain_share, "evaluation": self.evaluation_share}
        if asked := {name: share for name, share in shares.items() if share is not None}:
            out["shares"] = asked
        return {name: value for name, value in out.items() if value is not None}


def bound_of(delta: float) -> int:
    """The public bound on a table's rows that goes with a delta: as many as make it one in a hundred of 1 / rows. It
    follows from the delta alone, so that it tells nothing of the table.
    """
    return 10 ** max(1, math.floor(math.log10(1 / delta) + 1e-9) - 2) if 0 < delta < 1 else 1


def budget_for(request: Mapping[str, Any], rows_at_most: int | None) -> dict[str, Any]:
    """The budget that a job of its own needs, as `client.budgets.set` takes it."""
    unit = request.get("unit") or {}
    return {
        "epsilon": request["epsilon"],
        "delta": request["delta"],
        "rows_at_most": rows_at_most or bound_of(request["delta"]),
        "unit_column": unit.get("column"),
        "rows_per_unit": unit.get("rows"),
    }
