"""Random streams named by what they are for, so that work can stop, resume and be split without sharing a state.

Every stream is keyed by a hash of the seed and its labels (counter-based Philox; Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"): step 700 of training draws the same numbers whether or not steps 1 to 699 ran here.
"""

from __future__ import annotations

import hashlib

import numpy as np

Label = str | int


def key(seed: int, *labels: Label) -> int:
    """Hash of seed and labels: 0 <= key < 2**63."""
    text = "\x1f".join(map(str, (seed, *labels))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def stream(seed: int, *labels: Label) -> np.random.Generator:
    """An independent numpy generator for these labels."""
    return np.random.Generator(np.random.Philox(key=key(seed, *labels)))
