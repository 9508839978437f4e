"""Numbers that follow another number in part of their rows."""

from __future__ import annotations

import numpy as np
import pytest

from models.conditions import parse_conditions
from models.encoding.encoding import Resolution, TableEncoding, encoding_from, fit_encoding
from models.errors import InvalidArtifact, InvalidInput
from models.gan.fitting import _taught
from models.gan.orders import drawing_order
from models.ingest import table_from_frame
from models.options import FitOptions
from models.synthesize import fit, impute, sample
from models.table import Table

CUT = Resolution(direct=40, coarse=16, fine=8)


def make_table(rows: int = 4_000, *, linked: bool = True, seed: int = 0) -> Table:
    """bill; paid: the bill in a third of the rows, one less in a tenth, a hundredth part of it in a tenth."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    bill = np.round(np.exp(rng.normal(9, 1, rows)))
    paid = np.round(np.exp(rng.normal(8, 1, rows)))
    u = rng.random(rows)
    if linked:
        paid = np.select([u < 0.33, u < 0.43, u < 0.53], [bill, bill - 1, np.round(bill / 100)], paid)
    frame = pd.DataFrame({"kind": rng.choice(["a", "b", "c"], rows), "bill": bill, "paid": paid})
    frame.loc[rng.random(rows) < 0.1, "bill"] = np.nan
    return table_from_frame(frame.astype({"bill": "Int64", "paid": "int64"}))


@pytest.fixture(scope="module")
def table() -> Table:
    return make_table()


@pytest.fixture(scope="module")
def encoding(table: Table) -> TableEncoding:
    return fit_encoding(table, CUT, link=True)


def shares(table: Table) -> dict[str, float]:
    bill, paid = (table.values(n) for n in ("bill", "paid"))
    both = (bill.missing < 0) & (paid.missing < 0)
    b, p = bill.values[both], paid.values[both]
    return {"same": np.mean(b == p), "less": np.mean(b - 1 == p), "part": np.mean(np.abs(p - b / 100) <= 0.5)}


def back(encoding: TableEncoding, table: Table, *where: str) -> Table:
    cells = encoding.encode(table).astype(np.int64)
    u = np.random.default_rng(1).random((len(table), encoding.uniforms))
    conditions = {c.column: c for c in parse_conditions(where, table.schema)}
    return Table(table.schema, encoding.decode(cells, u, np.arange(len(table)), conditions))


def test_the_relations_are_found_and_no_others(encoding: TableEncoding) -> None:
    (found,) = encoding.links
    assert (found.name, found.sources) == ("paid", {"bill"})
    assert [(k.low, k.high) for k in found.of[:2] if not k.ratio] == [(0, 0), (-1, -1)]
    assert any(k.ratio and k.low <= np.log(0.01) <= k.high for k in found.of)
    assert encoding.layout.sizes[encoding.link_slots["paid"]] == found.size
    assert fit_encoding(make_table(linked=False), CUT, link=True).links == ()
    assert fit_encoding(make_table(), CUT).links == ()


def test_rows_keep_them_through_cells_and_back(encoding: TableEncoding, table: Table) -> None:
    before, after = shares(table), shares(back(encoding, table))
    assert after["same"] == pytest.approx(before["same"], abs=0.01)
    assert after["less"] == pytest.approx(before["less"], abs=0.01)
    assert after["part"] == pytest.approx(before["part"], abs=0.04)
    blurred = shares(back(fit_encoding(table, CUT), table))
    assert blurred["same"] < 0.05


def test_a_link_without_its_source_stays_in_its_coarse_cell(encoding: TableEncoding, table: Table) -> None:
    cells = encoding.encode(table).astype(np.int64)
    cells[:, encoding.slots["bill"].start] = encoding.layout.sizes[encoding.slots["bill"].start] - 1  # missing
    u = np.random.default_rng(1).random((len(table), encoding.uniforms))
    done = Table(table.schema, encoding.decode(cells, u, np.arange(len(table))))
    again = encoding.encode(done)
    assert (done.values("bill").missing >= 0).all()
    np.testing.assert_array_equal(again[:, encoding.slots["paid"]], cells[:, encoding.slots["paid"]])
    assert not again[:, encoding.link_slots["paid"]].any()


def test_values_meet_conditions(encoding: TableEncoding, table: Table) -> None:
    condition = parse_conditions(["paid>=3000"], table.schema)[0]
    _, restriction = encoding.restrict(condition)
    cells = encoding.encode(table)[:, encoding.slots["paid"]]
    part = table.take(np.flatnonzero(restriction.mass[cells[:, 0], cells[:, 1]] > 0))
    assert len(part) > 1_000
    assert (back(encoding, part, "paid>=3000").values("paid").values >= 3_000).all()


def test_storing_keeps_them_and_damage_is_refused(encoding: TableEncoding, table: Table) -> None:
    raw, tensors = encoding.to_json(), encoding.tensors()
    again = encoding_from(encoding.schema, raw, tensors)
    np.testing.assert_array_equal(again.encode(table), encoding.encode(table))
    assert back(again, table).data.equals(back(encoding, table).data)
    (whole,) = raw["links"]
    for wrong in ({"source": "paid"}, {"source": "kind"}, {"low": float("nan")}, {"ratio": None}, {"low": "x"}):
        links = [{**whole, "links": [{**whole["links"][0], **wrong}]}]
        with pytest.raises(InvalidArtifact):
            encoding_from(encoding.schema, {**raw, "links": links}, tensors)
    with pytest.raises(InvalidArtifact):
        encoding_from(encoding.schema, {**raw, "links": [{**whole, "column": "kind"}]}, tensors)


def test_the_generator_learns_them(table: Table) -> None:
    synthesizer = fit(table, options=FitOptions(steps=150, holdout=0.0, adversarial="never", threads=1))
    drawn = sample(synthesizer, 4_000)
    before, after = shares(table), shares(drawn)
    for name, share in before.items():
        assert after[name] == pytest.approx(share, abs=0.05), name
    under = sample(synthesizer, 2_000, where=["bill>=20000", "kind=a"])
    assert (under.values("bill").values >= 20_000).all()
    assert shares(under)["same"] == pytest.approx(before["same"], abs=0.1)
    bill = table.values("bill")
    filled = impute(synthesizer, table).table
    rows = np.flatnonzero(bill.missing >= 0)
    assert (filled.values("bill").missing < 0).all()
    assert np.mean(filled.values("bill").values[rows] == filled.values("paid").values[rows]) < 0.4


def test_the_target_is_drawn_last_with_its_link(encoding: TableEncoding) -> None:
    slots = len(encoding.layout.sizes)
    assert drawing_order(encoding) == tuple(range(slots))
    paid = encoding.link_slots["paid"]
    assert drawing_order(encoding, "paid")[-3:] == (paid, paid + 1, paid + 2)
    kind = encoding.slots["kind"].start
    assert drawing_order(encoding, "kind") == (*(s for s in range(slots) if s != kind), kind)


def test_a_target_of_labels_is_taught_given_all_else_and_a_number_is_not(encoding: TableEncoding) -> None:
    assert [_taught(encoding, name) for name in ("kind", "paid", "nobody", None)] == [1, 0, 0, 0]


def test_an_unknown_target_is_refused(table: Table) -> None:
    with pytest.raises(InvalidInput, match="no column"):
        fit(table, options=FitOptions(target="nobody"))
