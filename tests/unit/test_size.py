"""What large tables need: many labels in their true shares, and one copy of a long table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from models.artifacts import read_bundle, write_bundle
from models.encoding import encoding
from models.encoding.encoding import Layout
from models.evaluation.evaluate import evaluate
from models.evaluation.matrix import distinct_keys, read_matrix
from models.evaluation.options import EvaluationOptions
from models.gan.tails import FLOOR, Tail, tails_of
from models.schema import Column, Kind, Schema
from models.synthesize import FitOptions, Synthesizer, fit, sample
from models.table import Selection, Table, Values, write_values

LABELS = 900
OPTIONS = FitOptions(seed=1, holdout=0.0, steps=60, hidden=64, depth=1, threads=1, adversarial="never")


def make_table(rows: int = 8_000) -> Table:
    """A region, a label of 900 (Zipf) that mostly belongs to one region, and a number."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, LABELS + 1)
    label = np.concatenate([np.arange(LABELS), rng.choice(LABELS, rows - LABELS, p=share / share.sum())])
    home = rng.integers(0, 4, LABELS)
    region = np.where(rng.random(rows) < 0.9, home[label], rng.integers(0, 4, rows))
    # As codes of places do, labels begin with what they belong to.
    names = tuple(f"{'abcd'[home[i]]}{n:03d}" for i, n in enumerate(rng.permutation(LABELS)))
    columns = (
        Column("region", Kind.CATEGORICAL, categories=("a", "b", "c", "d")),
        Column("label", Kind.CATEGORICAL, categories=tuple(sorted(names))),
        Column("size", Kind.INTEGER, missing_codes=("",)),
    )
    size = np.where(rng.random(rows) < 0.1, "", rng.poisson(9, rows).astype(str))
    cells = {"region": np.array(list("abcd"))[region], "label": np.array(names)[label], "size": size}
    order = rng.permutation(rows)
    return Table(Schema(columns), pa.table({n: pa.array(v[order], pa.string()) for n, v in cells.items()}))


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table()


@pytest.fixture(scope="module")
def synthesizer(table: Table) -> Synthesizer:
    return fit(table, options=OPTIONS)


def shares(table: Table) -> npt.NDArray[np.float64]:
    return np.bincount(table.values("label").values, minlength=LABELS) / len(table)


def test_labels_of_the_tail_keep_their_shares(table: Table, synthesizer: Synthesizer) -> None:
    real, rows = shares(table), 40_000
    made = shares(sample(synthesizer, rows, seed=3))
    top = np.argsort(-real)[:700]  # of them 256 have cells of their own
    off = made[top] / real[top] - 1
    chance = (1 - real[top]) / (rows * real[top])
    # Root mean square error beyond chance: .5 and more where the network alone has to tell the labels of a group apart.
    assert float(np.sqrt(max(0.0, float((off**2 - chance).mean())))) < 0.15


def test_labels_of_the_tail_still_depend_on_the_row(table: Table, synthesizer: Synthesizer) -> None:
    def agree(t: Table) -> float:
        """Share of the rows with a label of the tail whose region is the label's."""
        label = t.values("label").values
        tail = ~np.isin(label, np.argsort(-shares(table))[:256])
        home = np.array(["abcd".index(word[0]) for word in t.schema["label"].categories or ()])
        return float((home[label] == t.values("region").values)[tail].mean())

    real, drawn = agree(table), agree(sample(synthesizer, 20_000, seed=4))
    assert real > 0.9
    assert drawn > 0.5  # .3 by chance


def test_shares_of_groups_are_stored_and_older_synthesizers_load(synthesizer: Synthesizer, tmp_path: Path) -> None:
    synthesizer.save(tmp_path / "new")
    again = Synthesizer.load(tmp_path / "new")
    assert sample(again, 500, seed=5).data.equals(sample(synthesizer, 500, seed=5).data)
    parts, tensors = read_bundle(tmp_path / "new", "synthesizer")
    kept = {k: np.array(v) for k, v in tensors.items() if "_tails." not in k}
    assert len(kept) == len(tensors) - 1
    names = ("schema", "encoding", "network", "order", "manifest")
    write_bundle(tmp_path / "old", "synthesizer", {k: parts[k] for k in names}, kept)
    assert len(sample(Synthesizer.load(tmp_path / "old"), 500)) == 500


def test_cells_that_a_group_does_not_have_are_never_drawn() -> None:
    layout = Layout((3, 4), (-1, 0), (None, np.array([1, 4, 2])), (0, 0), (0, 0))
    counts = np.array([[5, 0, 0, 0], [1, 2, 3, 4], [6, 2, 0, 0]])
    tail = Tail(1, layout, counts)
    assert np.allclose(tail.factors(tail.log.device), counts / counts.sum(1, keepdims=True))
    tail.log[0, 1], tail.log[2, 3] = 5.0, float("nan")  # as a damaged file might have it
    assert np.array_equal(tail.factors(tail.log.device) > 0, counts > 0)
    assert float(tail.log[1].min()) > FLOOR
    codes = np.array([[0, 0], [1, 3], [1, 3], [2, 1]], np.uint8)
    [found] = tails_of(layout, codes)
    assert found.goal is not None
    assert found.goal[1, 3] == found.goal[2, 1] == 1
    numbers = Layout((3, 4), (-1, 0), (None, np.array([1, 4, 2])), (0, 0), (3, 4))
    assert tails_of(numbers, codes) == []


