"""docs/training.md names what exists, all of it and nothing else."""

import json
import re
from dataclasses import fields
from pathlib import Path

from typer.main import get_command

from models.options import FitOptions
from models.tuning.options import OBJECTIVES, TuneOptions
from models.tuning.space import parse_space
from populace.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def rows(head: str) -> list[str]:
    """First cells of the table whose head begins so."""
    table = PAGE[PAGE.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [line.split("|")[1] for line in table]


def test_every_option_is_in_the_table_and_every_entry_is_an_option() -> None:
    named = [name for cell in rows("option") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(f.name for f in fields(FitOptions))


def test_every_objective_is_in_the_table() -> None:
    assert tuple(re.findall(r"`(\w+)`", "".join(rows("objective")))) == OBJECTIVES


def test_the_space_is_one() -> None:
    block = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    TuneOptions(space=parse_space(json.loads(block[1]))).check(FitOptions())


def test_every_command_and_its_switches_exist() -> None:
    root = get_command(app)
    commands = re.findall(r"^populace ((?:jobs )?\w+) ([^#\n]*)", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for words, rest in commands:
        command = root
        for word in words.split():
            command = command.commands[word]  # type: ignore[attr-defined]
        known = {switch for p in command.params for switch in p.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= known, words
