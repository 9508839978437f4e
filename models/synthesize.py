"""The verbs of the ML core: fit a synthesizer to a table, sample from it, evaluate a sample. Usable without the
service.

from models.synthesize import fit, sample
synthesizer = fit(frame)                                     # a pandas DataFrame or a Table
people = sample(synthesizer, 1_000, where=["age>=65", "sex=Female"])
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from models.artifacts import TRAIN_AGAIN, read_bundle, write_bundle
from models.conditions import Condition, parse_conditions
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding, encoding_from, fit_encoding, restrictions_by_column
from models.errors import InvalidArtifact, InvalidCondition, InvalidData, InvalidInput
from models.gan.fitting import fit_generator
from models.gan.impute import Imputed, impute_table
from models.gan.network import Generator
from models.gan.plan import device, make_plan, precision, resolution, threads
from models.gan.restrict import make_pins
from models.gan.sampler import BLOCK, Pins, Sampler, strata
from models.options import FitOptions
from models.progress import SILENT, Progress
from models.rng import stream
from models.schema import Schema, schema_from_json
from models.table import Table

__all__ = ["FitOptions", "Imputed", "Synthesizer", "fit", "impute", "sample", "sample_batches", "split"]

MIN_ROWS = 10
"""Training rows below which nothing is fitted."""
MAX_SAMPLE = 10**9
SPLIT = "stream of the seed, labelled split, permutes the rows; the first share is the holdout"


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """A trained generator with all that it takes to sample. order: slots as drawn. frequencies (W,): training
    shares.
    """

    schema: Schema
    encoding: TableEncoding
    model: Generator
    order: tuple[int, ...]
    frequencies: Array
    manifest: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write it into a folder as safetensors and JSON."""
        tensors = {f"generator.{k}": v.detach().cpu().numpy() for k, v in self.model.state_dict().items()}
        tensors |= self.encoding.tensors() | {"frequencies": self.frequencies.astype(np.float32)}
        shape = {"hidden": self.model.embed.shape[1], "depth": len(self.model.stack)}
        parts = {
            "schema": self.schema.to_json(),
            "encoding": self.encoding.to_json(),
            "network": shape,
            "order": list(self.order),
            "manifest": self.manifest,
        }
        write_bundle(folder, "synthesizer", parts, tensors)

    @staticmethod
    def load(folder: Path) -> Synthesizer:
        """Inverse of save. Raises InvalidArtifact on anything damaged, foreign or of another version."""
        parts, tensors = read_bundle(folder, "synthesizer")
        try:
            schema = schema_from_json(parts["schema"])
            encoding = encoding_from(schema, parts["encoding"], tensors)
            layout = encoding.layout
            order = tuple(map(int, parts["order"]))
            if sorted(order) != list(range(len(layout.sizes))) or len(tensors["frequencies"]) != layout.width:
                raise ValueError("the order of its slots")
            shape = parts["network"]
            model = Generator(layout.width, len(layout.sizes), int(shape["hidden"]), int(shape["depth"]))
            weights = {k.removeprefix("generator."): v for k, v in tensors.items() if k.startswith("generator.")}
            model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
        except InvalidArtifact:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError, InvalidInput) as error:
            what = str(error).splitlines()[0][:200]
            raise InvalidArtifact(f"The synthesizer's parts do not fit together: {what}.", hint=TRAIN_AGAIN) from None
        return Synthesizer(schema, encoding, model, order, tensors["frequencies"], dict(parts["manifest"]))


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
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> Synthesizer:
    """Train a conditional GAN on a table.

    data: Table or pandas DataFrame. holdout: rows kept apart already; without them, options.holdout of `data` is set
    aside before anything is fitted, and only counted. checkpoint: a folder to save progress in, and to resume from if
    it holds a checkpoint of the same rows and options; the weights then are those of an uninterrupted run.

    Raises InvalidData where there are too few rows, InvalidSchema where a cell contradicts the schema, Cancelled.
    """
    table = _as_table(data)
    train_rows, holdout_rows = split(len(table), 0.0 if holdout is not None else options.holdout, options.seed)
    train = table if holdout is not None else table.take(train_rows)
    if len(train) < MIN_ROWS:
        message = f"{len(train)} training rows are too few."
        raise InvalidData(message, hint=f"Provide at least {MIN_ROWS} rows beside the holdout.")
    with _threads(threads(options)):
        progress.step("encode")
        cut = resolution(len(train), len(table.schema.columns), options)
        encoding = fit_encoding(train, cut, progress, derive=options.derive)
        codes = encoding.encode(train, progress)
        progress.step("train")
        plan = make_plan(len(train), encoding.layout, options)
        fitted = fit_generator(
            codes,
            encoding,
            plan,
            options,
            on=device(options),
            progress=progress,
            checkpoint=checkpoint,
            fingerprint=_fingerprint(codes, encoding, options),
        )
    manifest = {
        "populace": version("populace"),
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
        "parameters": sum(p.numel() for p in fitted.model.parameters()),
        **fitted.facts,
    }
    return Synthesizer(table.schema, encoding, fitted.model, fitted.order, fitted.frequencies, manifest)


