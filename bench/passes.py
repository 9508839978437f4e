"""Several columns drawn from one pass of the network, with and without a latent variable that ties them together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from models import synthesize
from models.encoding.cells import Array
from models.encoding.encoding import Layout, TableEncoding
from models.gan import fitting
from models.gan.orders import drawing_order
from models.gan.plan import MANY
from models.gan.sampler import Pin, Sampler

Context = Callable[[], AbstractContextManager[Any]]
LATENT = 64
"""Values of a latent variable."""


@contextmanager
def replaced(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """(owner, attribute, value): there for the time being."""
    with ExitStack() as back:
        for owner, name, value in changes:
            back.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def columns_of(layout: Layout) -> list[list[int]]:
    """Slots of each column, in table order: its links, its (coarse) cells, its fine cells."""
    out: list[list[int]] = []
    for slot, parent in enumerate(layout.parents):
        if parent >= 0 or slot - 1 in layout.links:
            out[-1].append(slot)
        else:
            out.append([slot])
    return out


def in_passes(size: int) -> Context:
    """`size` columns are drawn from one pass of the network, independently but for the impossible pairs; then, from
    another pass each, what stands in several slots: links, coarse cells, fine cells.
    """
    return partial(replaced, (Sampler, "_walk", _walk(size, ())))


def _walk(size: int, latent: Collection[int]) -> Callable[..., tuple[Tensor, Tensor]]:
    """In place of Sampler._walk. latent: slots of latent variables."""

    @torch.no_grad()
    def walk(
        self: Sampler,
        slots: Sequence[int],
        h: Tensor,
        cells: Tensor,
        draw: Callable[[Tensor, int], Tensor],
        pins: Mapping[int, Pin],
        drawn: Sequence[int] = (),
    ) -> tuple[Tensor, Tensor]:
        done: list[int] = list(drawn)
        for group in passes(self.layout, slots, size, latent):
            for slot in group:
                parent = self.layout.parents[slot]
                p = self.probabilities(h, slot, cells[:, parent] if parent >= 0 else None)
                cells[:, slot] = draw(self.pairs.apply(p, slot, cells, done), slot)
                done.append(slot)
            for slot in group:
                h += self.entry[slot].index_select(0, cells[:, slot])
        return torch.ones(len(h)), torch.zeros(len(h))

    return walk


def passes(layout: Layout, slots: Sequence[int], size: int, latent: Collection[int] = ()) -> list[list[int]]:
    """Slots in drawing order -> those drawn from the same pass; a latent variable has one for itself."""
    place = {slot: i for i, slot in enumerate(slots)}
    columns = sorted((c for c in columns_of(layout) if c[0] in place), key=lambda c: place[c[0]])
    blocks: list[list[list[int]]] = []
    for column in columns:
        if not blocks or len(blocks[-1]) == size or {column[0], blocks[-1][-1][0]} & set(latent):
            blocks.append([])
        blocks[-1].append(column)
    out = []
    for block in blocks:
        stages: tuple[list[int], ...] = ([], [], [])
        for slot in (s for c in block for s in c):
            stages[0 if slot in layout.links else 2 if layout.parents[slot] >= 0 else 1].append(slot)
        out += [stage for stage in stages if stage]
    return out


def with_latent(size: int) -> Context:
    """As in_passes, but each block of columns has a latent variable, the cluster of its cells (k-means), which the
    network learns as a slot of its own and draws before the block.
    """

    @contextmanager
    def patch() -> Iterator[None]:
        latent: list[int] = []
        plain = fitting.fit_generator

        def fit(codes: Array, encoding: TableEncoding, plan: Any, options: Any, **others: Any) -> Any:
            layout, order = encoding.layout, drawing_order(encoding, options.target)
            columns = sorted(columns_of(layout), key=lambda c: order.index(c[0]))
            blocks = [columns[i : i + size] for i in range(0, len(columns), size)]
            drawn: list[int] = []
            for block in blocks:
                if len(block) > 1:
                    latent.append(len(layout.sizes) + len(latent))
                    drawn.append(latent[-1])
                drawn += [s for c in block for s in c]
            found = [clusters(codes, layout, block, options.seed) for block in blocks if len(block) > 1]
            # A cached property: sampling sees the latent slots, decoding reads the others.
            encoding.__dict__["layout"] = extended(layout, len(latent))
            with replaced((fitting, "drawing_order", lambda *a: tuple(drawn))):
                return plain(np.column_stack([codes, *found]), encoding, plan, options, **others)

        with replaced((synthesize, "fit_generator", fit), (Sampler, "_walk", _walk(size, latent))):
            yield

    return patch


def extended(layout: Layout, count: int) -> Layout:
    """With so many latent variables after the slots that are there."""
    none = (0,) * count
    return replace(
        layout,
        sizes=layout.sizes + (LATENT,) * count,
        parents=layout.parents + (-1,) * count,
        fine=layout.fine + (None,) * count,
        missing=layout.missing and layout.missing + none,
        ordered=layout.ordered and layout.ordered + none,
    )


def clusters(codes: Array, layout: Layout, block: list[list[int]], seed: int) -> Array:
    """Cluster (N,) of each row by its cells (N, S) in a block of columns: the place of a number among its cells, and
    one column for each other cell.
    """
    features = []
    for head in (next(s for s in column if s not in layout.links) for column in block):
        cell, ordered = codes[:, head].astype(np.int64), layout.ordered[head] if layout.ordered else 0
        if ordered >= MANY:
            features.append((2 * cell / ordered * (cell < ordered))[:, None])
            cell = np.where(cell < ordered, layout.sizes[head], cell)
        features.append(cell[:, None] == np.arange(layout.sizes[head]))
    model = MiniBatchKMeans(LATENT, n_init=3, random_state=seed)
    return np.asarray(model.fit_predict(np.concatenate(features, 1).astype(np.float32)), codes.dtype)
