"""A report as one offline HTML file: data in, text out; nothing is fetched, everything is escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.reports.html import charts
from service.reports.html.figures import cell, percent, short
from service.reports.html.pages import build

HERE = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(cell=cell, percent=percent, short=short)
    environment.globals.update(charts=charts)
    return environment


@cache
def style() -> str:
    return (HERE / "report.css").read_text(encoding="utf-8")


def render(report: dict[str, Any]) -> str:
    """The page of a report (the JSON of GET /v1/reports/{id}). Absent sections are named as absent."""
    return _environment().get_template("report.html").render(css=style(), **build(report))


def content_security_policy() -> str:
    """Nothing is loaded, no script runs; the one style sheet is known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
