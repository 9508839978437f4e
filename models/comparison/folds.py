"""Which rows are learnt from and which are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, train_test_split

from models.classifiers.base import Labels, Task
from models.errors import Detail, InvalidInput

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fold:
    """Ascending rows to learn from and rows to score, and which repeat of the cross-validation this is."""

    train: Rows
    test: Rows
    repeat: int


def strata(y: Labels, task: Task, least: int) -> Labels | None:
    """(N,) code of each row's stratum: its class; for several labels their combination, those of fewer than `least`
    rows together (with the most frequent one where even that is too few). None for numbers."""
    if not task.classes:
        return None
    if not task.several:
        return np.unique(y, return_inverse=True)[1]
    _, codes, counts = np.unique(y, axis=0, return_inverse=True, return_counts=True)
    codes = codes.reshape(-1)
    rare = counts[codes] < least
    return np.where(rare, -1 if rare.sum() >= least else counts.argmax(), codes)


def cross_validation(
    y: Labels,
    task: Task,
    *,
    folds: int = 5,
    repeats: int = 1,
    groups: Labels | None = None,
    stratify: bool = True,
    seed: int = 0,
) -> list[Fold]:
    """`repeats` times `folds` folds. Every row is scored once per repeat; rows of one group are never on both sides;
    with `stratify`, folds have the shares of the classes (of label combinations).

    Raises InvalidInput where there are fewer rows, groups or rows of a class than folds.
    """
    if len(y) < folds:
        raise InvalidInput(
            f"There are {len(y)} rows for {folds} folds.", hint="Ask for fewer folds, or give more rows."
        )
    classes = strata(y, task, folds)
    if groups is not None:
        _check_groups(groups, folds)
    if classes is not None and not task.several:
        _check_classes(classes, groups, folds)
    out = []
    for repeat in range(repeats):
        drawn = seed % 2**31 + 7919 * repeat
        for train, test in _splits(classes if stratify else None, groups, len(y), folds, drawn):
            out.append(Fold(np.sort(train), np.sort(test), repeat))
    return out


def _splits(classes: Labels | None, groups: Labels | None, rows: int, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    nothing = np.zeros(rows)
    if classes is None:
        if groups is not None:
            return list(GroupKFold(folds, shuffle=True, random_state=seed).split(nothing, groups=groups))
        return list(KFold(folds, shuffle=True, random_state=seed).split(nothing))
    if groups is not None:
        return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(nothing, classes, groups))
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(nothing, classes))


def _check_groups(groups: Labels, folds: int) -> None:
    count = len(np.unique(groups))
    if count < folds:
        raise InvalidInput(
            f"The groups column has {count} group(s) for {folds} folds.",
            hint=f"Ask for at most {count} folds, or leave the groups out." if count > 1 else "Leave the groups out.",
            errors=[Detail(("options", "groups"), f"has {count} group(s)")],
        )


def _check_classes(classes: Labels, groups: Labels | None, folds: int) -> None:
    counts = np.unique(classes, return_counts=True)[1]
    if (few := int((counts < folds).sum())) > 0:
        raise InvalidInput(
            f"{few} of the target's {len(counts)} classes have fewer rows than there are folds ({folds}).",
            hint="Set merge_rare to true (these become one class), ask for fewer folds, or give more rows.",
            errors=[Detail(("options", "folds"), "more folds than rows of a class")],
        )
    if groups is None:
        return
    spread = [len(np.unique(groups[classes == c])) for c in np.unique(classes)]
    if min(spread) < 2:
        alone = sum(s < 2 for s in spread)
        raise InvalidInput(
            f"{alone} of the target's classes occur in one group only: no fold can learn and score them.",
            hint="Leave the groups out, or merge these classes.",
            errors=[Detail(("options", "groups"), "a class in one group only")],
        )


def split(
    y: Labels,
    task: Task,
    *,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    groups: Labels | None = None,
    stratify: bool = True,
    seed: int = 0,
) -> tuple[Rows, ...]:
    """Rows of training, validation and test (as many parts as `shares`, which add up to 1), each ascending.

    Stratified like the folds; with groups, whole groups are dealt out at random, each to the part that lacks most rows.
    Raises InvalidInput where a part would be empty or the shares do not add up.
    """
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise InvalidInput("The shares of a split must be above 0 and add up to 1.", hint="e.g. 0.6, 0.2, 0.2")
    rng = np.random.default_rng(seed)
    if groups is not None:
        parts = _dealt(groups, shares, rng)
    else:
        classes = strata(y, task, 2 * len(shares)) if stratify else None
        parts, rest, left = [], np.arange(len(y)), 1.0
        for share in shares[:-1]:
            kept = None if classes is None or np.unique(classes[rest], return_counts=True)[1].min() < 2 else classes
            first, rest = _two(rest, share / left, kept, int(rng.integers(2**31)))
            parts.append(first)
            left -= share
        parts.append(rest)
    if min(map(len, parts)) == 0:
        raise InvalidInput("A part of the split has no rows.", hint="Give more rows (or groups), or larger shares.")
    return tuple(np.sort(p) for p in parts)


def _two(rows: Rows, share: float, classes: Labels | None, seed: int) -> tuple[Rows, Rows]:
    size = round(share * len(rows))
    if size < 1 or size >= len(rows):
        return rows[:size], rows[size:]
    kinds = 0 if classes is None else len(np.unique(classes[rows]))
    keep = classes is not None and min(size, len(rows) - size) >= kinds
    strata_of = classes[rows] if keep and classes is not None else None
    first, rest = train_test_split(rows, train_size=size, random_state=seed, stratify=strata_of)
    return first, rest


def _dealt(groups: Labels, shares: Sequence[float], rng: np.random.Generator) -> list[Rows]:
    names, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    lacking = np.asarray(shares, np.float64) * len(groups)
    part = np.empty(len(names), np.int64)
    for g in rng.permutation(len(names)):
        part[g] = int(lacking.argmax())
        lacking[part[g]] -= counts[g]
    return [np.flatnonzero(part[places] == k) for k in range(len(shares))]
