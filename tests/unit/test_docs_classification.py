"""docs/classification.md names every method, option and score there is, and its Python runs."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from bench.classification import CASES, write_digits
from models.classifiers import METHODS
from models.comparison.options import MEASURES, CompareOptions
from models.ingest import infer_schema, read_upload

TEXT = (Path(__file__).parents[2] / "docs" / "classification.md").read_text()


def test_every_method_option_and_measure_is_named() -> None:
    for name in (*METHODS, *(f.name for f in fields(CompareOptions))):
        assert f"`{name}`" in TEXT, name
    shown = TEXT.lower().replace("-", "_").replace(" ", "_")
    for name in {m for known in MEASURES.values() for m in known}:
        assert name.replace("macro_f1", "f1").replace("micro_f1", "f1") in shown, name


def test_defaults_in_the_table_are_those_of_the_options() -> None:
    options = CompareOptions((("a",),))
    for row in re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", TEXT, re.M):
        value = getattr(options, row[0], None)
        if isinstance(value, bool):
            assert row[1] == str(value).lower()
        elif isinstance(value, int):
            assert row[1].replace(",", "") == str(value)


def test_every_table_of_the_bench_is_in_the_docs() -> None:
    for name in CASES:
        assert name in TEXT


def test_the_digits_are_written_as_a_table(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits.csv")
    upload = read_upload(tmp_path / "digits.csv")
    assert upload.data.shape == (1797, 65)
    assert "digit" in infer_schema(upload.data)
    assert np.unique(upload.data.column("digit").to_pylist()).tolist() == list("0123456789")
