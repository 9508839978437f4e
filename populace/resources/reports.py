"""Reports: what a sample is worth, as figures and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from populace.download import Target, save
from populace.records import Report
from populace.resources.base import Resource, given
from populace.transport import Transport


class Reports(Resource[Report]):
    path = "/v1/reports"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Report)

    def get(self, id: str, *, edition: str | None = None) -> Report:
        """edition: of a job under differential privacy, public (None) or internal, which is not for release. Raises
        ApiError `no_public_edition`."""
        return Report.from_json(self._transport.json("GET", self._url(id), params=given(edition=edition)))

    def html(self, id: str, *, edition: str | None = None) -> str:
        """The report as one HTML page that needs no network."""
        params = given(format="html", edition=edition)
        return self._transport.request("GET", self._url(id), params=params).text

    def download(self, id: str, to: Target, *, format: str = "html", edition: str | None = None) -> None:
        """Stream the report into a path or binary file. format: html or json."""
        save(self._transport, self._url(id), to, params=given(format=format, edition=edition))

    def charts(self, id: str, *, edition: str | None = None) -> list[dict[str, Any]]:
        """The tables of the report's page: name, title, section, columns, rows."""
        found: list[dict[str, Any]] = self._transport.json(
            "GET", f"{self._url(id)}/charts", params=given(edition=edition)
        )
        return found

    def chart_csv(self, id: str, name: str, *, edition: str | None = None) -> str:
        """One of them as CSV, its numbers unrounded. Raises ApiError `not_found`."""
        url = f"{self._url(id)}/charts/{quote(name, safe='')}.csv"
        return self._transport.request("GET", url, params=given(edition=edition)).text

    def compare(self, ids: Sequence[str], *, edition: str | None = None) -> dict[str, Any]:
        """Reports of the same dataset side by side: `reports`, a `summary`, and `rows`, the worst first."""
        params = given(ids=",".join(ids), format="json", edition=edition)
        found: dict[str, Any] = self._transport.json("GET", f"{self.path}/compare", params=params)
        return found

    def download_comparison(
        self, ids: Sequence[str], to: Target, *, format: str = "html", edition: str | None = None
    ) -> None:
        """Stream it into a path or binary file. format: html, json or csv."""
        params = given(ids=",".join(ids), format=format, edition=edition)
        save(self._transport, f"{self.path}/compare", to, params=params)
