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
    def numbers(self) -> npt.NDArray[np.float64]:
        """float64 (U,): NaN where the word is no finite decimal number, or is padded with zeros and so a code."""
        out = np.full(len(self), np.nan)
        plain = pc.and_(self.matches(_NUMBER), pc.invert(self.matches(_PADDED)))
        mask = plain.to_numpy(zero_copy_only=False)
        kept = self.words.filter(plain)
        try:
            values = kept.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:  # blanks around some number
            values = np.array([parse_number(w) for w in kept.to_pylist()], dtype=np.float64)
        out[mask] = np.where(np.isfinite(values), values, np.nan)
        return out

    @cached_property
    def infinite(self) -> npt.NDArray[np.bool_]:
        """bool (U,): words that spell an infinity, or a number too large for a float."""
        named = self.mask(self.matches(_INFINITE))
        large = self.mask(self.matches(_NUMBER)) & ~self.mask(self.matches(_PADDED)) & np.isnan(self.numbers)
        return np.asarray(named | large, dtype=np.bool_)

    def matches(self, pattern: str) -> pa.Array:
        return pc.match_substring_regex(self.words, pattern)

    def all_match(self, pattern: str) -> bool:
        return bool(pc.all(self.matches(pattern)).as_py())

    @staticmethod
    def mask(array: pa.Array) -> npt.NDArray[np.bool_]:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def filter(self, keep: npt.NDArray[np.bool_]) -> Words:
        """The words where keep (U,) is true."""
        out = Words(self.words.filter(pa.array(keep)), self.counts[keep])
        if "numbers" in self.__dict__:
            out.__dict__["numbers"] = self.numbers[keep]
        return out

    def some(self, most: int) -> list[str]:
        """Up to `most` words, evenly spread over the order of appearance."""
        at = np.unique(np.linspace(0, max(len(self) - 1, 0), min(most, len(self))).astype(np.int64))
        out: list[str] = self.words.take(pa.array(at, pa.int64())).to_pylist()
        return out


def count_words(column: pa.ChunkedArray) -> Words:
    """Distinct words of a stored column in order of first appearance."""
    texts = pc.fill_null(column, "") if column.null_count else column
    counted = pc.value_counts(texts)
    words: Any = counted.field("values")
    return Words(words, counted.field("counts").to_numpy(zero_copy_only=False).astype(np.int64))


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
