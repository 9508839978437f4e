"""The list of sections at the head of a page, made of the page itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

SECTION = re.compile(
    r'<section (?:class="[^"]*" )?id="([a-z0-9-]+)"(?: aria-label="([^"]*)")?[^>]*>(?:\s*<h2>([^<]*)</h2>)?'
)
"""Names from outside stand escaped in the body, so that none can look like a section."""
COVERED = {"columns": ("columns",), "pairs": ("pairs", "sdmetrics"), "k-marginal": ("k_marginal",)}
"""Sections of a page whose metrics have other sections' names."""


def contents(body: str, metrics: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """{id, title, fails} of each section of `body`. fails: how many of its figures miss their bar."""
    failed: dict[str, int] = {}
    for metric in metrics:
        failed[metric["section"]] = failed.get(metric["section"], 0) + (metric["status"] == "fail")
    found = []
    for id, label, title in SECTION.findall(body):
        words = unescape(title or label)
        if words:
            fails = sum(failed.get(part, 0) for part in COVERED.get(id, (id,)))
            found.append({"id": id, "title": words, "fails": fails})
    return found
