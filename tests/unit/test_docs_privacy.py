"""The example of docs/privacy/accounting.md runs, and says the truth about itself."""

from __future__ import annotations

import re
from pathlib import Path

from models.accounting import epsilon, fits

TEXT = (Path(__file__).parents[2] / "docs" / "privacy" / "accounting.md").read_text(encoding="utf-8")


def test_the_example_of_the_accountant_runs() -> None:
    (code,) = re.findall(r"```python\n(from models\.accounting.*?)```", TEXT, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    spent, plan, scale = names["spent"], names["plan"], names["scale"]
    history = (*spent, *plan(scale))  # type: ignore[misc,operator]
    assert 0.99 < epsilon(history, 1e-9) <= 1
    assert fits(history, 1.0, 1e-9)
