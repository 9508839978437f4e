"""A report as one offline HTML file: data in, text out; nothing is fetched, everything is escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.reports.html import charts
from service.reports.html.figures import cell, percent, plain, short, visible
from service.reports.html.glossary import NAMES
from service.reports.html.pages import build
from service.reports.html.public import public

HERE = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters.update(cell=cell, percent=percent, plain=plain, short=short)
    environment.globals.update(charts=charts, names=NAMES)
    return environment


@cache
def style() -> str:
    return (HERE / "report.css").read_text(encoding="utf-8")


def render(report: dict[str, Any]) -> str:
    """The page of a report (the JSON of GET /v1/reports/{id}). Absent sections are named as absent."""
    if report.get("edition") == "public":
        return _environment().get_template("public.html").render(css=style(), policy=_policy(), **public(report))
    return _environment().get_template("report.html").render(css=style(), policy=_policy(), **build(report))


def _policy() -> str:
    """Nothing is loaded, no script runs; the one style sheet is known by its hash. The file itself says so too."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def content_security_policy() -> str:
    """Header of the page; `frame-ancestors` has no meaning inside the file."""
    return f"{_policy()}; frame-ancestors 'none'"
