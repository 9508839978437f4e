"""API keys: `pop_<prefix>_<secret>`. The secret has 256 random bits, so one SHA-256 is a sufficient hash at rest."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from hmac import compare_digest

TOKEN = re.compile(r"pop_([0-9a-f]{12})_([0-9A-Za-z_-]{43})")


@dataclass(frozen=True)
class NewKey:
    """token is shown once; prefix and hash are stored."""

    token: str
    prefix: str
    hash: str


def make_key() -> NewKey:
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(f"pop_{prefix}_{secret}", prefix, hash_secret(secret))


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def split_token(token: str) -> tuple[str, str] | None:
    """(prefix, secret), or None for what cannot be a key."""
    found = TOKEN.fullmatch(token.strip())
    return (found[1], found[2]) if found else None


def matches(secret: str, stored_hash: str) -> bool:
    return compare_digest(hash_secret(secret), stored_hash)
