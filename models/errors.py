"""One error root. Every error says what is wrong, where, and how to fix it; never a confidential value.

The same body travels everywhere: as RFC 9457 problem+json from the API, as the reason of a failed job, as a line on the
command line. `status` is the HTTP status that the API answers with, kept here so that a failed job has the same body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Detail:
    """One finding. loc: where, from the outside in, e.g. ("column", "age") or ("line", 17)."""

    loc: tuple[str | int, ...]
    msg: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"loc": list(self.loc), "msg": self.msg, "hint": self.hint}


class PopulaceError(Exception):
    """Root of all errors that a user is shown.

    message: what is wrong, one sentence. hint: how to fix it. errors: where, when there are several places.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, message: str, *, hint: str = "", errors: Iterable[Detail] = (), code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.errors = tuple(errors)
        self.error_code = code or type(self).code

    def to_problem(self) -> dict[str, Any]:
        """RFC 9457 body, with `code`, `hint` and `errors` as extension members."""
        return {
            "type": f"urn:populace:problem:{self.error_code}",
            "title": type(self).title,
            "status": type(self).status,
            "detail": self.message,
            "code": self.error_code,
            "hint": self.hint,
            "errors": [e.to_json() for e in self.errors],
        }


class InvalidInput(PopulaceError):
    """A request or option that cannot be carried out as it stands."""

    code, status, title = "invalid_input", 422, "The request cannot be carried out"


class InvalidData(InvalidInput):
    """An upload that is not a usable table."""

    code, title = "invalid_data", "The uploaded data is not a usable table"


class InvalidSchema(InvalidInput):
    """A schema that is malformed or contradicts the data."""

    code, title = "invalid_schema", "The schema does not fit"


class InvalidCondition(InvalidInput):
    """A condition that is malformed, names an unknown column, or that no row can meet."""

    code, title = "invalid_condition", "The condition cannot be met"


class InvalidPrivacy(InvalidInput):
    """Privacy parameters that promise nothing, or that cannot be kept."""

    code, title = "invalid_privacy", "The privacy asked for cannot be given"


class TooLarge(PopulaceError):
    """An upload, table or request over a configured limit."""

    code, status, title = "too_large", 413, "Over a configured limit"


class UnsupportedMedia(PopulaceError):
    """Neither CSV, CSV.gz nor Parquet."""

    code, status, title = "unsupported_media", 415, "This kind of file is not read"


class NotFound(PopulaceError):
    """No such thing, or it belongs to another tenant (the two cannot be told apart)."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(PopulaceError):
    """The thing exists but is not in a state that allows this."""

    code, status, title = "conflict", 409, "Not possible in its present state"


class Unauthenticated(PopulaceError):
    """No API key, or one that is unknown or revoked."""

    code, status, title = "unauthenticated", 401, "An API key is needed"


class Forbidden(PopulaceError):
    """A valid key that may not do this."""

    code, status, title = "forbidden", 403, "Not allowed with this key"


class Cancelled(PopulaceError):
    """The work was stopped because someone asked for it."""

    code, status, title = "cancelled", 409, "Cancelled"


class InvalidArtifact(PopulaceError):
    """A model file that is damaged, foreign or of another version."""

    code, status, title = "invalid_artifact", 422, "The synthesizer cannot be read"


class ProblemError(PopulaceError):
    """A problem received from elsewhere (a child process), raised again with its own body."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(
            str(problem.get("detail", "unknown")),
            hint=str(problem.get("hint", "")),
            errors=[
                Detail(tuple(e.get("loc", ())), e.get("msg", ""), e.get("hint", "")) for e in problem.get("errors", ())
            ],
            code=str(problem.get("code", "internal")),
        )
        self.problem = dict(problem)

    def to_problem(self) -> dict[str, Any]:
        return self.problem
