"""What is predicted from what: a table and a target as arrays, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.classifiers.base import Floats, Labels, Task
from models.comparison.options import CompareOptions
from models.errors import Detail, InvalidInput
from models.evaluation.features import features
from models.evaluation.matrix import Ints, Matrix, read_matrix
from models.schema import Column, Kind, Schema
from models.table import Table

MOST_CLASSES = 100
DAY = 86_400.0
POSITIVE = {"1", "1.0", "yes", "y", "true", "t", "positive", "present"}
NEGATIVE = {"0", "0.0", "no", "n", "false", "f", "negative", "absent"}
OTHER = "(other)"


@dataclass(frozen=True, eq=False)
class Target:
    """One target column. classes: labels of the codes (none: a number); values: what the table holds for each code;
    merged: the last code stands for all values that are not among `values`."""

    column: Column
    classes: tuple[str, ...] = ()
    values: Floats | None = None
    merged: bool = False

    def codes(self, y: Floats) -> Labels:
        """Present values -> codes, -1 for a class that has none; or numbers (dates in days)."""
        if self.values is None:
            return y / DAY if self.column.kind is Kind.DATETIME else y
        order = np.argsort(self.values)
        place = order[np.searchsorted(self.values[order], y).clip(0, len(order) - 1)]
        known = self.values[place] == y
        return np.asarray(np.where(known, place, len(self.values) if self.merged else -1))


@dataclass(frozen=True, eq=False)
class Problem:
    """x (N, F), y (N,) or (N, L): codes or numbers, without rows that lack a target; groups (N,) or none. names: of
    the features; left_out: (column, why); without_target: rows that were left out."""

    targets: tuple[Target, ...]
    task: Task
    x: Floats
    y: Labels
    groups: Labels | None
    names: tuple[str, ...]
    categorical: tuple[bool, ...]
    left_out: tuple[tuple[str, str], ...]
    without_target: int
    inputs: tuple[Column, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of a single target's codes."""
        return () if self.task.several else self.targets[0].classes

    @property
    def title(self) -> str:
        return ", ".join(t.column.name for t in self.targets)

    def rows(self, table: Table, role: str) -> tuple[Floats, Labels, int]:
        """Features and targets of another table, read under the same schema, and how many of its rows were left out:
        those without a target, or of a class that the first table lacks. Raises InvalidInput where none is left."""
        outcome = read_matrix(table, [t.column for t in self.targets], role)
        y = _coded(self.targets, outcome, self.task)
        kept = (outcome.missing < 0).all(axis=1)
        if self.task.classes:
            kept &= (y >= 0).reshape(len(y), -1).all(axis=1)
        rows = np.flatnonzero(kept)
        if not len(rows):
            raise InvalidInput(
                f"No row of the {role} table has a target of a known class.", hint="Give rows with known targets."
            )
        return features(read_matrix(table, self.inputs, role).take(rows)).x, y[rows], len(table) - len(rows)


def read_problem(table: Table, names: Sequence[str], options: CompareOptions) -> Problem:
    """The table's features and this target (several names: predicted together).

    Raises InvalidInput, with the remedy: a column that is not there, that cannot be predicted or predicted together, a
    target that is constant or always missing, features that are all missing, too many classes.
    """
    schema = table.schema
    for name in names:
        _known(schema, table, name, "targets")
        if not schema[name].modelled:
            raise _of_target(
                name, f"is of kind {schema[name].kind.value}, which is not modelled", "Choose another one."
            )
    if options.groups is not None:
        _known(schema, table, options.groups, "groups")
        if options.groups in names:
            raise _of_target(options.groups, "is the groups column too", "Choose another target, or other groups.")
    columns, left_out = _inputs(table, names, options)
    outcome = read_matrix(table, [schema[n] for n in names], "compared")
    kept = np.flatnonzero((outcome.missing < 0).all(axis=1))
    if not len(kept):
        raise _of_target(", ".join(names), "is missing in every row", "Choose a target that is known for some rows.")
    outcome = outcome.take(kept)
    targets, task = _targets(outcome, options)
    read = features(read_matrix(table, columns, "compared").take(kept))
    if not np.isfinite(read.x).any():
        raise InvalidInput("Every feature is missing in every row.", hint="Choose features with known values.")
    groups = None if options.groups is None else _groups(table, options.groups)[kept]
    problem = Problem(
        targets,
        task,
        read.x,
        _coded(targets, outcome, task),
        groups,
        tuple(columns[s].name for s in read.sources),
        read.categorical,
        tuple(left_out),
        len(table) - len(kept),
        tuple(columns),
    )
    return _swapped(problem) if task in (Task.BINARY, Task.MULTILABEL) else problem


def places(problem: Problem, names: Sequence[str]) -> tuple[int, ...]:
    """Features of these columns, in this order. Raises InvalidInput for one that is no feature."""
    for name in names:
        if name not in problem.names:
            raise InvalidInput(
                f"Column {name!r} of `ordered` is no feature.",
                hint=f"Features: {', '.join(problem.names[:30])}.",
                errors=[Detail(("options", "ordered"), "no feature")],
            )
    return tuple(problem.names.index(name) for name in names)


