"""All of the project's metadata is in pyproject.toml; here is only what that cannot say."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py

SCRIPTS, INSTALLED = Path("alembic"), Path("service", "db", "migrations")
"""The migrations, and where service.db.migrate finds them once they are installed."""


class BuildWithMigrations(build_py):
    """Puts the migrations into the wheel. They are no package: alembic/ would hide the installed one."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, INSTALLED)
            copytree(SCRIPTS, target, ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)

    def get_source_files(self) -> list[str]:
        """Of a source distribution."""
        return [*super().get_source_files(), *(str(p) for p in SCRIPTS.rglob("*") if p.suffix in (".py", ".mako"))]


setup(cmdclass={"build_py": BuildWithMigrations})
