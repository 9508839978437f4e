"""Imputation under the schema's rules: rows whose filled cells break one are filled again.

As with samples (models/gan/ruling.py) this is rejection: what is left is the generator's own distribution under the
rules. A row whose known cells break a rule by themselves, or leave nothing that keeps it, stays as it was last filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.encoding.gaps import merged
from models.gan.impute import Imputed, impute_table
from models.gan.ruling import broken
from models.gan.sampler import Sampler
from models.progress import Progress
from models.rng import key
from models.rules import parse_rules
from models.table import Table

ROUNDS = 24


def impute_within_rules(
    encoding: TableEncoding,
    sampler: Sampler | None,
    table: Table,
    columns: Sequence[str] | None,
    codes: Sequence[str] | None,
    seed: int,
    progress: Progress,
) -> Imputed:
    """See models.synthesize.impute."""
    done = impute_table(encoding, sampler, table, columns, codes, seed, progress)
    rules = parse_rules(encoding.schema)
    if not rules:
        return done
    pairs = ((c, table.schema[c.name]) for c in encoding.schema.columns)
    schema = replace(encoding.schema, columns=tuple(merged(own, given) for own, given in pairs))
    data = done.table.data
    rows = np.flatnonzero(_touched(table.data, data) & broken(rules, data, schema).any(0))
    for attempt in range(ROUNDS):
        if not len(rows):
            break
        part = table.take(rows)
        again = impute_table(
            encoding, sampler, part, columns, codes, key(seed, "again", attempt), progress, calibrated=False
        )
        source = np.arange(len(data))
        source[rows] = len(data) + np.arange(len(rows))
        data = pa.concat_tables([data, again.table.data]).take(pa.array(source))
        rows = rows[broken(rules, again.table.data, schema).any(0)]
    return replace(done, table=Table(table.schema, data), broken=len(rows))


def _touched(before: pa.Table, after: pa.Table) -> Array:
    """Rows with a filled cell: bool (N,)."""
    out = np.zeros(len(before), bool)
    for name in before.column_names:
        if before.column(name) is not after.column(name):
            same = pc.equal(pc.fill_null(before.column(name), ""), pc.fill_null(after.column(name), ""))
            out |= ~same.to_numpy(zero_copy_only=False)
    return out
