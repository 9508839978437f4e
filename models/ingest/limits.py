"""Limits of what is read. Every one is configurable; the defaults suit a machine with 8 GB."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """max_bytes: of text, after decompression. max_ratio: decompressed to compressed, above `ratio_floor` bytes.

    max_row_bytes: one row of a CSV, hence one cell. min_rows: fewer cannot be modelled. max_footer_bytes: metadata of a
    Parquet file.
    """

    max_bytes: int = 4096 * MIB
    max_rows: int = 50_000_000
    max_columns: int = 2_000
    max_cells: int = 1_000_000_000
    max_row_bytes: int = 8 * MIB
    max_ratio: float = 300.0
    ratio_floor: int = 64 * MIB
    max_footer_bytes: int = 64 * MIB
    min_rows: int = 2
