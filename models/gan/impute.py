"""Missing cells of a table, drawn from the generator given the known cells of their rows.

The known slots of a row come first and the wanted ones follow in the drawing order: a family of orders that training
has taught (models/gan/masks.py). Draws of several seeds are multiple imputations (Rubin 1987, "Multiple imputation for
nonresponse in surveys"): their spread tells of what is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.encoding.gaps import Family, fill, read_families
from models.errors import Detail, InvalidInput
from models.gan.draws import BLOCK, pick
from models.gan.network import pieces
from models.gan.sampler import Sampler
from models.imputation import check_columns
from models.progress import SILENT, Progress
from models.rng import stream
from models.table import Table, Values

ROWS = 8_192
"""Rows by which a slot is calibrated, at most."""
FEW = 200
"""Rows below which it is not."""


@dataclass(frozen=True, eq=False)
class Imputed:
    """table: as it was given but for the filled cells. filled: cells filled, by column. broken: rows with filled cells
    that break a rule of the schema, since their known cells leave nothing else.
    """

    table: Table
    filled: Mapping[str, int]
    broken: int = 0


def impute_table(
    encoding: TableEncoding,
    sampler: Sampler | None,
    table: Table,
    columns: Sequence[str] | None,
    codes: Sequence[str] | None,
    seed: int,
    progress: Progress = SILENT,
    *,
    calibrated: bool = True,
) -> Imputed:
    """See models.synthesize.impute; rules are not looked at. sampler: None where the encoding has no slots."""
    families = read_families(encoding, table, _chosen(encoding, table, columns), codes)
    slots, rows = len(encoding.layout.sizes), len(table)
    small = np.uint8 if max(encoding.layout.sizes, default=0) <= 256 else np.int16
    cells, known, wanted = np.zeros((rows, slots), small), np.zeros((rows, slots), bool), np.zeros((rows, slots), bool)
    for family in families:
        progress.check()
        own, sure, values = encoding.slots[family.cells.column.name], family.known, family.own.values
        if family.cells.sizes:
            cells[sure, own] = family.cells.encode(Values(values.values[sure], values.missing[sure]))
            known[:, own], wanted[:, own] = sure[:, None], family.drawn[:, None]
    numbers = _linked(encoding, families, cells, known, wanted)
    shifts = {} if sampler is None or not calibrated else _shifts(sampler, cells, known, wanted)
    for number in range(-(-rows // BLOCK)):
        last = min(rows, (number + 1) * BLOCK)
        at = number * BLOCK + np.flatnonzero(wanted[number * BLOCK : last].any(1))
        if sampler is not None and len(at):
            limits = _limits(encoding, families, at, sampler)
            u = _uniforms(sampler, seed, at)
            cells[at] = _complete(sampler, cells[at], known[at], wanted[at], u, limits, shifts)
        progress.update(last / rows, f"{last} rows", rows=last)
    data, filled = table.data, dict[str, int]()
    for family in families:
        name = family.cells.column.name
        within = stream(seed, "impute", name).random((rows, 2))
        data, more = fill(data, family, cells, within, encoding, numbers)
        filled |= more
    return Imputed(Table(table.schema, data), {n: filled[n] for n in table.schema.names if n in filled})


def _linked(
    encoding: TableEncoding, families: Sequence[Family], cells: Array, known: Array, wanted: Array
) -> dict[str, Array]:
    """Fill in the slots of links (N, S): known where their column and all that it has links to are, wanted where it is.

    -> numbers of the columns that others have links to (N,), NaN where missing.
    """
    by_name = {f.cells.column.name: f for f in families}
    numbers = {n: np.where(by_name[n].known, by_name[n].own.values.numbers(), np.nan) for n in encoding.link_sources}
    for found in encoding.links:
        family, slot = by_name[found.name], encoding.link_slots[found.name]
        sure = np.logical_and.reduce([family.known, *(by_name[n].known for n in found.sources)])
        own, others = family.own.values, {n: numbers[n][sure] for n in found.sources}
        here = Values(own.values[sure], own.missing[sure])
        cells[sure, slot] = found.encode(here, cells[sure, encoding.slots[found.name]].astype(np.int64), others)
        known[:, slot], wanted[:, slot] = sure, family.drawn
    return numbers


def _chosen(encoding: TableEncoding, table: Table, columns: Sequence[str] | None) -> set[str]:
    """Columns to impute. Raises InvalidInput."""
    check_columns(encoding.schema, table.schema.names, columns)
    for name in columns or ():
        if not len(encoding.cells(name).codec.fine):
            what = "no training row has a value there"
            raise InvalidInput(
                f"Column {name!r} cannot be imputed: {what}.",
                hint="Leave it out.",
                errors=[Detail(("columns", name), what)],
            )
    return set(columns) if columns is not None else {c.name for c in encoding.schema.modelled}


def _limits(
    encoding: TableEncoding, families: Sequence[Family], rows: Array, sampler: Sampler
) -> dict[int, tuple[Tensor, Tensor]]:
    """By first slot of a column: the case of each row (B,), and the cells that it allows (cases, coarse, fine)."""
    out = {}
    for family in families:
        found = family.limits(rows) if family.drawn[rows].any() else None
        if found is not None and family.cells.sizes:
            case, allowed = (torch.from_numpy(a).to(sampler.device) for a in found)
            out[encoding.slots[family.cells.column.name].start] = case, allowed.float()
    return out


def _uniforms(sampler: Sampler, seed: int, rows: Array) -> Tensor:
    """Those of rows of one block (B, S): each row's own."""
    whole = stream(seed, "impute", int(rows[0]) // BLOCK).random((BLOCK, len(sampler.layout.sizes)), dtype=np.float32)
    return torch.from_numpy(whole[rows % BLOCK]).to(sampler.device)


@torch.no_grad()
def _complete(
    sampler: Sampler,
    cells: Array,
    known: Array,
    wanted: Array,
    u: Tensor,
    limits: Mapping[int, tuple[Tensor, Tensor]],
    shifts: Mapping[int, Tensor],
) -> Array:
    """Draw the wanted cells of some rows given their known ones, never as missing.

    cells, known, wanted, u: (B, S). A cell that is neither known nor wanted stays unknown to the generator.
    """
    layout, device = sampler.layout, sampler.device
    here, sure, want = (torch.from_numpy(a).to(device) for a in (cells.astype(np.int64), known, wanted))
    h = _entered(sampler, here, sure)
    slots = range(len(layout.sizes))
    for slot in sampler.order:
        sampler.progress.check()
        at = torch.nonzero(want[:, slot])[:, 0]
        if not len(at):
            continue
        parent = layout.parents[slot]
        coarse = here[at, parent] if parent >= 0 else None
        p = sampler.probabilities(h[at], slot, coarse)
        possible = torch.ones_like(p)
        if parent < 0 and layout.missing[slot]:
            possible[:, -layout.missing[slot] :] = 0
        elif (valid := sampler.valid[slot]) is not None and coarse is not None:
            possible = (valid[coarse] > 0).to(p.dtype)
        limit = limits.get(slot if parent < 0 else parent)
        if limit is not None:
            case, allowed = limit[0][at], limit[1]
            possible = possible * (allowed.amax(2)[case] if coarse is None else allowed[case, coarse])
        if slot in shifts:
            p = p * shifts[slot]
        # A value always comes out, however sure the generator is that the cell is missing.
        p = sampler.pairs.apply(p.double().clamp_min(1e-30), slot, here[at], slots, possible, sure[at])
        here[at, slot] = pick(p, u[at, slot].double())
        sure[at, slot] = True
        h[at] += sampler.entry[slot][here[at, slot]]
    return np.asarray(here.cpu().numpy(), cells.dtype)


def _entered(sampler: Sampler, cells: Tensor, known: Tensor) -> Tensor:
    """First-layer sums (B, H) of rows of which some cells are known."""
    h = sampler.start.expand(len(cells), -1).clone()
    for slot in range(cells.shape[1]):
        h += sampler.entry[slot][cells[:, slot]] * known[:, slot, None]
    return h


@torch.no_grad()
def _shifts(sampler: Sampler, cells: Array, known: Array, wanted: Array) -> dict[int, Tensor]:
    """By wanted slot: factors (K,) of its probabilities, so that their mean over rows where the cell is known, as if it
    were not, is what the cells there are.

    The generator is calibrated for rows that it draws from the start; given nearly whole rows it is slightly off.
    """
    layout, device, out = sampler.layout, sampler.device, dict[int, Tensor]()
    for slot in np.flatnonzero(wanted.any(0)):
        values = layout.sizes[slot] - (layout.missing[slot] if layout.missing else 0)
        rows = np.flatnonzero(known[:, slot] & (cells[:, slot] < values))
        if layout.parents[slot] >= 0 or len(rows) < FEW:
            continue
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, ROWS).astype(np.int64))]
        others = known[rows]
        others[:, slot] = False
        others[:, np.array(layout.parents) == slot] = False
        here = torch.from_numpy(cells[rows].astype(np.int64)).to(device)
        h = _entered(sampler, here, torch.from_numpy(others).to(device))
        p = torch.cat([sampler.probabilities(part, int(slot), None)[:, :values] for part in pieces(h, BLOCK)])
        count = torch.bincount(here[:, slot], minlength=values)
        log = torch.zeros(values, device=device)
        for _ in range(6):
            q = p * log.exp()
            mean = (q / q.sum(1, keepdim=True)).mean(0)
            # Cells that are too rare to be told from noise move less.
            step = ((count / len(rows) + 1e-7) / (mean + 1e-7)).log() * (count / (count + 10))
            log = (log + step).clamp(-2, 2)
        out[int(slot)] = torch.cat([log.exp(), torch.ones(layout.sizes[slot] - values, device=device)])
    return out