def sample(
    synthesizer: Synthesizer,
    rows: int,
    *,
    where: Sequence[str | Condition] = (),
    seed: int | None = None,
    start: int = 0,
    progress: Progress = SILENT,
) -> Table:
    """Draw rows start .. start + rows - 1 of the sample of this seed (None: the seed of the fit).

    where: conditions that all rows meet (models/conditions.py). Raises InvalidCondition, InvalidInput.
    """
    batches = list(sample_batches(synthesizer, rows, where=where, seed=seed, start=start, progress=progress))
    names = pa.schema([(n, pa.string()) for n in synthesizer.schema.names])
    return Table(synthesizer.schema, pa.Table.from_batches(batches, schema=names))


def sample_batches(
    synthesizer: Synthesizer,
    rows: int,
    *,
    where: Sequence[str | Condition] = (),
    seed: int | None = None,
    start: int = 0,
    progress: Progress = SILENT,
) -> Iterator[pa.RecordBatch]:
    """The rows of `sample` in batches of at most BLOCK rows, in constant memory. Checks its arguments at once."""
    if not 0 <= rows <= MAX_SAMPLE or start < 0:
        raise InvalidInput(
            f"Rows must lie between 0 and {MAX_SAMPLE}, and start at 0 or above.", hint="Draw more in further samples."
        )
    restrictions = restrictions_by_column(synthesizer.encoding, _conditions(synthesizer.schema, where))
    conditions = {name: r.condition for name, r in restrictions.items() if r.condition is not None}
    shares = torch.from_numpy(np.array(synthesizer.frequencies))
    pins = make_pins(synthesizer.encoding, restrictions, shares, synthesizer.order)
    options = FitOptions.from_json(synthesizer.manifest["options"])
    return _draw(synthesizer, rows, conditions, pins, options, options.seed if seed is None else seed, start, progress)


def _draw(
    synthesizer: Synthesizer,
    rows: int,
    conditions: dict[str, Condition],
    pins: Pins,
    options: FitOptions,
    seed: int,
    start: int,
    progress: Progress,
) -> Iterator[pa.RecordBatch]:
    encoding = synthesizer.encoding
    sampler = _sampler(synthesizer, options, progress)
    if sampler is not None:
        pins = pins.to(sampler.device)
    done = 0
    while done < rows:
        number, first = divmod(start + done, BLOCK)
        last = min(BLOCK, first + rows - done)
        with _threads(threads(options)):
            if sampler is None:
                cells = np.zeros((last - first, 0), np.int64)
                u = strata(seed, number, encoding.uniforms)[first:last]
            else:
                cells, u = sampler.block(number, first, last, seed, encoding.uniforms, pins)
        at = np.arange(start + done, start + done + last - first)
        yield from encoding.decode(cells, u.astype(np.float64), at, conditions).combine_chunks().to_batches()
        done += last - first
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
    can be left. Another seed is another draw. All other cells keep their spelling. The result holds REAL rows.

    Raises InvalidInput for other columns, InvalidSchema and InvalidData (column and line) for a cell that the
    synthesizer's schema does not allow, Cancelled. A label that the schema knows and no training row had tells nothing
    about its row.
    """
    table = _as_table(data)
    options = FitOptions.from_json(synthesizer.manifest["options"])
    with _threads(threads(options)):
        return impute_table(
            synthesizer.encoding, _sampler(synthesizer, options, progress), table, columns, codes, seed, progress
        )


def _sampler(synthesizer: Synthesizer, options: FitOptions, progress: Progress) -> Sampler | None:
    """On the fastest device there is; None where the table is constant."""
    if not synthesizer.encoding.layout.sizes:
        return None
    on = device(replace(options, device="auto"))
    model = synthesizer.model.to(on)
    model.compute = precision(on)
    return Sampler(model, synthesizer.encoding.layout, synthesizer.order, progress)


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
    facts = {**options.to_json(), "threads": None, "columns": encoding.to_json(), "versions": torch.__version__}
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    found.update(np.ascontiguousarray(codes).tobytes())
    return found.hexdigest()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's threads inside, as they were outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
