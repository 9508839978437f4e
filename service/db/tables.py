"""All tables. alembic/versions makes them; nothing else does (a test compares the two).

Times are seconds since 1970 on the database's clock. Tenants see only rows of their own `tenant_id`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger as BigInt
from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Json, epoch_now

Id = String(32)
AutoInt = BigInt().with_variant(Integer(), "sqlite")


class Tenant(Base):
    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())


class ApiKey(Base):
    """Only a hash is kept. prefix: the public part, by which a key is found and shown."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(20), default="custodian")
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    last_used_at: Mapped[float | None] = mapped_column(Double)
    revoked_at: Mapped[float | None] = mapped_column(Double)
    __table_args__ = (CheckConstraint("role IN ('admin', 'custodian')", name="role"),)


class Blob(Base):
    """Immutable bytes. Invisible until `complete`; chunks in blob_chunks or at `location` in an object store."""

    __tablename__ = "blobs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    state: Mapped[str] = mapped_column(String(10), default="writing")
    bytes: Mapped[int] = mapped_column(BigInt, default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    location: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (CheckConstraint("state IN ('writing', 'complete')", name="state"),)


class BlobChunk(Base):
    __tablename__ = "blob_chunks"
    blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Dataset(Base):
    """states: pending (uploaded, being profiled), ready, rejected (problem says why; nothing of the data is kept)."""

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(400))
    state: Mapped[str] = mapped_column(String(10), default="pending")
    bytes: Mapped[int] = mapped_column(BigInt)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(100))
    upload_blob_id: Mapped[str | None] = mapped_column(ForeignKey("blobs.id"))
    table_blob_id: Mapped[str | None] = mapped_column(ForeignKey("blobs.id"))
    row_count: Mapped[int | None] = mapped_column(BigInt)
    column_count: Mapped[int | None]
    schema: Mapped[dict[str, Any] | None] = mapped_column(Json)
    schema_version: Mapped[int] = mapped_column(default=0)
    profile: Mapped[dict[str, Any] | None] = mapped_column(Json)
    problem: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'ready', 'rejected')", name="state"),
        Index(None, "tenant_id", "created_at"),
    )


class Job(Base):
    """The queue and the outbox. Every write of a worker is fenced by (id, attempt, state).

    synthesizer_id, sample_id: what it works on; no foreign keys, a job outlives what it read. shards: how many child
    jobs draw a large sample, parent_id: the job whose child it is (service.jobs.lifecycle.shards).
    """

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12), default="queued")
    queue: Mapped[str] = mapped_column(String(10), default="cpu")
    spec: Mapped[dict[str, Any]] = mapped_column(Json)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    synthesizer_id: Mapped[str | None] = mapped_column(Id)
    sample_id: Mapped[str | None] = mapped_column(Id)
    parent_id: Mapped[str | None] = mapped_column(Id, index=True)
    shards: Mapped[int | None]
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    lease_until: Mapped[float | None] = mapped_column(Double)
    worker: Mapped[str | None] = mapped_column(String(200))
    hinted_at: Mapped[float | None] = mapped_column(Double)
    checkpoint_blob_id: Mapped[str | None] = mapped_column(ForeignKey("blobs.id"))
    problem: Mapped[dict[str, Any] | None] = mapped_column(Json)
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    started_at: Mapped[float | None] = mapped_column(Double)
    ended_at: Mapped[float | None] = mapped_column(Double)
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')", name="state"
        ),
        CheckConstraint("kind IN ('profile', 'synthesize', 'sample', 'evaluate', 'tune', 'compare')", name="kind"),
        CheckConstraint("attempt <= max_attempts", name="attempts"),
        CheckConstraint("(state IN ('running', 'cancelling')) = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "state", "queue", "created_at"),
    )


class JobStep(Base):
    __tablename__ = "job_steps"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    position: Mapped[int]
    fraction: Mapped[float] = mapped_column(Double, default=0.0)
    message: Mapped[str] = mapped_column(Text, default="")
    started_at: Mapped[float | None] = mapped_column(Double)
    ended_at: Mapped[float | None] = mapped_column(Double)


