"""A report as one offline HTML file: data in, text out; nothing is fetched, everything is escaped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from service.reports.html import assets, charts, look
from service.reports.html.assets import TEMPLATES, content_security_policy
from service.reports.html.comparison import comparison
from service.reports.html.contents import contents
from service.reports.html.figures import cell, percent, plain, short, visible
from service.reports.html.glossary import NAMES
from service.reports.html.pages import build, shell
from service.reports.html.public import public
from service.reports.html.side import side
from service.reports.html.tables import slug, tables

__all__ = ["content_security_policy", "render", "render_side", "tables"]


def _valued(write: Callable[..., str]) -> Callable[..., str]:
    """A filter that writes a number as <data>, so that sorting and CSV have its value and not its rounding."""

    @wraps(write)
    def written(value: Any, *arguments: Any) -> str:
        words = write(value, *arguments)
        if value is None or isinstance(value, str | bool):
            return words
        return Markup('<data value="{}">{}</data>').format(f"{value:.6g}", escape(words))

    return written


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    made.filters.update({f.__name__: _valued(f) for f in (cell, percent, plain)}, short=short, slug=slug)
    made.globals.update(charts=charts, look=look, names=NAMES, contents=contents)
    return made


def page(template: str, **values: Any) -> str:
    """A template with the style, the script and the policy of all pages."""
    carried = {"css": assets.style(), "js": assets.script(), "policy": assets.policy()}
    return environment().get_template(template).render(**carried, **values)


def render(report: dict[str, Any]) -> str:
    """The page of a report (the JSON of GET /v1/reports/{id}). Absent sections are named as absent."""
    if report.get("edition") == "public":
        return page("public.html", **public(report))
    if report.get("kind") == "comparison":
        return page("comparison.html", **shell(report), **comparison(report))
    return page("report.html", **shell(report), **build(report))


def render_side(found: dict[str, Any]) -> str:
    """The page of several reports beside each other (the JSON of GET /v1/reports/compare)."""
    return page("side.html", **side(found))
