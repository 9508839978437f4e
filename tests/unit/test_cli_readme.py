"""The README names what exists, all of it and nothing else."""

import re
from pathlib import Path

from typer.main import get_command

from populace.cli import app
from service.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CLIENT_ONLY = {"URL", "API_KEY"}


def test_every_setting_is_in_the_table_and_every_entry_is_a_setting() -> None:
    named: set[str] = set()
    for line in README.splitlines():
        if line.startswith("| `POPULACE_"):
            variables = re.findall(r"`(?:POPULACE)?_([A-Z_]+)`", line.split("|")[1])
            named.update(variables)
    assert named == {f.upper() for f in Settings.model_fields} | CLIENT_ONLY


def test_every_command_in_the_readme_exists() -> None:
    root = get_command(app)
    used = set(re.findall(r"^(?:.*`)?populace ([a-z]+)", README, re.MULTILINE))
    assert {"synth", "evaluate", "compare", "serve", "worker", "migrate", "doctor", "keys"} <= used
    assert used <= set(root.commands)  # type: ignore[attr-defined]


def test_every_folder_in_the_layout_exists() -> None:
    folders = set(re.findall(r"^\| `(\w+)/`", README, re.MULTILINE))
    assert {"models", "service", "worker", "populace"} <= folders
    assert all((Path(__file__).parents[2] / f).is_dir() for f in folders)


def test_every_switch_of_a_command_in_the_readme_exists() -> None:
    root = get_command(app)
    for name, rest in re.findall(r"^populace (synth|evaluate|compare|impute) ([^#\n]*)", README, re.MULTILINE):
        known = {switch for p in root.commands[name].params for switch in p.opts}  # type: ignore[attr-defined]
        assert set(re.findall(r"--[\w-]+", rest)) <= known, name
