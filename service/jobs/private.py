"""Jobs under differential privacy: which they are, and how exact their times are told.

How long work took depends on the table. Times of such a job are told to the minute, and those of its steps not at all;
docs/privacy.md says what that leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.paging import iso

MINUTE = 60.0


def is_private(spec: Mapping[str, Any]) -> bool:
    """A job that fits under differential privacy, or that evaluates what such a job made."""
    return bool(spec.get("privacy") or spec.get("private"))


def when(seconds: float | None, private: bool) -> str | None:
    """A time as an answer tells it: of a private job without its seconds."""
    if seconds is None:
        return None
    return iso(seconds - seconds % MINUTE if private else seconds)
