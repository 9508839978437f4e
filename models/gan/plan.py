"""Size of the network and length of training, chosen from the table unless the options say otherwise."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from models.encoding.encoding import Layout, Resolution
from models.errors import InvalidInput
from models.options import FitOptions

MANY = 24
"""Ordered cells from which a column counts as a number, not as a scale of a few steps."""
ALONE = 0.9
"""Share of such columns from which a table counts as one of numbers alone."""
HELD, SLOTS = 200, 200
"""Held-out rows, at least, for a discriminator to be judged by; slots, at most, for its pools to be drawn quickly."""


@dataclass(frozen=True)
class Plan:
    """How the generator is built and trained. patience: checks of the validation loss without gain before it ends.
    select: which weights are kept: the last ones, or those of the lowest validation loss."""

    hidden: int
    depth: int
    dropout: float
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float
    validation: float
    patience: int
    check_every: int
    select: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def resolution(rows: int, columns: int, options: FitOptions) -> Resolution:
    """How finely numbers are cut: finer for longer tables, coarser for wide ones, so that the width stays bounded."""
    coarse = 32 if rows >= 4_000 else 20 if rows >= 1_000 else 12 if rows >= 200 else 6
    fine = 16 if rows >= 4_000 else 8 if rows >= 400 else 4
    direct = 128 if rows >= 4_000 else max(12, rows // 25)
    if columns > 100:
        coarse, direct = min(coarse, 20), min(direct, 40)
    return Resolution(options.direct or direct, options.coarse or coarse, options.fine or fine)


def make_plan(rows: int, layout: Layout, options: FitOptions) -> Plan:
    """rows: training rows (validation rows included)."""
    slots = max(1, len(layout.sizes))
    small = rows < 5_000
    numbers = _numbers(layout)
    hidden = 512 if rows >= 5_000 else 256 if rows >= 400 else 128
    if rows >= 5_000 and numbers >= ALONE and plays(options, round(0.05 * rows), slots):
        # Measured on 17,000 rows: 192 memorise less in half the time, and the discriminator makes up for the rest.
        hidden = min(512, max(192, rows // 5_000 * 64))
    # Measured: 1,000 steps for 30,000 rows of labels; more rows bear more before they are memorised, and numbers ask
    # for more (Magic, all numbers: c2st .92 after 1,000 steps, .93 after 2,000; Default, two thirds: .57 and .65).
    longer = min(2.5, max(1.0, 0.8 + 6.4 * (numbers - 0.4)))
    many = rows / 30_000
    steps = int(min(5_000, 1_000 * (many**0.5 if many > 1 else max(2 / 3, many)) * longer))
    batch = 1_024 if not small else max(16, min(512, rows // 2))
    # Very wide tables: smaller batches keep a step short and its memory small.
    if slots * layout.width > 400_000:
        batch = min(batch, 512)
    return Plan(
        hidden=options.hidden or hidden,
        depth=2 if options.depth is None else options.depth,
        dropout=0.1 if options.dropout is None else options.dropout,
        batch=options.batch or batch,
        steps=options.steps or steps,
        learning_rate=options.learning_rate or 2e-3,
        weight_decay=1e-4 if not small else 1e-2,
        validation=0.05 if rows >= 5_000 else 0.1,
        patience=8 if small else 1_000_000,
        select="validation" if small else "last",
        check_every=100 if rows >= 400 else 25,
    )


def plays(options: FitOptions, held: int, slots: int) -> bool:
    """Whether a discriminator is tried, given so many held-out rows."""
    if options.adversarial == "always":
        return held > 1
    return options.adversarial != "never" and held >= HELD and slots <= SLOTS


def _numbers(layout: Layout) -> float:
    """Share of the columns with slots that are numbers of many values."""
    many = {s for s, cells in enumerate(layout.ordered) if cells >= MANY} | set(layout.parents)
    columns = [s for s, parent in enumerate(layout.parents) if parent < 0 and s not in layout.links]
    return sum(s in many for s in columns) / max(1, len(columns))


def threads(options: FitOptions) -> int:
    """CPU threads: as asked, else the cores this process may use, at most 8 (more did not pay)."""
    if options.threads:
        return options.threads
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        cores = os.cpu_count() or 1
    return max(1, min(8, cores))


def device(options: FitOptions) -> torch.device:
    """Raises InvalidInput where CUDA is asked for and absent."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise InvalidInput("There is no CUDA device.", hint="Use device auto or cpu.")
    wants = options.device == "cuda" or (options.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if wants else "cpu")


def precision(on: torch.device) -> torch.dtype:
    """bfloat16 for the large products where the processor multiplies it natively (about 5 times faster), else
    float32.
    """
    if on.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if probe is not None and probe() else torch.float32
