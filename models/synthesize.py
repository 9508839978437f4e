"""The verbs of the ML core: fit a synthesizer to a table, sample from it, evaluate a sample. Usable without the
service.

from models.synthesize import fit, sample
synthesizer = fit(frame)                                     # a pandas DataFrame or a Table
people = sample(synthesizer, 1_000, where=["age>=65", "sex=Female"])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import torch

from models.accounting import History
from models.balance import Balance, parse_balance
from models.conditions import Condition, parse_conditions
from models.ctgan.fitting import fit_ctgan
from models.ctgan.model import Ctgan
from models.ctgan.plan import CtganPlan
from models.ctgan.plan import make_plan as make_ctgan_plan
from models.ctgan.sampling import Draw, draw_batches
from models.dp.fitting import Private, fit_private
from models.dp.one_pass import OnePass
from models.dp.raking import RakedSampler
from models.dp.sampling import MixtureSampler
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding, fit_encoding
from models.errors import Detail, InvalidCondition, InvalidData, InvalidInput
from models.gan.discriminator import Discriminator
from models.gan.fitting import fit_generator
from models.gan.impute import Imputed
from models.gan.mending import impute_within_rules
from models.gan.network import Generator
from models.gan.pairs import NO_PAIRS
from models.gan.plan import Plan, device, make_plan, precision, resolution, threads
from models.gan.rebalance import Stream, rows_of, streams
from models.gan.ruling import Costs, last_resort
from models.gan.sampler import Sampler
from models.gan.student import FastSampler, distil
from models.gan.weighing import Weigher
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.progress import SILENT, Progress
from models.rng import stream
from models.rules import check_rules, counts, parse_rules
from models.schema import Schema
from models.synthesizer import Synthesizer
from models.table import Table

__all__ = ["FitOptions", "Imputed", "Synthesizer", "fit", "impute", "sample", "sample_batches", "split"]

MIN_ROWS = 10
"""Training rows below which nothing is fitted."""
MAX_SAMPLE = 10**9
MODES = ("full", "fast")
SPLIT = "stream of the seed, labelled split, permutes the rows; the first share is the holdout"


_PREPARED: WeakKeyDictionary[Synthesizer, tuple[Generator, dict[str, Any]]] = WeakKeyDictionary()
"""Students of synthesizers that were fitted without one."""


def split(rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Row numbers (sorted) of the training part and of the holdout, which holds `fraction` of the rows."""
    if not 0 <= fraction < 1:
        raise InvalidInput("The holdout must be a share from 0 to below 1.", hint="e.g. 0.1")
    shuffled = stream(seed, "split").permutation(rows)
    held = round(rows * fraction)
    return np.sort(shuffled[held:]), np.sort(shuffled[:held])


