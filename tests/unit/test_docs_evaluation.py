"""docs/evaluation.md names what exists."""

import json
import re
from dataclasses import fields
from pathlib import Path

from typer.main import get_command

from models.evaluation.analyses.requests import analyses_from_json
from models.evaluation.options import EvaluationOptions
from populace.cli import app
from service.jobs import judging
from service.jobs.schemas import EvaluateRequest

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parents[2]


def rows(head: str) -> list[str]:
    """First cells of the table whose head begins so."""
    table = PAGE[PAGE.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [line.split("|")[1] for line in table]


def test_every_option_is_in_the_table_and_every_entry_is_an_option() -> None:
    named = [name for cell in rows("option") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(f.name for f in fields(EvaluationOptions))


def test_the_examples_are_accepted() -> None:
    request, analyses = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    EvaluationOptions.from_json(EvaluateRequest(**request).evaluation or {})
    assert len(analyses_from_json(analyses)) == 3


def test_every_command_and_its_switches_exist() -> None:
    commands = re.findall(r"^populace ((?:jobs )?\w+) ([^#\n]*)", PAGE, re.MULTILINE)
    assert len(commands) == 5
    for words, rest in commands:
        command = get_command(app)
        for word in words.split():
            command = command.commands[word]  # type: ignore[attr-defined]
        known = {switch for p in command.params for switch in p.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= known, words


def test_refusals_have_the_codes_that_the_page_names() -> None:
    codes = set(re.findall(r"\(`(\w+)`\)", " ".join(rows("found in the synthetic table or the holdout"))))
    sources = [Path(str(judging.__file__)), ROOT / "models/evaluation/matching.py", ROOT / "service/jobs/resolved.py"]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert codes == {"no_common_columns", "other_types", "too_few_rows", "invalid_target"}
    assert all(f'code="{code}"' in text for code in codes)
    assert f"fewer than {judging.LEAST_ROWS} rows" in PAGE