def _inputs(table: Table, names: Sequence[str], options: CompareOptions) -> tuple[list[Column], list[tuple[str, str]]]:
    """Feature columns, and which columns are none and why."""
    for where in ("features", "ignore"):
        for name in getattr(options, where) or ():
            _known(table.schema, table, name, where)
    kept, left_out = [], []
    for column in table.schema.columns:
        if column.name in names or column.name not in table.names:
            continue
        if column.name == options.groups:
            why = "groups"
        elif column.name in options.ignore:
            why = "ignored"
        elif options.features is not None and column.name not in options.features:
            why = "not among the features asked for"
        elif not column.modelled:
            why = f"kind {column.kind.value}"
        elif column.kind is Kind.WEIGHT and options.features is None:
            why = "a weight"
        else:
            kept.append(column)
            continue
        left_out.append((column.name, why))
    if not kept:
        raise InvalidInput(
            "There is no column to predict from.", hint="Keep at least one modelled column beside the targets."
        )
    return kept, left_out


def _groups(table: Table, name: str) -> Labels:
    """(N,) code of each row's group; missing is a group of its own."""
    read = table.read(table.schema[name])
    values = np.where(read.missing < 0, read.values.astype(np.float64), -1e18 - read.missing)
    return np.asarray(np.unique(values, return_inverse=True)[1])


def _targets(outcome: Matrix, options: CompareOptions) -> tuple[tuple[Target, ...], Task]:
    several = len(outcome.columns) > 1
    found = []
    for j, column in enumerate(outcome.columns):
        values, counts = np.unique(outcome.values[:, j], return_counts=True)
        if len(values) < 2:
            raise _of_target(column.name, "is constant", "Choose a target that varies.")
        if column.labelled and options.task == "number":
            raise _of_target(column.name, "has labels, not numbers", 'Leave out task, or set it to "classes".')
        number = not column.labelled and (options.task == "number" or (options.task == "auto" and len(values) > 2))
        if number:
            found.append(Target(column))
            continue
        rare = _rare(counts, options.folds)
        merged = options.merge_rare and not several and len(values) > 2 and bool(rare.any())
        if merged:
            values = values[~rare]
        labels = tuple((column.categories or ())[int(v)] if column.labelled else f"{v:g}" for v in values)
        if len(labels) + merged < 2:
            raise _of_target(column.name, "has no two classes with enough rows", "Ask for fewer folds.")
        if len(labels) > MOST_CLASSES:
            raise _of_target(
                column.name,
                f"has {len(labels)} classes; at most {MOST_CLASSES} are compared",
                'Choose a coarser target, set task to "number" where it is one, or merge_rare to true.',
            )
        found.append(Target(column, (*labels, OTHER) if merged else labels, values, merged))
    if not several:
        kinds = len(found[0].classes)
        task = Task.REGRESSION if not kinds else Task.BINARY if kinds == 2 else Task.MULTICLASS
        return tuple(found), task
    if all(t.values is None for t in found):
        return tuple(found), Task.MULTITARGET
    if all(len(t.classes) == 2 for t in found):
        return tuple(found), Task.MULTILABEL
    raise InvalidInput(
        "These targets cannot be predicted together: all must have two values, or all must be numbers.",
        hint="Name them one by one instead of as a list: each is then a comparison of its own.",
        errors=[Detail(("options", "targets"), "of different kinds")],
    )


def _rare(counts: Ints, folds: int) -> npt.NDArray[np.bool_]:
    """Classes to merge: those of fewer rows than folds and, until they have enough rows together, the next ones."""
    rare = counts < folds
    for k in np.argsort(counts, kind="stable"):
        if rare.any() and counts[rare].sum() < folds:
            rare[k] = True
    return rare


def _swapped(problem: Problem) -> Problem:
    """With the positive class second: 1 of 0 and 1, yes of no and yes and so on, else the rarer one."""
    targets, y = [], problem.y.reshape(len(problem.y), -1).copy()
    for j, target in enumerate(problem.targets):
        first, second = (c.strip().lower() for c in target.classes)
        said = {first, second} & POSITIVE and {first, second} & NEGATIVE
        swap = first in POSITIVE if said else y[:, j].mean() > 0.5
        if swap and target.values is not None and not target.merged:
            y[:, j] = 1 - y[:, j]
            target = replace(target, classes=target.classes[::-1], values=target.values[::-1].copy())
        targets.append(target)
    return replace(problem, targets=tuple(targets), y=y if problem.task.several else y[:, 0])


def _coded(targets: Sequence[Target], outcome: Matrix, task: Task) -> Labels:
    y = [t.codes(outcome.values[:, j]) for j, t in enumerate(targets)]
    return np.stack(y, axis=1) if task.several else y[0]


def _known(schema: Schema, table: Table, name: str, where: str) -> None:
    if name not in schema or name not in table.names:
        raise InvalidInput(
            f"There is no column {name[:60]!r} ({where}).",
            hint=f"Columns: {', '.join(table.names[:30])}.",
            errors=[Detail(("options", where), "no such column")],
        )


def _of_target(name: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"The target {name!r} {what}.", hint=hint, errors=[Detail(("options", "targets"), what)])
