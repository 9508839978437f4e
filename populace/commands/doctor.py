"""populace doctor: is everything there, and if not, what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from populace.commands.common import EXIT_FAILURE
from populace.commands.serve import Home
from populace.console import clean, emit, emit_json
from populace.embedded import load_settings


def doctor(
    home: Home = None, json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False
) -> None:
    """Check versions, cores, memory, torch and GPU, disk, database, broker and key; exit code 1 if one fails."""
    settings = load_settings(home=home)
    from populace.doctor import examine

    checks = []
    for check in examine(settings):
        checks.append(check)
        if not json:
            emit(f"{check.state:<5} {check.name:<9} {clean(check.found)}")
            if check.hint:
                emit(f"{'':15} {clean(check.hint)}")
    if json:
        emit_json([c.to_json() for c in checks])
    if any(c.state == "fail" for c in checks):
        raise typer.Exit(EXIT_FAILURE)
