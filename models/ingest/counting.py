"""A stored column as its distinct words, how often each occurs, and which are numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.table import parse_number

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
_PADDED = r"^\s*[+-]?0[0-9]"
_INFINITE = r"(?i)^\s*[+-]?inf(inity)?\s*$"


@dataclass(frozen=True)
class Tally:
    """What remains of the words once a column is decided. size: distinct ones; top: the commonest, of top_rows rows.

    head: the first words and counts, equal for columns that repeat each other.
    """

    size: int
    top_rows: int
    top: int
    head: tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Words:
    """Distinct cells of a column, U of them. words: texts without null (a null counts as blank). counts: int64 (U,)."""

    words: pa.Array
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def _read(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """(numbers, words that spell a number too large for a float or an infinity)."""
        try:
            values = np.array(self.words.cast(pa.float64()).to_numpy(zero_copy_only=False))
            plain = np.isfinite(values)
        except pa.ArrowInvalid:
            mask = self.matches(_NUMBER)
            plain = self.mask(mask)
            values = np.full(len(self), np.nan)
            kept = self.words.filter(mask)
            try:
                values[plain] = kept.cast(pa.float64()).to_numpy(zero_copy_only=False)
            except pa.ArrowInvalid:  # blanks around some number
                values[plain] = [parse_number(w) for w in kept.to_pylist()]
        infinite = plain & ~np.isfinite(values)
        odd = np.flatnonzero(~plain)
        infinite[odd] = self.mask(pc.match_substring_regex(self.words.take(pa.array(odd)), _INFINITE))
        large = np.flatnonzero(~plain & np.isinf(values))
        infinite[large] = True
        values[~np.isfinite(values)] = np.nan
        zero = np.flatnonzero(self.mask(self.matches("^\\s*[+-]?0")) & np.isfinite(values))
        padded = zero[self.mask(pc.match_substring_regex(self.words.take(pa.array(zero)), _PADDED))]
        values[padded] = np.nan
        return values, np.asarray(infinite, dtype=np.bool_)

    @property
    def numbers(self) -> npt.NDArray[np.float64]:
        """float64 (U,): NaN where the word is no finite decimal number, or is padded with zeros and so a code."""
        return self._read[0]

    @property
    def infinite(self) -> npt.NDArray[np.bool_]:
        """bool (U,): words that spell an infinity, or a number too large for a float."""
        return self._read[1]

    def matches(self, pattern: str) -> pa.Array:
        return pc.match_substring_regex(self.words, pattern)

    def all_match(self, pattern: str) -> bool:
        return bool(pc.all(self.matches(pattern)).as_py())

    @staticmethod
    def mask(array: pa.Array) -> npt.NDArray[np.bool_]:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def filter(self, keep: npt.NDArray[np.bool_]) -> Words:
        """The words where keep (U,) is true."""
        if keep.all():
            return self
        out = Words(self.words.filter(pa.array(keep)), self.counts[keep])
        if "_read" in self.__dict__:
            out.__dict__["_read"] = tuple(a[keep] for a in self._read)
        return out

    def at(self, position: int) -> Words:
        """The word at this position, alone."""
        return Words(self.words.slice(position, 1), self.counts[position : position + 1])

    def without(self, positions: list[int]) -> Words:
        """All words but those at these positions."""
        keep = np.ones(len(self), np.bool_)
        keep[positions] = False
        return self.filter(keep)

    @property
    def tally(self) -> Tally:
        top = int(self.counts.argmax()) if len(self) else 0
        head = (*self.words.slice(0, 5).to_pylist(), self.counts[:50].tobytes())
        return Tally(len(self), int(self.counts.max(initial=0)), top, head)

    def some(self, most: int) -> list[str]:
        """Up to `most` words, evenly spread over the order of appearance."""
        at = np.unique(np.linspace(0, max(len(self) - 1, 0), min(most, len(self))).astype(np.int64))
        out: list[str] = self.words.take(pa.array(at, pa.int64())).to_pylist()
        return out


_LONG = 1_000_000


def count_words(column: pa.ChunkedArray) -> Words:
    """Distinct words of a stored column, in order of first appearance (of long whole-number columns, by value)."""
    texts = pc.fill_null(column, "") if column.null_count else column
    if len(texts) > _LONG and (whole := _whole_numbers(texts)) is not None:
        return whole
    counted = pc.value_counts(texts)
    words: Any = counted.field("values")
    return Words(words, counted.field("counts").to_numpy(zero_copy_only=False).astype(np.int64))


def _whole_numbers(texts: pa.ChunkedArray) -> Words | None:
    """Words of a column of mostly different whole numbers: sorting takes a third of the memory of hashing texts."""
    some = texts.slice(0, 100_000)
    if pc.count_distinct(some).as_py() < 50_000:
        return None
    try:
        numbers = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if not pc.all(pc.equal(numbers.cast(pa.string()), texts)).as_py():
        return None
    values, counts = np.unique(numbers.to_numpy(), return_counts=True)
    return Words(pa.array(values).cast(pa.string()), counts.astype(np.int64))


def codes_of(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """int32 (N,): number of each row's word in order of first appearance; null counts as blank."""
    texts = pc.fill_null(column, "") if column.null_count else column
    coded = pc.dictionary_encode(texts.combine_chunks())
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int32)


def first_row(column: pa.ChunkedArray, words: pa.Array) -> int:
    """0-based row of the first cell that is one of the words."""
    return int(pc.index(pc.is_in(pc.fill_null(column, ""), value_set=words), True).as_py())
