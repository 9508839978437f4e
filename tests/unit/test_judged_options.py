"""What a job's spec asks of its evaluation reaches it."""

from __future__ import annotations

from typing import Any

import pytest

from models.evaluation.result import Evaluation
from worker.verbs import evaluate as verb


@pytest.mark.parametrize(
    ("spec", "private"),
    [({}, False), ({"privacy": {"epsilon": 1}}, True), ({"private": True}, True), ({"privacy": None}, False)],
)
def test_options_seed_target_and_privacy(monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], private: bool) -> None:
    given: dict[str, Any] = {}

    def evaluate(*tables: Any, **how: Any) -> Evaluation:
        given.update(how)
        return Evaluation(())

    monkeypatch.setattr(verb, "evaluate", evaluate)
    asked: Any = {"seed": 4, "target": "sex", "evaluation": {"known": ["age"], "rows": 99}, **spec}
    table: Any = None
    found = verb.judged(table, table, table, asked, table)
    assert found["metrics"] == []
    assert (given["seed"], given["target"], given["private"]) == (4, "sex", private)
    assert (given["options"].known, given["options"].rows) == (("age",), 99)
