"""Stand-ins for columns that are never modelled: fresh identifiers in the source's pattern, and numbered texts."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.encoding.cells import Array, need
from models.errors import InvalidArtifact
from models.schema import Column, Kind
from models.table import Values, read_values

CLASSES = {
    "9": string.digits,
    "f": string.digits + "abcdef",
    "F": string.digits + "ABCDEF",
    "a": string.ascii_lowercase,
    "A": string.ascii_uppercase,
    "z": string.digits + string.ascii_lowercase,
    "Z": string.digits + string.ascii_uppercase,
}
SAMPLED = 10_000
"""Values from which the pattern is taken."""


@dataclass(frozen=True)
class Surrogate:
    """pattern: one pair (class or "", literal) per character; () for numbers 1, 2, ... shares: of each missing code."""

    column: Column
    pattern: tuple[tuple[str, str], ...]
    shares: tuple[float, ...]

    def draw(self, rows: Array, uniforms: Array) -> pa.Array:
        """Row numbers (N,) int64 and uniforms (N,) -> N texts, unique among rows for an identifier."""
        edges = np.cumsum(self.shares)
        missing = np.searchsorted(edges, uniforms, side="right")
        present = missing >= len(edges)
        words = np.empty(len(rows), dtype=object)
        words[present] = [self._word(int(r)) for r in rows[present]]
        if not present.all():
            words[~present] = np.array(self.column.missing_codes, dtype=object)[missing[~present]]
        return pa.array(words, pa.string())

    def _word(self, row: int) -> str:
        if self.column.kind is Kind.TEXT:
            return f"{self.column.name} {row + 1}"
        if not self.pattern:
            return str(row + 1)
        left, out = row + 1, []
        for kind, literal in reversed(self.pattern):
            if kind:
                left, digit = divmod(left, len(CLASSES[kind]))
                literal = CLASSES[kind][digit]
            out.append(literal)
        # A pattern that has run out of places grows at the front: still unique.
        return (str(left) if left else "") + "".join(reversed(out))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.column.name, "pattern": [list(p) for p in self.pattern], "shares": list(self.shares)}


def surrogate_from(column: Column, raw: Mapping[str, Any]) -> Surrogate:
    """Inverse of to_json. Raises InvalidArtifact."""
    pattern = need(raw, "pattern", list)
    shares = need(raw, "shares", list)
    if len(shares) != len(column.missing_codes) or any(p[0] not in ("", *CLASSES) for p in pattern):
        raise InvalidArtifact("A surrogate of the synthesizer does not fit its column.", hint="Train again.")
    return Surrogate(column, tuple((str(k), str(v)) for k, v in pattern), tuple(map(float, shares)))


def fit_surrogate(raw: pa.ChunkedArray, column: Column) -> Surrogate:
    """raw: the stored column (N strings) of the training rows."""
    values: Values = read_values(raw, column)
    shares = [float((values.missing == i).mean()) for i in range(len(column.missing_codes))]
    if column.kind is Kind.TEXT:
        return Surrogate(column, (), tuple(shares))
    present = pc.fill_null(raw, "").filter(pa.array(values.missing < 0))
    words = present.slice(0, SAMPLED).to_pylist()
    return Surrogate(column, _pattern(words, column), tuple(shares))


def _pattern(words: list[str], column: Column) -> tuple[tuple[str, str], ...]:
    """Character classes by place where all words have one length; () for plain numbers of varying length."""
    if not words or all(re.fullmatch(r"[1-9]\d*", w) for w in words):
        return ()
    if len({len(w) for w in words}) == 1:
        pattern = [_class({w[i] for w in words}) for i in range(len(words[0]))]
        if all(p is not None for p in pattern) and any(p and p[0] for p in pattern):
            return tuple(p for p in pattern if p)
    if column.storage != "string":
        return ()
    prefix = re.match(r"[A-Za-z_-]*", words[0])
    shared = prefix[0] if prefix and all(w.startswith(prefix[0]) for w in words) else f"{column.name}-"
    return tuple([("", c) for c in shared] + [("9", "")] * 8)


def _class(seen: set[str]) -> tuple[str, str] | None:
    """(class, "") or ("", the constant character), None where no class holds them all."""
    if len(seen) == 1:
        return "", seen.pop()
    return next(((name, "") for name, letters in CLASSES.items() if seen <= set(letters)), None)
