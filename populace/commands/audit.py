"""populace audit: does the code give the privacy that it claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from populace.commands.common import EXIT_FAILURE
from populace.console import clean, emit, emit_json

WIDTHS = (4, 44, 7, 7, 8, 8)
HEADER = ("", "audit", "claim", "lower", "p", "seconds", "found")


def audit(
    full: Annotated[
        bool, typer.Option("--full", help="Minutes instead of seconds: bounds that come near to the claims.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Attack the privacy core as it is installed here, then with faults planted; exit code 1 if an audit fails.

    No table of yours is read. claim and lower: epsilon as claimed, and as proved at least by the attack, at confidence
    .95. p: how likely such an attack is if the claim holds; below 1e-8 the audit fails.
    """
    from populace.audit import findings

    found = []
    if not json:
        emit(line(HEADER))
    for finding in findings(full):
        found.append(finding)
        if not json:
            emit(line(cells(finding)))
    if json:
        emit_json(found)
    if not found or not all(f["passed"] for f in found):
        raise typer.Exit(EXIT_FAILURE)


def cells(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a finding, what stands in its line."""
    numbers = [(finding["claim"], "g"), (finding["lower"], ".3f"), (finding["p"], ".1g"), (finding["seconds"], ".1f")]
    texts = ["" if number is None else format(number, form) for number, form in numbers]
    return ("ok" if finding["passed"] else "FAIL", clean(finding["name"]), *texts, clean(finding["found"]))


def line(texts: tuple[str, ...]) -> str:
    left, right = texts[:2], texts[2:-1]
    padded = [t.ljust(w) for t, w in zip(left, WIDTHS[:2], strict=True)]
    padded += [t.rjust(w) for t, w in zip(right, WIDTHS[2:], strict=True)]
    return "  ".join([*padded, texts[-1]]).rstrip()
