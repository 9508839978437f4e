"""What the verb of a private job does with rows that the domain does not know, and where the evaluation fails."""

from typing import Any

import pyarrow as pa
import pytest

from models.accounting import gaussian, history_to_json
from models.errors import Cancelled, InvalidInput
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.table import Table
from worker.verbs import private
from worker.verbs.evaluate import in_common


def table(labels: tuple[str, ...], *cells: str) -> Table:
    columns = (Column("sex", Kind.CATEGORICAL, categories=labels), Column("age", Kind.INTEGER, minimum=0, maximum=9))
    return Table(Schema(columns), pa.table({"sex": list(cells), "age": ["1"] * len(cells)}))


def test_both_tables_are_read_under_one_schema() -> None:
    real, synthetic = in_common(table(("f", "x"), "f", "x"), table(("m", "f"), "m", "f"))
    assert real.schema == synthetic.schema
    assert real.schema["sex"].categories == ("m", "f", "x")
    assert real.values("sex").values.tolist() == [1, 2]
    assert synthetic.values("sex").values.tolist() == [0, 1]


def test_an_evaluation_that_cannot_be_made_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given: tuple[Any, ...] = (table(("f",), "f"), table(("f",), "f"), {"seed": 1}, FitOptions(), None, None)

    def told(what: BaseException) -> Any:
        def assess(*_: Any, **__: Any) -> None:
            raise what

        monkeypatch.setattr(private, "assess", assess)
        return private.internal(*given)

    found = told(ValueError("Line 3 holds secret-cell-value"))
    assert set(found) == {"metrics", "sections", "meta"}
    assert "secret" not in str(found)
    with pytest.raises(Cancelled):
        told(Cancelled("stopped"))


def test_a_spec_says_what_may_be_released_and_no_more() -> None:
    fit = (gaussian(5.0, label="tables of counts"),)
    raw = {"epsilon": 1.0, "delta": 1e-6, "history": {"fit": history_to_json(fit)}}
    privacy, history = private.terms(raw)
    assert (privacy.epsilon, privacy.delta, dict(history)) == (1.0, 1e-6, {"fit": fit})
    with pytest.raises(InvalidInput):
        private.terms({**raw, "history": {"fit": [{"mechanism": "magic"}]}})
    with pytest.raises(KeyError):
        private.terms({"epsilon": 1.0, "delta": 1e-6})