def test_very_many_labels_are_written() -> None:
    column = Column("x", Kind.CATEGORICAL, categories=tuple(f"L{i}" for i in range(40_000)), missing_codes=("?",))
    codes, missing = np.array([39_999, -1, 0], np.int32), np.array([-1, 0, -1], np.int16)
    assert write_values(Values(codes, missing), column).to_pylist() == ["L39999", "?", "L0"]


@pytest.mark.parametrize("rows", [np.arange(100, 7_000, 3), np.array([7, 5_000]), np.array([], np.int64)])
def test_a_part_of_a_table_reads_as_its_rows(table: Table, rows: npt.NDArray[np.int64]) -> None:
    part, copy = table.part(rows), table.take(rows)
    assert isinstance(part, Selection)
    assert (len(part), part.names) == (len(copy), copy.names)
    assert part.data.equals(copy.data)
    for name in table.schema.names:
        assert part.column(name).to_pylist() == copy.column(name).to_pylist()
        a, b = part.values(name), copy.values(name)
        assert np.array_equal(a.values, b.values, equal_nan=name == "size")
        assert np.array_equal(a.missing, b.missing)
    assert part.take(slice(1, 3)).data.equals(copy.take(slice(1, 3)).data)
    if len(rows) > 9:
        for at in (np.array([0, 4, 9]), np.array([9, 0, 4, 4])):
            assert part.take(at).data.equals(copy.take(at).data)
        assert part.part(np.array([0, 4])).data.equals(copy.take(np.array([0, 4])).data)
    assert part.select(["size"]).data.equals(copy.select(["size"]).data)


def test_rows_are_encoded_piece_by_piece(
    table: Table, synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = synthesizer.encoding.encode(table)
    monkeypatch.setattr(encoding, "PIECE", 1_000)
    monkeypatch.setattr(Table, "values", lambda self, name: bounded(self).read(self.schema[name]))

    def bounded(part: Table) -> Table:
        assert len(part) <= 1_000
        return part

    assert np.array_equal(synthesizer.encoding.encode(table), whole)


def test_a_fit_makes_no_second_copy_of_the_table(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Selection) -> pa.Table:
        raise AssertionError("the rows were copied")

    monkeypatch.setattr(Selection, "data", property(refuse))
    options = FitOptions(holdout=0.2, steps=2, hidden=16, depth=1, threads=1, adversarial="never")
    assert fit(table, options=options).manifest["split"]["train_rows"] == 6_400


def test_copies_are_looked_for_among_all_training_rows(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    verb = sys.modules["models.evaluation.evaluate"]
    monkeypatch.setattr(verb, "MOST_CELLS", 0)
    monkeypatch.setattr(verb, "LEAST_ROWS", 200)
    options = EvaluationOptions(rows=200, mlp=False, sdmetrics=False)
    made = Table(table.schema, table.data.slice(7_000, 150))
    got = evaluate(table, table.take(slice(0, 100)), made, options=options)
    [copies] = [m for m in got.metrics if m.name == "copies"]
    assert copies.value == 1.0


def test_keys_tell_rows_apart_and_nothing_else(table: Table) -> None:
    columns = table.schema.columns
    found = distinct_keys(table, columns, "real")
    rows = {tuple(row.values()) for row in table.data.to_pylist()}
    assert len(found) == len(rows)
    twice = read_matrix(Table(table.schema, pa.concat_tables([table.data, table.data])), columns, "real").row_keys()
    assert np.array_equal(twice[: len(table)], twice[len(table) :])


def test_survey_weights_keep_their_total_and_those_of_groups() -> None:
    rng, rows = np.random.default_rng(2), 6_000
    area = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    weight = np.round(np.array([40.0, 90.0, 400.0])[area] * rng.lognormal(0, 0.5, rows), 2)
    columns = (Column("area", Kind.CATEGORICAL, categories=("x", "y", "z")), Column("wt", Kind.WEIGHT, decimals=2))
    cells = {"area": pa.array(np.array(list("xyz"))[area]), "wt": pa.array([f"{w:.2f}" for w in weight])}
    real = Table(Schema(columns), pa.table(cells))
    made = sample(fit(real, options=replace(OPTIONS, steps=200)), 20_000, seed=1)

    def totals(table: Table) -> npt.NDArray[np.float64]:
        """Of each area, and of all, per row."""
        by_area = np.bincount(table.values("area").values, table.values("wt").values, minlength=3)
        return np.append(by_area, by_area.sum()) / len(table)

    assert totals(made)[3] == pytest.approx(totals(real)[3], rel=0.03)
    assert totals(made) == pytest.approx(totals(real), rel=0.1)

    assert made.values("wt").values.min() >= 0
