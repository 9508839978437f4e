"""What bench.ablation changes about the masked generator, one thing each: options, or parts of the product replaced for
the time of a run (the product has no switches for them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.passes import Context, columns_of, in_passes, replaced, with_latent
from models import synthesize
from models.conditions import Condition
from models.encoding.cells import Array
from models.encoding.encoding import Layout, TableEncoding, fit_encoding
from models.encoding.numeric import Curve
from models.gan import fitting, masks, sampler, weighing
from models.gan.network import shadow
from models.gan.pairs import NO_PAIRS
from models.gan.picking import Picker
from models.gan.smooth import Basis
from models.gan.trainer import Trainer

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """One change against the base.

    options: of the fit. patch: around fit and sample. starts: what it shares with the base: "nothing" (it is trained),
    "training" (all up to the end of the likelihood training, by its checkpoint), "weights" (it only samples).
    same: from the base's facts, why there is nothing to change in this table, or "".
    """

    name: str
    block: str
    what: str
    options: Mapping[str, Any] = field(default_factory=dict)
    patch: Context = nullcontext
    starts: str = "nothing"
    same: Callable[[Facts], str] = lambda facts: ""


# Orders: of whole columns, the target last.

Rank = Callable[[Array, TableEncoding, list[list[int]]], list[list[int]]]


def ordered(rank: Rank) -> Context:
    @contextmanager
    def patch() -> Iterator[None]:
        plain = fitting.fit_generator

        def fit(codes: Array, encoding: TableEncoding, *rest: Any, **others: Any) -> Any:
            def order(encoding: TableEncoding, target: str | None = None) -> tuple[int, ...]:
                own = encoding.slots.get(target or "", slice(0, 0))
                whole = columns_of(encoding.layout)
                last = [c for c in whole if own.start <= c[-1] < own.stop]
                free = rank(codes, encoding, [c for c in whole if c not in last])
                return tuple(slot for column in [*free, *last] for slot in column)

            with replaced((fitting, "drawing_order", order)):
                return plain(codes, encoding, *rest, **others)

        with replaced((synthesize, "fit_generator", fit)):
            yield

    return patch


def backwards(codes: Array, encoding: TableEncoding, columns: list[list[int]]) -> list[list[int]]:
    return columns[::-1]


def shuffled(codes: Array, encoding: TableEncoding, columns: list[list[int]]) -> list[list[int]]:
    return [columns[i] for i in np.random.RandomState(0).permutation(len(columns))]


def few_first(codes: Array, encoding: TableEncoding, columns: list[list[int]]) -> list[list[int]]:
    """By the number of cells, those of both stages multiplied."""
    return sorted(columns, key=lambda c: int(np.prod([encoding.layout.sizes[s] for s in c])))


def learnt(codes: Array, encoding: TableEncoding, columns: list[list[int]]) -> list[list[int]]:
    """Columns that the others tell least of come first: by the mean share of a column's entropy that another one
    explains (mutual information of coarse cells, less what chance would: Miller 1955, "Note on the bias of information
    estimates").
    """
    layout = encoding.layout
    heads = [next(s for s in c if s not in layout.links) for c in columns]
    told = np.zeros(len(columns))
    for i, a in enumerate(heads):
        own = entropy(codes[:, a].astype(np.int64))
        shares = [
            max(0.0, own - entropy_given(codes[:, a].astype(np.int64), codes[:, b].astype(np.int64))) / max(own, 1e-9)
            for j, b in enumerate(heads)
            if j != i
        ]
        told[i] = float(np.mean(shares or [0.0]))
    return [columns[i] for i in np.argsort(told, kind="stable")]


def entropy(cells: Array) -> float:
    """Nats of cells (N,), with Miller's correction."""
    counts = np.bincount(cells)
    p = counts[counts > 0] / len(cells)
    return float(-(p * np.log(p)).sum()) + (len(p) - 1) / (2 * len(cells))


def entropy_given(cells: Array, other: Array) -> float:
    return entropy(cells * (int(other.max()) + 1) + other) - entropy(other)


# Parts left out, or played otherwise.


def uniform_rows(picker: Picker, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """In place of Picker.pick: any row, any slot."""
    which = torch.randint(len(picker.slots), (count,), generator=generator)
    rows = torch.randint(picker.rows.shape[1], (count,), generator=generator)
    return rows * picker.every, picker.slots[which]


def own_cells(layout: Layout) -> Basis:
    """In place of smooth_basis: the weights of each cell are its own."""
    width = layout.width
    return Basis.of(width, torch.arange(width), torch.ones(width), torch.arange(width))


def unchanged(*arguments: Any, **others: Any) -> None:
    """In place of settle."""


def unlinked(*arguments: Any, **others: Any) -> TableEncoding:
    """In place of fit_encoding."""
    return fit_encoding(*arguments, **{**others, "link": False})


def no_pairs(*arguments: Any, **others: Any) -> Array:
    return NO_PAIRS


@contextmanager
def no_average() -> Iterator[None]:
    """The last weights in place of their moving average."""
    run = Trainer.run

    def plain(trainer: Trainer, *arguments: Any, **others: Any) -> None:
        run(trainer, *arguments, **others)
        trainer.ema = shadow(trainer.model)

    with replaced((Trainer, "run", plain)):
        yield


@contextmanager
def best_weights() -> Iterator[None]:
    plan = synthesize.make_plan
    with replaced((synthesize, "make_plan", lambda *a: replace(plan(*a), select="validation"))):
        yield


@contextmanager
def even_cells() -> Iterator[None]:
    """Values spread evenly over their cell."""
    decode = Curve.decode

    def even(curve: Curve, cells: Array, uniforms: Array, condition: Condition | None) -> Array:
        return decode(replace(curve, power=np.ones_like(curve.power)), cells, uniforms, condition)

    with replaced((Curve, "decode", even)):
        yield


def of_pool(size: int) -> Context:
    return partial(replaced, (weighing, "POOL", size), (sampler, "POOL", size))


# The list. Most telling first: that is the order they are run in.


def lacks(fact: str, why: str) -> Callable[[Facts], str]:
    return lambda facts: "" if facts.get(fact, True) else why


def part(owner: Any, name: str, value: Any) -> Context:
    return partial(replaced, (owner, name, value))


NO_FINE = lacks("two_stage", "no number of two stages")
TARGET_LAST = lacks("target_moved", "the target is the last column")
SHORT = lacks("last_kept", "the best weights are kept already, as the table is short")
BASE = Variant("base", "base", "the base")

VARIANTS = [
    BASE,
    Variant("seed-2", "base", "the base with seed 2: what chance does", {"seed": 2}),
    Variant("order-table", "order", "table order, target where it stands", {"target": None}, same=TARGET_LAST),
    Variant("order-reversed", "order", "reversed, target last", patch=ordered(backwards)),
    Variant("order-random", "order", "one random order, target last", patch=ordered(shuffled)),
    Variant("order-few-first", "order", "few cells first, target last", patch=ordered(few_first)),
    Variant("order-learnt", "order", "least predictable first, target last", patch=ordered(learnt)),
    Variant("plain-0", "share of the plain order", "0: only moved sets", patch=part(fitting, "FIXED", 0.0)),
    Variant("plain-1", "share of the plain order", "1", patch=part(fitting, "FIXED", 1.0)),
    Variant("told-0", "rows that teach the target", "none", patch=part(masks, "TOLD", 0.0)),
    Variant("told-.4", "rows that teach the target", "40%", patch=part(masks, "TOLD", 0.4)),
    Variant("no-basis", "parts", "no multilevel basis", patch=part(fitting, "smooth_basis", own_cells)),
    Variant(
        "no-links",
        "parts",
        "no links",
        patch=part(synthesize, "fit_encoding", unlinked),
        same=lacks("links", "no links"),
    ),
    Variant("boosting", "boosting", "post-GAN boosting, pool of 2", {"adversarial": "always"}, starts="training"),
    Variant(
        "boosting-3",
        "boosting",
        "post-GAN boosting, pool of 3",
        {"adversarial": "always"},
        of_pool(3),
        "training",
    ),
    Variant("no-picking", "parts", "no picking", patch=part(Picker, "pick", uniform_rows)),
    Variant("no-settling", "parts", "no settling", patch=part(fitting, "settle", unchanged), starts="training"),
    Variant("blocks-2", "columns per pass", "2", patch=in_passes(2), starts="weights"),
    Variant("blocks-4", "columns per pass", "4", patch=in_passes(4), starts="weights"),
    Variant("blocks-2-z", "columns per pass", "2, given a latent variable", patch=with_latent(2)),
    Variant("blocks-4-z", "columns per pass", "4, given a latent variable", patch=with_latent(4)),
    Variant("width-256", "network", "width 256", {"hidden": 256}),
    Variant("width-768", "network", "width 768", {"hidden": 768}),
    Variant("dropout-0", "network", "dropout 0", {"dropout": 0.0}),
    Variant("dropout-.2", "network", "dropout .2", {"dropout": 0.2}),
    Variant("coarse-16", "cells", "16 coarse", {"coarse": 16}, same=NO_FINE),
    Variant("coarse-64", "cells", "64 coarse", {"coarse": 64}, same=NO_FINE),
    Variant("fine-1", "cells", "32 coarse, no fine", {"fine": 1}, same=NO_FINE),
    Variant("fine-32", "cells", "32 fine", {"fine": 32}, same=NO_FINE),
    Variant("even", "cells", "even within a cell", patch=even_cells, starts="weights", same=NO_FINE),
    Variant(
        "no-pairs",
        "parts",
        "no pair mask",
        patch=part(fitting, "find_pairs", no_pairs),
        starts="training",
        same=lacks("pairs", "no impossible pairs"),
    ),
    Variant("no-average", "weights kept", "no moving average", patch=no_average, starts="training", same=SHORT),
    Variant("best", "weights kept", "lowest validation loss", patch=best_weights, starts="training", same=SHORT),
    Variant(
        "no-derived",
        "parts",
        "no derived columns",
        {"derive": False},
        same=lacks("derived", "no derived columns"),
    ),
    Variant("depth-1", "network", "depth 1", {"depth": 1}),
    Variant("depth-4", "network", "depth 4", {"depth": 4}),
    Variant("direct", "cells", "256 coarse, no fine", {"coarse": 256, "fine": 1}, same=NO_FINE),
]
BY_NAME = {v.name: v for v in VARIANTS}
