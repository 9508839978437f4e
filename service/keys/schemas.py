from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class KeyIn(BaseModel, extra="forbid"):
    name: str = Field(min_length=1, max_length=200, examples=["analysis team"])
    role: Literal["admin", "custodian"] = "custodian"


class KeyOut(BaseModel):
    id: str
    name: str
    prefix: str
    role: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class NewKeyOut(KeyOut):
    token: str = Field(description="The key itself. It is shown this once and stored nowhere.")
