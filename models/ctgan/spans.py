"""Where each span lies in the network's output, padded so that spans of similar size are worked on together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

FULL = 0.7
"""Share of its places that a span fills at least."""


SMALL = 20_000
"""Places times spans up to which sums over spans are two thin products rather than an operation for each bucket."""


@dataclass(frozen=True, eq=False)
class Spans:
    """T spans of `sizes` cells behind `scalars` scalars. Spans of similar size take as many places as the widest of
    them and are neighbours, so that a softmax of all of them is one operation on (B, spans of that size, places).

    conditional: the spans that a condition vector can name.
    """

    sizes: tuple[int, ...]
    scalars: int
    conditional: tuple[int, ...]

    @cached_property
    def padded(self) -> tuple[int, ...]:
        """Places of each span."""
        out, widest = [0] * len(self.sizes), 0
        for t in sorted(range(len(self.sizes)), key=lambda t: -self.sizes[t]):
            if self.sizes[t] < FULL * widest or not widest:
                widest = self.sizes[t]
            out[t] = widest
        return tuple(out)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Spans as they lie in the output."""
        return tuple(sorted(range(len(self.sizes)), key=lambda t: self.padded[t]))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First place of each span, counted from the first place of all spans."""
        out, at = [0] * len(self.sizes), 0
        for t in self.order:
            out[t] = at
            at += self.padded[t]
        return tuple(out)

    @property
    def places(self) -> int:
        return sum(self.padded)

    @property
    def width(self) -> int:
        """Of a row as the critic sees it: scalars, then places."""
        return self.scalars + self.places

    @cached_property
    def buckets(self) -> tuple[tuple[int, int, int], ...]:
        """(first place, spans, places of each), in the order in which they lie."""
        out = []
        for size in sorted(set(self.padded)):
            here = [t for t in self.order if self.padded[t] == size]
            out.append((self.starts[here[0]], len(here), size))
        return tuple(out)

    @property
    def conditions(self) -> int:
        """Length of the condition vector; 1, a constant, where no column can be named."""
        return max(1, sum(self.sizes[t] for t in self.conditional))

    @cached_property
    def condition_starts(self) -> tuple[int, ...]:
        """First entry of each conditional span in the condition vector."""
        out, at = [], 0
        for t in self.conditional:
            out.append(at)
            at += self.sizes[t]
        return tuple(out)

    def named(self) -> tuple[Tensor, Tensor]:
        """For each of the K conditional spans, where its cells lie in a row, (K, R) int64, and what to add there: 0, or
        -inf behind the last cell of a span that has fewer than R."""
        sizes = torch.tensor([self.sizes[t] for t in self.conditional], dtype=torch.int64)[:, None]
        starts = torch.tensor([self.starts[t] + self.scalars for t in self.conditional], dtype=torch.int64)[:, None]
        reach = torch.arange(max((self.sizes[t] for t in self.conditional), default=0))
        return starts + torch.minimum(reach, sizes - 1), torch.zeros(sizes.shape).where(reach < sizes, -torch.inf)

    def padding(self) -> Tensor:
        """(places,) bool: places that stand for no cell."""
        out = torch.ones(self.places, dtype=torch.bool)
        for start, size in zip(self.starts, self.sizes, strict=True):
            out[start : start + size] = False
        return out

    def owners(self) -> Tensor:
        """(places,) int64: the span of each place, padding included."""
        order = torch.tensor(self.order, dtype=torch.int64)
        return order.repeat_interleave(torch.tensor([self.padded[t] for t in self.order], dtype=torch.int64))

    def views(self, places: Tensor) -> Sequence[Tensor]:
        """(B, places) -> the buckets, each (B, spans, places of each)."""
        parts = torch.split(places, [n * k for _, n, k in self.buckets], 1) if self.buckets else ()
        return [part.view(len(part), n, k) for part, (_, n, k) in zip(parts, self.buckets, strict=True)]

    def totals(self, places: Tensor) -> Tensor:
        """(B, places) -> for each place the sum over its span: (B, places)."""
        if self.places * len(self.sizes) > SMALL:
            return torch.cat([view.sum(2, keepdim=True).expand_as(view).flatten(1) for view in self.views(places)], 1)
        member = self._member.to(places)
        return places @ member @ member.T

    @cached_property
    def _member(self) -> Tensor:
        """(places, T): 1 where a place is of a span."""
        out = torch.zeros(self.places, len(self.sizes))
        for t, (start, places) in enumerate(zip(self.starts, self.padded, strict=True)):
            out[start : start + places, t] = 1
        return out

    def one_hot(self, cells: Tensor, scalars: Tensor, starts: Tensor, out: Tensor) -> Tensor:
        """Real rows as the critic sees them, into out (B, width). cells (B, T) int64, scalars (B, A), starts (T,)."""
        out.zero_()
        out[:, : self.scalars] = scalars
        return out.scatter_(1, cells + (starts + self.scalars), 1.0)
