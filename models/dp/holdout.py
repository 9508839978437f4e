"""A holdout under differential privacy: which rows are set aside must not depend on other rows.

A permutation of the row numbers, as `models.synthesize.split` draws it, will not do. With one row more it is another
permutation: the training parts of neighbouring tables then differ in many rows, and noise for one row protects nobody.
Here each unit has a coin of its own, a hash of the seed and of what the unit is. Adding or removing a unit adds or
removes it from one of the two parts, and changes nothing else (docs/privacy.md, "The holdout").
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.errors import InvalidInput
from models.rng import key
from models.table import Table

Array = npt.NDArray[Any]
METHOD = "hash of the seed and of the row (or unit): each is held out by a coin of its own"
PIECE = 100_000


def private_split(table: Table, fraction: float, seed: int, unit: str | None = None) -> tuple[Array, Array]:
    """Row numbers (sorted) of the training part and of the holdout, where each unit goes with chance `fraction`.

    unit: the column whose values are the units; None: each row is one. Raises InvalidInput.
    """
    if not 0 <= fraction < 1:
        raise InvalidInput("The holdout must be a share from 0 to below 1.", hint="e.g. 0.1")
    if fraction == 0:
        return np.arange(len(table)), np.zeros(0, np.int64)
    if unit is None:
        what = _digests(table, table.names)
        what = what ^ _mixed(_occurrence(what).astype(np.uint64))[:, None]
    else:
        what = _digests(table, [unit])
    low = _mixed(what[:, 0] ^ _mixed(what[:, 1] ^ np.uint64(key(seed, "private split"))))
    held = (low >> np.uint64(11)) * 2.0**-53 < fraction
    return np.flatnonzero(~held), np.flatnonzero(held)


def units_of(table: Table, unit: str | None) -> Array | None:
    """The unit of each row (N,), as numbers: rows with the same value of the column, blank ones among them, are one
    unit. None where each row is one.
    """
    if unit is None:
        return None
    found = pc.dictionary_encode(pc.fill_null(table.column(unit).cast(pa.string()), ""))
    codes = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if isinstance(codes, pa.ChunkedArray):  # of no rows
        return np.zeros(len(table), np.int64)
    return np.asarray(codes.indices.to_numpy(zero_copy_only=False), np.int64)


def _digests(table: Table, names: list[str]) -> Array:
    """128 bits of BLAKE2b of each row's cells in these columns: (N, 2) uint64."""
    out = np.empty((len(table), 2), np.uint64)
    columns = [table.column(name) for name in names]
    for first in range(0, len(table), PIECE):
        parts = []
        for column in columns:
            words = column.slice(first, PIECE).cast(pa.string())
            # Lengths before the words: no two rows of other cells are written alike.
            size = pc.cast(pc.binary_length(words), pa.string())
            parts.append(pc.fill_null(pc.binary_join_element_wise(size, words, ":"), "-"))
        rows = pc.binary_join_element_wise(*parts, ";") if len(parts) > 1 else parts[0]
        digests = b"".join(hashlib.blake2b(row.encode(), digest_size=16).digest() for row in rows.to_pylist())
        out[first : first + PIECE] = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    return out


def _occurrence(digests: Array) -> Array:
    """How many equal rows come before each row, (N,): one more of them adds a number and leaves those there were."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(1)] if len(order) else np.zeros(0, bool)
    start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) - start
    return out


def _mixed(z: Array) -> Array:
    """Uniform 64 bits (splitmix64: Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: Array = z ^ (z >> np.uint64(31))
    return found
