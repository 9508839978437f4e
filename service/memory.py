"""Keep the API process small: buffers of uploads and downloads go back to the system when they are freed."""

from __future__ import annotations

import ctypes

import pyarrow as pa

from service.storage.base import CHUNK_BYTES

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of mallopt(3)."""


def return_large_buffers() -> bool:
    """Give allocations of a quarter of a chunk and more a mapping of their own, and all threads two heaps between them.
    False where the C library has no such options.

    Uploads and downloads run in changing threads, and glibc keeps a heap for each; left to itself it raises the
    threshold after the first freed chunk, and every heap then holds on to chunks that are long gone. Arrow's own
    allocators keep still more for later, so it is given the system's.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(M_MMAP_THRESHOLD, CHUNK_BYTES // 32) == 1 and mallopt(M_ARENA_MAX, 1) == 1)
    except (AttributeError, OSError, TypeError):  # not glibc (macOS, Windows)
        return False
