"""What `pip install populace-*.whl` brings along, and where it is found."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from service.db.migrate import SCRIPTS, find_scripts

ROOT = Path(__file__).parents[2]


def test_migrations_are_found_installed_and_in_the_repository(tmp_path: Path) -> None:
    here = tmp_path / "service" / "db"
    here.mkdir(parents=True)
    assert find_scripts(here) == tmp_path / "alembic"
    (here / "migrations").mkdir()
    assert find_scripts(here) == here / "migrations"
    assert SCRIPTS == ROOT / "alembic"


def test_the_wheel_holds_the_migrations(tmp_path: Path) -> None:
    """Built from links to the repository's own files, so that building leaves nothing in it."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "alembic", "service", "populace"):
        os.symlink(ROOT / name, tmp_path / name)
    code = "import setuptools.build_meta as b; b.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    wanted = {f"service/db/migrations/{p.relative_to(SCRIPTS)}" for p in SCRIPTS.rglob("*") if p.suffix == ".py"}
    assert len(wanted) >= 2
    assert wanted | {"service/db/migrate.py", "service/reports/html/templates/report.html"} <= names
    assert not [n for n in names if n.startswith("alembic/")], "it would hide the package of that name"
