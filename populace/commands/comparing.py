"""What `populace compare` and `populace jobs compare` are asked: columns, methods, folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from populace.commands.common import parse_options

Targets = Annotated[
    list[str] | None, typer.Option("--target", help="Column to predict; may be repeated: each by itself.")
]
Together = Annotated[
    list[str] | None,
    typer.Option(help="Columns to predict together (labels, or numbers), with commas between; may be repeated."),
]
Methods = Annotated[
    str | None,
    typer.Option(help="With commas between: mlp, conv1d, linear, knn, tree, forest, boosting, svm; by default all."),
]
Folds = Annotated[int | None, typer.Option(help="Of the cross-validation; by default 5.")]
Groups = Annotated[str | None, typer.Option(help="Column whose rows of one value are never divided between folds.")]
MethodOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="NAME=VALUE of the comparison, e.g. scaling=robust; may be repeated."),
]
MethodOptions = Annotated[
    Path | None,
    typer.Option(
        "--options", help="JSON file of options of the comparison; --option overrides.", exists=True, dir_okay=False
    ),
]


def comparison(
    target: Sequence[str] | None,
    together: Sequence[str] | None,
    methods: str | None,
    folds: int | None,
    groups: str | None,
    option: Sequence[str] | None,
    options_file: Path | None,
    seed: int | None,
) -> dict[str, Any]:
    """What client.jobs.compare takes besides the table."""
    targets = [*(target or ()), *(names(text) for text in together or ())]
    if not targets:
        raise typer.BadParameter("name a column to predict.", param_hint="--target")
    return {
        "targets": targets,
        "methods": None if methods is None else names(methods),
        "folds": folds,
        "groups": groups,
        "options": parse_options(option or (), options_file),
        "seed": seed,
    }


def names(text: str) -> list[str]:
    """`a, b` -> [a, b]"""
    return [name.strip() for name in text.split(",") if name.strip()]
