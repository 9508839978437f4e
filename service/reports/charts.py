"""The tables of a report's page one by one, and the schema of its data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import quote

from models.errors import NotFound
from service.reports import html
from service.reports.schemas import ChartOut, ReportOut

SCHEMA = Path(__file__).parent / "report.schema.json"


def listed(report: ReportOut) -> list[ChartOut]:
    """Every table of the page, in its order."""
    edition = f"?edition={report.edition}" if report.edition else ""
    return [
        ChartOut(
            name=table.name,
            title=table.title,
            section=table.section,
            columns=[name for names in table.head for name in names],
            rows=len(table.rows),
            href=f"/v1/reports/{report.id}/charts/{quote(table.name, safe='')}.csv{edition}",
        )
        for table in html.tables(html.render(report.model_dump()))
    ]


def csv_of(report: ReportOut, name: str) -> str:
    """Raises NotFound."""
    for table in html.tables(html.render(report.model_dump())):
        if table.name == name:
            return table.csv()
    raise NotFound("The page of this report has no such table.", hint=f"GET /v1/reports/{report.id}/charts lists them.")


@cache
def schema() -> str:
    return SCHEMA.read_text(encoding="utf-8")
