"""Typed settings from the environment (POPULACE_*), the only place that reads it. Unsafe defaults are refused."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_home() -> Path:
    return Path.home() / ".populace"


class Settings(BaseSettings):
    """Embedded mode (default): SQLite in `home`, no broker, loopback only. Full mode: Postgres, a Redis broker."""

    model_config = SettingsConfigDict(env_prefix="POPULACE_", extra="ignore")

    mode: Literal["embedded", "full"] = "embedded"
    home: Path = Field(default_factory=default_home, description="Database, key and job folders of embedded mode.")
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL; default: SQLite in `home`.")
    broker_url: SecretStr | None = Field(None, description="redis://… for Celery hints; none: workers poll only.")
    storage_url: str | None = Field(
        None, description="Object store for blobs (s3://, gs://, az://, file://); default: database."
    )
    work_dir: Path | None = Field(None, description="Job folders; default: `home`/work.")
    host: str = "127.0.0.1"
    port: int = Field(8400, ge=0, le=65535)

    max_upload_bytes: int = Field(10 * 1024**3, gt=0)
    max_unpacked_bytes: int = Field(32 * 1024**3, gt=0, description="Of a compressed upload, after decompression.")
    max_columns: int = Field(2_000, gt=0)
    max_table_rows: int = Field(200_000_000, gt=0)
    max_sample_rows: int = Field(100_000_000, gt=0)
    shard_rows: int = Field(1_000_000, gt=0, description="A sample of more rows is drawn by several workers.")

    lease_seconds: float = Field(60.0, gt=0)
    heartbeat_seconds: float = Field(15.0, gt=0)
    poll_seconds: float = Field(30.0, gt=0, description="Embedded workers are woken at once; this bounds a lost hint.")
    max_attempts: int = Field(3, ge=1)
    checkpoint_seconds: float = Field(20.0, gt=0)
    job_seconds: float = Field(24 * 3600.0, gt=0, description="Wall clock limit of one attempt.")
    job_memory_bytes: int | None = Field(
        None, gt=0, description="Of a job's process group; default: 80% of the machine."
    )
    kill_seconds: float = Field(10.0, gt=0, description="Between TERM and KILL when a job is cancelled.")
    worker_slots: int = Field(1, ge=1, description="Jobs that one worker process runs at a time.")
    queues: tuple[str, ...] = ("gpu", "cpu")
    threads: int | None = Field(None, ge=1, description="Threads of a job's child process; default: cores / slots.")

    @property
    def sqlalchemy_url(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'populace.db'}"

    @property
    def jobs_dir(self) -> Path:
        return self.work_dir or self.home / "work"

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError(
                "heartbeat_seconds must be at most half of lease_seconds: one lost heartbeat must not lose a job."
            )
        if self.mode == "full":
            if self.database_url is None or not self.sqlalchemy_url.startswith("postgresql"):
                raise ValueError("Full mode needs POPULACE_DATABASE_URL=postgresql+psycopg://… .")
            for name, secret in (("database_url", self.database_url), ("broker_url", self.broker_url)):
                if secret is not None and any(
                    w in secret.get_secret_value() for w in (":changeme@", ":postgres@", ":password@")
                ):
                    raise ValueError(f"POPULACE_{name.upper()} still holds a default password; set one of your own.")
        elif self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("Embedded mode binds to loopback only; use mode=full behind TLS to serve a network.")
        return self


@lru_cache
def get_settings() -> Settings:
    return Settings()