def fit(
    data: Any,
    *,
    options: FitOptions = FitOptions(),
    holdout: Table | None = None,
    privacy: PrivacyOptions | None = None,
    history: Mapping[str, History] | None = None,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> Synthesizer:
    """Train a conditional GAN on a table; with `privacy`, fit a generator under differential privacy.

    data: Table or pandas DataFrame. holdout: rows kept apart already; without them, options.holdout of `data` is set
    aside before anything is fitted, and only counted. checkpoint: a folder to save progress in, and to resume from if
    it holds a checkpoint of the same rows and options; the weights then are those of an uninterrupted run. history:
    what may be released, by account; left out, what models.privacy.plan says of `privacy` (models/dp/fitting.py).

    Raises InvalidData where there are too few rows, InvalidSchema where a cell contradicts the schema, InvalidInput
    where the target is no column, Cancelled.
    """
    table = _as_table(data)
    if privacy is not None:
        with _threads(threads(options)):
            return _made(fit_private(table, options, privacy, history, holdout is not None, progress, checkpoint))
    train_rows, holdout_rows = split(len(table), 0.0 if holdout is not None else options.holdout, options.seed)
    train = table if holdout is not None else table.part(train_rows)
    if len(train) < MIN_ROWS:
        message = f"{len(train)} training rows are too few."
        raise InvalidData(message, hint=f"Provide at least {MIN_ROWS} rows beside the holdout.")
    check_rules(table.schema)
    if options.target is not None and options.target not in table.schema:
        what = "is no column of the table"
        raise InvalidInput(
            f"The target {options.target[:200]!r} {what}.", hint="Name one.", errors=[Detail(("target",), what)]
        )
    with _threads(threads(options)):
        progress.step("encode")
        cut = resolution(len(train), len(table.schema.columns), options)
        encoding = fit_encoding(train, cut, progress, derive=options.derive, link=options.model != "ctgan")
        last_resort(parse_rules(train.schema), encoding, ())  # refuses rules that no row can meet
        codes = encoding.encode(train, progress)
        progress.step("train")
        how: dict[str, Any] = {
            "on": device(options),
            "progress": progress,
            "checkpoint": checkpoint,
            "fingerprint": _fingerprint(codes, encoding, options),
        }
        pairs = NO_PAIRS
        plan: Plan | CtganPlan
        model: Generator | Ctgan
        order: tuple[int, ...] = ()
        frequencies: Array = np.zeros(0)
        discriminator: Discriminator | None = None
        if options.model == "ctgan":
            plan = make_ctgan_plan(len(train), options)
            model, facts = fit_ctgan(train, codes, encoding, plan, options, **how)
            size = model.parameters()
        else:
            plan = make_plan(len(train), encoding.layout, options)
            fitted = fit_generator(codes, encoding, plan, options, **how)
            pairs, discriminator = fitted.pairs, fitted.discriminator
            model, order, frequencies, facts = fitted.model, fitted.order, fitted.frequencies, fitted.facts
            size = sum(p.numel() for p in fitted.model.parameters())
    manifest = {
        "populace": version("populace"),
        "model": options.model,
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "pyarrow": pa.__version__},
        "options": options.to_json(),
        "split": {
            "method": "given" if holdout is not None else SPLIT,
            "seed": options.seed,
            "fraction": options.holdout if holdout is None else None,
            "train_rows": len(train),
            "holdout_rows": len(holdout) if holdout is not None else len(holdout_rows),
        },
        "plan": plan.to_json(),
        "slots": len(encoding.layout.sizes),
        "width": encoding.layout.width,
        "derived": {d.column.name: d.source for d in encoding.derived},
        "links": {k.name: sorted(k.sources) for k in encoding.links},
        "rules": _rules(train),
        "parameters": size,
        **facts,
    }
    made = Synthesizer(table.schema, encoding, model, order, frequencies, manifest, pairs, discriminator=discriminator)
    return with_student(made, progress, 0.999) if options.fast else made


def _made(found: Private) -> Synthesizer:
    parts = (found.schema, found.encoding, found.model, found.order, found.frequencies, found.manifest)
    return Synthesizer(*parts, one_pass=found.one_pass)


def _rules(train: Table) -> list[dict[str, Any]]:
    rules = parse_rules(train.schema)
    found = zip(rules, counts(rules, train), strict=True)
    return [{"rule": rule.text, "training_rows_that_break_it": broken} for rule, broken in found]


def sample(
    synthesizer: Synthesizer,
    rows: int,
    *,
    where: Sequence[str | Condition] = (),
    balance: str | Mapping[str, Any] | Balance | None = None,
    seed: int | None = None,
    start: int = 0,
    mode: str = "full",
    progress: Progress = SILENT,
) -> Table:
    """Draw rows start .. start + rows - 1 of the sample of this seed (None: the seed of the fit).

    The rules of its schema hold in every row. where: conditions that all rows meet (models/conditions.py). balance:
    shares of one column's values (models/balance.py). mode: full, or fast (docs/sampling.md): by the student, which is
    distilled first where the fit made none. Raises InvalidCondition, InvalidInput.
    """
    how: dict[str, Any] = {"where": where, "balance": balance, "seed": seed, "start": start, "mode": mode}
    drawn = sample_batches(synthesizer, rows, **how, progress=progress)
    names = pa.schema([(n, pa.string()) for n in synthesizer.schema.names])
    return Table(synthesizer.schema, pa.Table.from_batches(list(drawn), schema=names))


