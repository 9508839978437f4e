"""Reports: what a sample is worth, as figures and as a page."""

from __future__ import annotations

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
