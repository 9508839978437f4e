"""What the service tells about its things, as frozen values. `raw` holds the whole answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Self, TypeVar

ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the service tells of something. raw: all of it."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        names = {f.name for f in fields(cls)} - {"raw"}
        return cls(**{k: v for k, v in raw.items() if k in names}, raw=raw)


@dataclass(frozen=True, kw_only=True)
class Record(Answer):
    id: str
    created_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset(Record):
    """state: pending (being profiled by job_id), ready, or rejected (problem says why)."""

    name: str = ""
    state: str = "pending"
    bytes: int = 0
    sha256: str = ""
    row_count: int | None = None
    column_count: int | None = None
    job_id: str | None = None
    problem: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """fraction: 0 to 1."""

    name: str
    state: str = "queued"
    fraction: float = 0.0
    message: str = ""
    started_at: str | None = None
    ended_at: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Step:
        names = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in raw.items() if k in names and v is not None})


@dataclass(frozen=True, kw_only=True)
class Job(Record):
    """state: queued, running, cancelling, succeeded, failed or cancelled. fraction: of all steps, 0 to 1.

    result: ids of what it made: dataset_id, synthesizer_id, sample_id, report_id; `warnings` on its sample.
    """

    kind: str = ""
    state: str = "queued"
    attempt: int = 0
    fraction: float = 0.0
    steps: tuple[Step, ...] = ()
    problem: Mapping[str, Any] | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    started_at: str | None = None
    ended_at: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        steps = tuple(Step.from_json(s) for s in raw.get("steps") or ())
        known = {**raw, "steps": steps, "result": raw.get("result") or {}, "fraction": raw.get("fraction") or 0.0}
        return replace(super().from_json(known), raw=raw)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def step(self) -> Step | None:
        """The step at work: the last that has started and not ended, else the last that has started."""
        started = [s for s in self.steps if s.started_at]
        running = [s for s in started if not s.ended_at]
        return next(reversed(running or started), None)


@dataclass(frozen=True, kw_only=True)
class Synthesizer(Record):
    dataset_id: str = ""
    job_id: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Sample(Record):
    """kind: synthetic, or imputed (REAL records with filled cells; then it is `confidential`). balance: shares asked of
    one column. mode: full or fast. filled: of an imputed table, cells filled by column. warnings: {code, message,
    hint}.
    """

    dataset_id: str = ""
    synthesizer_id: str = ""
    job_id: str = ""
    row_count: int = 0
    where: tuple[str, ...] = ()
    seed: int = 0
    kind: str = "synthetic"
    confidential: bool = False
    balance: Mapping[str, Any] | None = None
    mode: str = "full"
    filled: Mapping[str, int] | None = None
    warnings: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report(Record):
    """metrics: one object per row {section, name, subject, value, ceiling, holdout, floor, bar, status, ...}.

    kind: fidelity, of a sample or of the upload synthetic_dataset_id against dataset_id; or comparison, of methods.
    edition: public or internal under differential privacy, else None. marking: what may be done with it. privacy: the
    statement and the job's lines of the ledger. replicates: further samples whose analyses it combines."""

    kind: str = "fidelity"
    dataset_id: str = ""
    sample_id: str | None = None
    synthetic_dataset_id: str | None = None
    holdout_dataset_id: str | None = None
    edition: str | None = None
    marking: str | None = None
    privacy: Mapping[str, Any] | None = field(default=None, repr=False)
    replicates: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    sections: Mapping[str, Any] = field(default_factory=dict, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Key(Record):
    """token: the whole key, present once, in the answer that made it."""

    name: str = ""
    prefix: str = ""
    role: str = ""
    token: str | None = field(default=None, repr=False)
    last_used_at: str | None = None
    revoked_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Budget(Answer):
    """What may be learnt about any one unit of a dataset: epsilon at delta. unit: None (a row) or {column, rows}.

    spent: epsilon of all that is reserved or settled, composed. remaining: largest epsilon of one more release that
    would fit. accounts: of domain, fit and evaluation {reserved, settled}; these do not add up.
    """

    dataset_id: str
    epsilon: float
    delta: float
    rows_at_most: int
    unit: Mapping[str, Any] | None = None
    spent: float = 0.0
    settled: float = 0.0
    remaining: float = 0.0
    accounts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    entries: int = 0
    set_by: str | None = None
    set_at: str | None = None
    closed_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """One line of a ledger. kind: budget, reserve, settle, release or close. ends: seq of the reservation that it ends.

    history: the releases it stands for. epsilon_after: spent after it, at delta. key_id: who; attempt: of the job.
    """

    seq: int
    kind: str
    delta: float
    epsilon_after: float
    account: str | None = None
    job_id: str | None = None
    ends: int | None = None
    epsilon: float | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    key_id: str | None = None
    attempt: int | None = None
    created_at: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        names = {f.name for f in fields(cls)} - {"raw"}
        known = {k: v for k, v in raw.items() if k in names}
        return cls(**{**known, "history": tuple(raw.get("history") or ())}, raw=raw)


@dataclass(frozen=True)
class Event:
    """One entry of a job's log. id grows; give it as `after` to go on from there."""

    id: int
    type: str
    data: Mapping[str, Any]


R = TypeVar("R")


@dataclass(frozen=True)
class Page(Generic[R]):
    """Part of a list. total: of the whole list. next_cursor: None on the last page."""

    total: int
    items: tuple[R, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[R]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
