"""What commands share that deal with several samples of one synthesizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

MOST = 20
Replicates = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="MORE",
        help="Further samples of the same synthesizer: analyses of all are combined.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
Combining = Annotated[
    Literal["simple", "posterior", "partial", "full"] | None,
    typer.Option(
        help="How MORE were made: of a model fitted once (simple, the default), its parameters drawn anew for each "
        "(posterior), with some real values (partial), of new units (full).",
        show_default=False,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        help="Draw so many samples, alike but for their seeds: SEED, SEED + 1, ...", min=1, max=MOST, show_default=False
    ),
]


def check_combining(combining: str | None, replicates: Sequence[Any] | None) -> None:
    """Raises typer.BadParameter where there is nothing to combine, or too much."""
    if combining is not None and not replicates:
        raise typer.BadParameter("says how several samples are combined: name more than one.", param_hint="--combining")
    if len(replicates or ()) >= MOST:
        raise typer.BadParameter(f"at most {MOST} samples are combined.", param_hint="MORE")