def sample_batches(
    synthesizer: Synthesizer,
    rows: int,
    *,
    where: Sequence[str | Condition] = (),
    balance: str | Mapping[str, Any] | Balance | None = None,
    seed: int | None = None,
    start: int = 0,
    mode: str = "full",
    progress: Progress = SILENT,
    costs: Costs | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of `sample` in batches of at most BLOCK rows, in constant memory. Checks its arguments at once.

    costs: where it is added up, as rows are drawn, what the schema's rules cost.
    """
    costs = costs or Costs()
    if not 0 <= rows <= MAX_SAMPLE or start < 0:
        raise InvalidInput(
            f"Rows must lie between 0 and {MAX_SAMPLE}, and start at 0 or above.", hint="Draw more in further samples."
        )
    if mode not in MODES:
        raise InvalidInput(f"Mode must be one of {', '.join(MODES)}.", errors=[Detail(("mode",), "is not known")])
    conditions = _conditions(synthesizer.schema, where)
    options = FitOptions.from_json(synthesizer.manifest["options"])
    seed = options.seed if seed is None else seed
    if isinstance(synthesizer.model, Ctgan):
        if balance is not None:
            raise InvalidInput("A sample of model ctgan cannot be balanced.", hint="Train with model masked.")
        if mode == "fast":
            raise InvalidInput("Model ctgan has no fast mode.", hint="Leave the mode out: it draws in one pass.")
        on = device(replace(options, device="auto"))
        draw = Draw(
            synthesizer.model.to(on, precision(on)),
            tuple(conditions),
            seed,
            progress,
            parse_rules(synthesizer.schema),
            costs,
        )
        with _threads(threads(options)):
            draw.probe()
        return _inside(draw_batches(draw, rows, start), threads(options))
    found = streams_of(synthesizer, conditions, balance)
    if mode == "fast" and rows:
        synthesizer = with_student(synthesizer, progress)
    return _draw(synthesizer, rows, found, options, seed, start, mode, progress, costs)


def streams_of(
    synthesizer: Synthesizer,
    where: Sequence[str | Condition],
    balance: str | Mapping[str, Any] | Balance | None,
) -> tuple[Stream, ...]:
    """What a sample is drawn from. Raises InvalidCondition, InvalidInput."""
    conditions = _conditions(synthesizer.schema, where)
    if balance is not None and not isinstance(balance, Balance):
        balance = parse_balance(balance, synthesizer.schema, conditions)
    shares = torch.from_numpy(np.array(synthesizer.frequencies))
    return streams(synthesizer.encoding, conditions, balance, shares, synthesizer.order)


def _draw(
    synthesizer: Synthesizer,
    rows: int,
    found: Sequence[Stream],
    options: FitOptions,
    seed: int,
    start: int,
    mode: str,
    progress: Progress,
    costs: Costs,
) -> Iterator[pa.RecordBatch]:
    sampler = sampler_of(synthesizer, progress, mode)
    workers = threads(options) if sampler is None or sampler.device.type == "cpu" else 1
    batches = rows_of(synthesizer.encoding, sampler, found, seed, start, rows, costs, workers)
    done = 0
    while done < rows:
        with _threads(threads(options)):
            batch = next(batches)
        yield batch
        done += batch.num_rows
        progress.update(done / rows, f"{done} rows", rows=done)
        progress.check()


def impute(
    synthesizer: Synthesizer,
    data: Any,
    columns: Sequence[str] | None = None,
    *,
    codes: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Imputed:
    """Fill missing cells of a table by draws from the generator, given the known cells of their rows.

    data: Table or pandas DataFrame with the synthesizer's columns. columns: those to fill (None: all modelled ones).
    codes: missing codes to fill (None: every one), so that a code with a meaning of its own, such as "not applicable",
    can be left. Another seed is another draw. All other cells keep their spelling; the schema's rules hold where the
    known cells let them. The result holds REAL rows.

    Raises InvalidInput for other columns, InvalidSchema and InvalidData (column and line) for a cell that the
    synthesizer's schema does not allow, Cancelled. A label that the schema knows and no training row had tells nothing
    about its row.
    """
    table = _as_table(data)
    options = FitOptions.from_json(synthesizer.manifest["options"])
    with _threads(threads(options)):
        return impute_within_rules(
            synthesizer.encoding, sampler_of(synthesizer, progress), table, columns, codes, seed, progress
        )


def sampler_of(synthesizer: Synthesizer, progress: Progress = SILENT, mode: str = "full") -> Sampler | None:
    """On the fastest device there is; None where the table is constant. Raises InvalidInput for a Ctgan."""
    if isinstance(synthesizer.model, Ctgan):
        raise InvalidInput(
            "This synthesizer is of model ctgan, which knows no rows given any part of them.",
            hint="Train with model masked.",
        )
    if not synthesizer.encoding.layout.sizes:
        return None
    if isinstance(synthesizer.model, OnePass):
        return MixtureSampler(synthesizer.model, synthesizer.encoding.layout, progress)
    on = device(FitOptions())
    layout, frequencies, pairs = synthesizer.encoding.layout, synthesizer.frequencies, synthesizer.pairs
    for model in (synthesizer.model, synthesizer.student):
        if model is not None:
            model.to(on).compute = precision(on)
    weigher = None
    if synthesizer.discriminator is not None:
        weigher = Weigher(synthesizer.encoding, synthesizer.discriminator.on(on))
    how = (layout, synthesizer.order, progress, frequencies, pairs, weigher)
    if synthesizer.one_pass is not None:
        full: Sampler = RakedSampler(synthesizer.model, synthesizer.one_pass, *how)
    else:
        full = Sampler(synthesizer.model, *how)
    if mode == "full" or synthesizer.student is None:
        return full
    return FastSampler(synthesizer.student, full, frequencies, pairs)


def with_student(synthesizer: Synthesizer, progress: Progress = SILENT, fraction: float = 0.0) -> Synthesizer:
    """The same synthesizer, able to draw in fast mode; what it costs is in its manifest as `fast`. Takes some 30 s on
    two cores, once for a synthesizer in memory. fraction: what progress says of its step meanwhile. Raises InvalidInput
    for a Ctgan.
    """
    if synthesizer.student is not None or isinstance(synthesizer.model, OnePass):  # one pass is fast
        return synthesizer
    if synthesizer in _PREPARED:
        student, facts = _PREPARED[synthesizer]
    else:
        full = sampler_of(synthesizer, progress)
        if full is None:
            return synthesizer
        options = FitOptions.from_json(synthesizer.manifest["options"])
        with _threads(threads(options)):
            student, facts = distil(
                full, synthesizer.frequencies, synthesizer.pairs, options.seed, threads(options), progress, fraction
            )
        _PREPARED[synthesizer] = student, facts
    return replace(synthesizer, student=student, manifest={**synthesizer.manifest, "fast": facts})


def _conditions(schema: Schema, where: Sequence[str | Condition]) -> list[Condition]:
    texts = [w for w in where if isinstance(w, str)]
    given = [w for w in where if isinstance(w, Condition)]
    for condition in given:
        if condition.column not in schema or not schema[condition.column].modelled:
            raise InvalidCondition(
                "A condition names no modelled column.", hint=f"Columns: {', '.join(schema.names[:30])}."
            )
    return [*parse_conditions(texts, schema), *given]


def _as_table(data: Any) -> Table:
    if isinstance(data, Table):
        return data
    from models.ingest import table_from_frame

    return table_from_frame(data)


def _fingerprint(codes: Array, encoding: TableEncoding, options: FitOptions) -> str:
    """Hash of everything that decides the weights, so that a checkpoint of something else is never resumed."""
    facts = {
        **options.to_json(),
        "threads": None,
        "fast": None,
        "columns": encoding.to_json(),
        "versions": torch.__version__,
    }
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    found.update(np.ascontiguousarray(codes).reshape(-1).data)
    return found.hexdigest()


def _inside(batches: Iterator[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    """The batches, each made with so many threads of torch."""
    while True:
        with _threads(count):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's threads inside, as they were outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
