"""The private branch of `models.synthesize.fit`: from rows to a generator of which the accountant covers everything.

    units and holdout -> domain (account "domain", or public) -> cells -> noisy tables ("fit")
        -> one-pass generator, and for hybrid and dpsgd steps of DP-SGD (models/dp/stepping.py; "fit" too)

Rows are read by four things: by what bounds and divides units (each by itself: models/dp/holdout.py), by
models.dp.discovery, by models.dp.release and by the steps of models.dp.sgd. The three latter release what the
history pays for and no more; all else is post-processing. A seed steers the holdout, the fit of the generator and its
samples, and no noise.

What is kept between attempts is the domain that was found and the noisy tables, so that a job that resumes pays once
and its attempts, taken together, show one release. Nothing that depends on the noise is told before it is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from models.accounting import Event, History, compose, fits, history_to_json
from models.artifacts import read_bundle, write_bundle
from models.ctgan.model import Ctgan
from models.dp.consistency import consistent
from models.dp.discovery import discover
from models.dp.encoding import codes_of, encoding_of
from models.dp.holdout import METHOD, private_split, units_of
from models.dp.marginals import MarginalOptions
from models.dp.noise import Bytes
from models.dp.one_pass import OnePass, fit
from models.dp.pairs import Workload
from models.dp.release import Release, kept_rows
from models.dp.selection import released
from models.dp.stepping import by_steps, columns_alone
from models.dp.stored import release_from, release_tensor, release_to_json
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.errors import Detail, InvalidArtifact, InvalidInput, InvalidPrivacy
from models.gan.network import Generator
from models.gan.parallel import torch_alone
from models.gan.ruling import last_resort
from models.options import FitOptions
from models.privacy.domain import assumed_public, public_part
from models.privacy.options import DOMAIN, FIT, PrivacyOptions
from models.privacy.plan import plan
from models.privacy.statement import statement
from models.progress import Progress
from models.rules import check_rules, parse_rules
from models.schema import Schema, schema_from_json
from models.table import Table

TOUCHED, NOISE = "touched", "noise"
"""Events before rows are read for an account, and before its first noisy value is drawn (docs/privacy.md)."""
KIND = "private fit"


@dataclass(frozen=True, eq=False)
class Private:
    """schema: the public one, of the synthesizer and its samples. one_pass: what its rows are raked to."""

    schema: Schema
    encoding: TableEncoding
    model: Generator | Ctgan | OnePass
    manifest: dict[str, Any]
    order: tuple[int, ...]
    frequencies: Array
    one_pass: OnePass | None = None


def fit_private(
    table: Table,
    options: FitOptions,
    privacy: PrivacyOptions,
    history: Mapping[str, History] | None,
    held: bool,
    progress: Progress,
    checkpoint: Path | None,
    source: Bytes = os.urandom,
) -> Private:
    """history: what may be released, by account; None: what models.privacy.plan says. held: rows were held out before.
    checkpoint: a folder of this table and no other. source: of the noise's bytes; anything but the default is for
    tests. Raises InvalidPrivacy and InvalidInput, before a row is read; nothing that depends on a row.
    """
    history = plan(privacy, table.schema) if history is None else history
    event = _checked(table.schema, options, privacy, history)
    fraction = 0.0 if held else options.holdout
    mark = _mark(table.schema, options, privacy, history, fraction)
    kept = _Kept.read(checkpoint, mark)
    quiet = _Quiet(progress)
    progress.step("encode")
    schema, found, cells = kept.schema, kept.release, None
    steps = privacy.mechanism != "marginals"
    if schema is not None or not history.get(DOMAIN):
        # What cannot be carried out is refused here, before anything is touched.
        cells = _cells(schema or table.schema, options, privacy, fraction)
    train = units = codes = None
    if found is None or steps:
        _say(progress, TOUCHED, FIT if cells else DOMAIN)
        train, units = _bounded(table, privacy, fraction, options.seed)
        if cells is None:
            _say(progress, NOISE, DOMAIN)
            how: dict[str, Any] = {"units": units, "rows_per_unit": privacy.rows_per_unit, "source": source}
            schema = public_part(discover(train, table.schema, history[DOMAIN], **how))
            _Kept(schema).write(checkpoint, mark, progress)
            cells = _cells(schema, options, privacy, fraction)
            _say(progress, TOUCHED, FIT)
    assert cells is not None  # noqa: S101 - made above where not before
    if train is not None:
        codes = codes_of(train, cells.encoding, quiet)
        del train
    progress.step("train")
    if found is None:
        assert codes is not None  # noqa: S101 - read above
        _say(progress, NOISE, FIT)
        found = released(
            codes,
            cells.workload,
            event,
            selection=cells.marginals.selection,
            rows=cells.marginals.rows,
            rows_per_unit=privacy.rows_per_unit,
            units=units,
            source=source,
        )
        _Kept(cells.encoding.schema, found).write(checkpoint, mark, progress)
    model: Generator | Ctgan | OnePass
    facts: dict[str, Any]
    raked_to = None
    if steps:
        assert codes is not None  # noqa: S101 - read above
        paid, asked = history[FIT], (options, privacy)
        made = by_steps(codes, units, cells.encoding, found, paid, *asked, quiet, checkpoint)
        model, order, frequencies, facts, raked_to = made.model, made.order, made.frequencies, made.facts, made.one_pass
    else:
        with torch_alone():
            model = fit(found, cells.marginals.plan, options.seed, quiet)
        order, frequencies = tuple(range(len(model.sizes))), model.probabilities.mean(0)
        facts = {"latent_rows": len(model.probabilities), "residual": model.residual}
        facts["parameters"] = int(model.probabilities.size)
    told = _manifest(options, privacy, history, fraction, cells.encoding, found, facts)
    return Private(cells.encoding.schema, cells.encoding, model, told, order, frequencies, raked_to)


def _checked(schema: Schema, options: FitOptions, privacy: PrivacyOptions, history: Mapping[str, History]) -> Event:
    """The event that pays for the tables. Raises InvalidPrivacy, InvalidInput; sees no rows."""
    privacy.check_training(options)
    check_rules(schema)
    if privacy.unit is not None and privacy.unit not in schema:
        raise _bad("unit", "names no column of the table", "Name the column whose values are the units.")
    if options.target is not None and (options.target not in schema or not schema[options.target].modelled):
        what = "is no column of the table that is modelled"
        raise InvalidInput(f"The target {options.target[:200]!r} {what}.", errors=[Detail(("target",), what)])
    if not fits(compose(*history.values()), privacy.epsilon, privacy.delta):
        raise _bad("history", "is more than epsilon allows", "Plan it with models.privacy.plan.")
    paid = history.get(FIT, ())
    wanted = ["gaussian"] if privacy.mechanism == "marginals" else ["gaussian", "sampled_gaussian"]
    if [found.mechanism for found in paid] != wanted:
        what = "pays for no release of tables, or for other releases than the mechanism makes"
        raise _bad("history", what, "Plan it with models.privacy.plan.")
    return paid[0]


def _bounded(table: Table, privacy: PrivacyOptions, fraction: float, seed: int) -> tuple[Table, Any]:
    """The training part, at most so many rows of each unit, and the unit of each row."""
    rows, _ = private_split(table, fraction, seed, privacy.unit)
    train = table.part(rows)
    units = units_of(train, privacy.unit)
    if units is None:
        return train, None
    kept = np.sort(kept_rows(units, privacy.rows_per_unit))
    return train.part(kept), units[kept]


@dataclass(frozen=True, eq=False)
class _Cells:
    """How rows become cells, and which tables of them are counted."""

    encoding: TableEncoding
    marginals: MarginalOptions
    workload: Workload


def _cells(schema: Schema, options: FitOptions, privacy: PrivacyOptions, fraction: float) -> _Cells:
    """From a public schema alone, or one that was paid for. Raises InvalidPrivacy: all that it refuses may be told."""
    try:
        return _cut(schema, options, privacy, fraction)
    except InvalidPrivacy:
        raise
    except InvalidInput as error:
        raise InvalidPrivacy(error.message, hint=error.hint, errors=error.errors) from None


def _cut(schema: Schema, options: FitOptions, privacy: PrivacyOptions, fraction: float) -> _Cells:
    encoding = encoding_of(schema, **{k: v for k, v in privacy.options.items() if k == "bins"})
    if not encoding.layout.sizes:
        hint = "Declare at least one column with two possible values."
        raise InvalidPrivacy("Every column has one possible value: there is nothing to fit.", hint=hint)
    last_resort(parse_rules(encoding.schema), encoding, ())  # refuses rules that no row can meet
    slot = None if options.target is None else encoding.slots[options.target]
    own = {k: v for k, v in privacy.options.items() if k in ("triples", "one_way", "selection")}
    marginals = MarginalOptions(
        privacy.epsilon,
        privacy.delta,
        target=slot.start if slot is not None and slot.start < slot.stop else None,
        rows=_public_rows(privacy, fraction),
        rows_per_unit=privacy.rows_per_unit,
        seed=options.seed,
        **own,
    )
    sizes = encoding.layout.sizes
    workload = columns_alone(sizes) if privacy.mechanism == "dpsgd" else marginals.workload(sizes)
    return _Cells(encoding, marginals, workload)


def _public_rows(privacy: PrivacyOptions, fraction: float) -> int | None:
    """Rows of the training part, if that is public: of a part of the rows it is not."""
    return privacy.rows if fraction == 0 and privacy.unit is None else None


def _say(progress: Progress, what: str, account: str) -> None:
    progress.check()
    progress.event(what, {"accounts": [account]})


@dataclass(frozen=True)
class _Kept:
    """What an earlier attempt released."""

    schema: Schema | None = None
    release: Release | None = None

    @staticmethod
    def read(folder: Path | None, mark: str) -> _Kept:
        """Nothing where there is no checkpoint, or one of another job."""
        try:
            if folder is None:
                return _Kept()
            raw, tensors = read_bundle(folder, KIND)
            if raw["mark"] != mark:
                return _Kept()
            release = None if raw["release"] is None else release_from(raw["release"], tensors["counts"])
            return _Kept(schema_from_json(raw["schema"]), release)
        except (InvalidArtifact, InvalidInput, KeyError, TypeError, ValueError):
            return _Kept()

    def write(self, folder: Path | None, mark: str, progress: Progress) -> None:
        if folder is not None and self.schema is not None:
            tensors = {"counts": np.zeros(0, np.int64) if self.release is None else release_tensor(self.release)}
            release = None if self.release is None else release_to_json(self.release)
            raw = {"mark": mark, "schema": self.schema.to_json(), "release": release}
            write_bundle(folder, KIND, raw, tensors)
            progress.checkpoint(folder, now=True)


def _mark(
    schema: Schema, options: FitOptions, privacy: PrivacyOptions, history: Mapping[str, History], fraction: float
) -> str:
    """Hash of everything that decides what is released, but for the rows: even a hash of them is private."""
    facts = {
        "options": {**options.to_json(), "threads": None, "fast": None},
        "privacy": privacy.to_json(),
        "history": {account: history_to_json(events) for account, events in history.items()},
        "schema": schema.to_json(),
        "fraction": fraction,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _manifest(
    options: FitOptions,
    privacy: PrivacyOptions,
    history: Mapping[str, History],
    fraction: float,
    encoding: TableEncoding,
    found: Release,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Nothing in it was learnt from rows but what the history pays for. facts: of the generator."""
    versions = {name: version(name) for name in ("populace", "scipy")}
    versions |= {"torch": torch.__version__, "numpy": np.__version__, "pyarrow": pa.__version__}
    one_pass = {name: facts[name] for name in ("latent_rows",) if name in facts}
    chosen = {"adversarial": "never"} if options.model == "masked" else {}
    return {
        "populace": versions["populace"],
        "model": options.model if privacy.mechanism != "marginals" else "one_pass",
        "versions": versions,
        # Neither has a part in it, whatever the defaults say.
        "options": {**options.to_json(), **chosen, "derive": False},
        "privacy": statement(privacy, history, assumed_public(encoding.schema), fraction, versions),
        "split": {"method": METHOD, "seed": options.seed, "fraction": fraction},
        "plan": {
            **one_pass,
            "tables": len(found.counts),
            "tables_are_chosen": found.distances is not None,
            "rows": max(1, round(consistent(found).rows)),
            "rows_are_public": found.rows is not None,
        },
        "slots": len(encoding.layout.sizes),
        "width": encoding.layout.width,
        **{name: fact for name, fact in facts.items() if name not in one_pass},
    }


class _Quiet:
    """Progress of work whose course depends on noise: how far it is, no figures and no words."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def step(self, name: str) -> None:
        self._inner.step(name)

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self._inner.update(fraction)

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self._inner.checkpoint(folder, **meta)

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self._inner.event(type, data)

    def check(self) -> None:
        self._inner.check()


def _bad(name: str, what: str, hint: str) -> InvalidPrivacy:
    return InvalidPrivacy(f"privacy.{name} {what}.", hint=hint, errors=[Detail(("privacy", name), what, hint)])
