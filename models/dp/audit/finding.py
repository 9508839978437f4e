"""What one audit found, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ALARM = 1e-8
"""Chance, at most, that one statistical test refuses a sound release. A full run has fewer than 100 of them."""
CONFIDENCE = 0.95
"""Of the lower bounds that are shown; what passes is decided at 1 - ALARM."""
BLIND = 0.85
"""An audit that sees less than this part of a claimed mu is refused too: it looks in the wrong place."""


@dataclass(frozen=True)
class Finding:
    """name: the audit. passed: nothing speaks against the claim (of a planted fault: it was caught). found: in words.
    claim, lower: epsilon as claimed, and proved at least, at `confidence`. p: chance, at most, of such evidence if the
    claim holds. trials: releases, guesses or comparisons. seconds: of the wall clock. figures: what else was
    measured."""

    name: str
    passed: bool
    found: str
    claim: float | None = None
    lower: float | None = None
    confidence: float | None = None
    p: float | None = None
    trials: int = 0
    seconds: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
