"""Large buffers go back to the system when they are freed."""

from __future__ import annotations

import ctypes

from service.storage.base import CHUNK_BYTES

M_MMAP_THRESHOLD = -3
"""Of mallopt(3)."""


def return_large_buffers() -> bool:
    """Give allocations of a quarter of a chunk and more a mapping of their own. False where the C library has no such
    option.

    Uploads and downloads run in changing threads, and glibc keeps a heap for each; left to itself it raises this
    threshold after the first freed chunk, and every heap then holds on to chunks that are long gone.
    """
    try:
        done: int = ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, CHUNK_BYTES // 4)
    except (AttributeError, OSError, TypeError):  # not glibc (macOS, Windows)
        return False
    return done == 1
