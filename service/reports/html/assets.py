"""What every page carries in itself: one style sheet, one script, and the policy that allows these two and no more."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("dom", "tables", "plots", "histograms", "heat", "page")
"""Parts of the script, in order. Pages are complete without it: it adds sorting, filters, tooltips and other scales."""


@cache
def style() -> str:
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """The parts as one function, so that no name leaves it."""
    parts = [(TEMPLATES / "js" / f"{name}.js").read_text(encoding="utf-8").strip() for name in SCRIPTS]
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "\n})();"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def policy() -> str:
    """Nothing is loaded; style sheet and script are known by their hashes. The file itself says so too."""
    allowed = f"style-src {_hash(style())}; script-src {_hash(script())}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def content_security_policy() -> str:
    """Header of the page; `frame-ancestors` has no meaning inside the file."""
    return f"{policy()}; frame-ancestors 'none'"