class JobEvent(Base):
    """Append-only; the id is the SSE event id, so that a client resumes with Last-Event-ID."""

    __tablename__ = "job_events"
    id: Mapped[int] = mapped_column(AutoInt, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    type: Mapped[str] = mapped_column(String(20))
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (Index(None, "job_id", "id"),)


class Synthesizer(Base):
    __tablename__ = "synthesizers"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    artifact_blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id"))
    schema: Mapped[dict[str, Any]] = mapped_column(Json)
    manifest: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (Index(None, "tenant_id", "created_at"),)


class Sample(Base):
    __tablename__ = "samples"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    synthesizer_id: Mapped[str] = mapped_column(ForeignKey("synthesizers.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    row_count: Mapped[int] = mapped_column(BigInt)
    where: Mapped[list[str]] = mapped_column(Json)
    seed: Mapped[int] = mapped_column(BigInt)
    schema: Mapped[dict[str, Any]] = mapped_column(Json)
    table_blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id"))
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (Index(None, "tenant_id", "created_at"),)


class SamplePart(Base):
    """Rows of a sample that several jobs drew. job_id: the job that the sample has, too; its table_blob_id is the first
    part. Until the sample is there, nobody reads them."""

    __tablename__ = "sample_parts"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    row_count: Mapped[int] = mapped_column(BigInt)
    blob_id: Mapped[str] = mapped_column(ForeignKey("blobs.id"))


class Report(Base):
    """An evaluation of a sample or of an upload, or a comparison of methods. `evaluation`: sections and meta for
    rendering; the figures are rows of `metrics`.

    kind: fidelity, or comparison. dataset_id: the real table, or the one whose rows were compared on; sample_id: the
    sample, or synthetic_dataset_id an upload that was held against dataset_id; holdout_dataset_id: real rows beside it.
    public: of a job under differential privacy what its public edition says (models.dp.public_evaluation); the rest was
    computed on real rows without noise."""

    __tablename__ = "reports"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(12), default="fidelity", server_default="fidelity")
    sample_id: Mapped[str | None] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"), index=True)
    synthetic_dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    holdout_dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    evaluation: Mapped[dict[str, Any]] = mapped_column(Json)
    public: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (
        CheckConstraint("kind IN ('fidelity', 'comparison')", name="kind"),
        CheckConstraint("kind = 'comparison' OR (sample_id IS NULL) <> (synthetic_dataset_id IS NULL)", name="source"),
        Index(None, "tenant_id", "created_at"),
    )


class MetricRow(Base):
    """models.evaluation.result.Metric says what each is. Older figures have no bar and no status."""

    __tablename__ = "metrics"
    report_id: Mapped[str] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    section: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(Text, default="")
    value: Mapped[float | None] = mapped_column(Double)
    ceiling: Mapped[float | None] = mapped_column(Double)
    holdout: Mapped[float | None] = mapped_column(Double)
    floor: Mapped[float | None] = mapped_column(Double)
    low: Mapped[float | None] = mapped_column(Double)
    high: Mapped[float | None] = mapped_column(Double)
    direction: Mapped[str] = mapped_column(String(10))
    goal: Mapped[float | None] = mapped_column(Double)
    unit: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(Text, default="")
    expected: Mapped[float | None] = mapped_column(Double)
    spread: Mapped[float | None] = mapped_column(Double)
    bar: Mapped[float | None] = mapped_column(Double)
    status: Mapped[str] = mapped_column(String(12), default="", server_default="")
    __table_args__ = (UniqueConstraint("report_id", "name", "subject"),)


class Idempotency(Base):
    """The answer already given to (tenant, Idempotency-Key). fingerprint: hash of the request it belongs to."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())


class AuditEvent(Base):
    """Who did what, when; append-only. Never data, only ids and names of actions."""

    __tablename__ = "audit_events"
    id: Mapped[int] = mapped_column(AutoInt, primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    key_id: Mapped[str | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(60))
    object_id: Mapped[str] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (Index(None, "tenant_id", "id"),)


class PrivacyBudget(Base):
    """What a dataset may spend, as its custodian set it: epsilon at delta. A change is a new row (the database refuses
    others). No foreign key to the dataset, here and in the ledger: they outlive it, and hold no value of it.

    seq: its place in the ledger. unit: row, or key, the rows of one value of unit_column, at most rows_per_unit.
    rows_at_most: how many rows the table has at most, made public. epsilon_after: spent so far, at this delta.
    """

    __tablename__ = "privacy_budgets"
    id: Mapped[int] = mapped_column(AutoInt, primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(Id)
    seq: Mapped[int]
    epsilon: Mapped[float] = mapped_column(Double)
    delta: Mapped[float] = mapped_column(Double)
    unit: Mapped[str] = mapped_column(String(10))
    unit_column: Mapped[str | None] = mapped_column(Text)
    rows_per_unit: Mapped[int]
    rows_at_most: Mapped[int] = mapped_column(BigInt)
    epsilon_after: Mapped[float] = mapped_column(Double)
    key_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (
        CheckConstraint("epsilon > 0 AND delta > 0 AND delta < 1", name="bounds"),
        CheckConstraint("unit IN ('row', 'key') AND (unit = 'key') = (unit_column IS NOT NULL)", name="unit"),
        CheckConstraint("rows_per_unit >= 1 AND rows_at_most >= 1", name="rows"),
        UniqueConstraint("dataset_id", "seq"),
    )


class LedgerEntry(Base):
    """Append-only: the database refuses to change or delete one.

    kind: reserve (a job may spend `history`), settle (it has), release (it has not, and will not), close (the dataset
    was deleted). seq counts from 1 in each dataset, budgets included. ends: seq of the reservation that a settle or
    release ends, each once. epsilon_after: of all that is reserved and settled after this entry, at `delta`. key_id:
    who asked for it; attempt: of the job, where a worker's word or the job's end did.
    """

    __tablename__ = "ledger_entries"
    id: Mapped[int] = mapped_column(AutoInt, primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(Id)
    seq: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    account: Mapped[str | None] = mapped_column(String(12))
    job_id: Mapped[str | None] = mapped_column(Id, index=True)
    ends: Mapped[int | None]
    history: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    delta: Mapped[float] = mapped_column(Double)
    epsilon_after: Mapped[float] = mapped_column(Double)
    key_id: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int | None]
    created_at: Mapped[float] = mapped_column(Double, server_default=epoch_now())
    __table_args__ = (
        CheckConstraint("kind IN ('reserve', 'settle', 'release', 'close')", name="kind"),
        CheckConstraint("account IS NULL OR account IN ('domain', 'fit', 'evaluation')", name="account"),
        CheckConstraint("(kind IN ('settle', 'release')) = (ends IS NOT NULL)", name="ends"),
        CheckConstraint("(kind = 'close') = (account IS NULL)", name="close"),
        UniqueConstraint("dataset_id", "seq"),
        UniqueConstraint("dataset_id", "ends"),
        UniqueConstraint("job_id", "account", "kind"),
    )


class LedgerHead(Base):
    """Where a dataset's ledger stands: the row that writers lock, and the sum of its entries (a test adds them up).

    seq: of the newest entry or budget. spent: histories by state and account (service.privacy.spent). epsilon: of all
    of it at the budget's delta. closed_at: when the dataset was deleted.
    """

    __tablename__ = "ledger_heads"
    dataset_id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    seq: Mapped[int] = mapped_column(default=0)
    spent: Mapped[dict[str, Any]] = mapped_column(Json)
    epsilon: Mapped[float] = mapped_column(Double, default=0.0)
    closed_at: Mapped[float | None] = mapped_column(Double)
