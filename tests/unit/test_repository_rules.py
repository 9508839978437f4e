"""Rules of the repository itself: sizes, import weight, layout (import directions are checked by `make lint`)."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCES = [
    p for top in ("models", "service", "worker", "populace", "tests", "bench") for p in (ROOT / top).rglob("*.py")
]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_source_file_is_longer_than_500_lines() -> None:
    assert len(SOURCES) > 50
    assert {str(p.relative_to(ROOT)): lines(p) for p in SOURCES if lines(p) > 500} == {}


def test_half_of_the_files_are_below_120_lines() -> None:
    sizes = sorted(lines(p) for p in SOURCES if p.name != "__init__.py")
    assert sizes[len(sizes) // 2] < 120


@pytest.mark.parametrize("module", ["service.main", "worker.supervisor", "worker.tasks", "populace", "populace.cli"])
def test_import_leaves_torch_and_pandas_out(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'pandas', 'sklearn', 'sdmetrics') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_child_process_holds_no_database_and_no_broker() -> None:
    code = "import sys, worker.runner; print([m for m in ('sqlalchemy', 'celery', 'fastapi') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_migrations_folder_does_not_hide_alembic() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
    code = "import alembic; print(alembic.__version__)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


class TestCompose:
    """No engine runs in CI: the file is parsed and its promises are checked."""

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))

    def test_services(self) -> None:
        assert set(self.compose["services"]) == {"postgres", "redis", "migrate", "api", "worker"}

    def test_no_password_is_written_down(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        assert "POSTGRES_PASSWORD: ${POPULACE_DB_PASSWORD:?" in text
        for name, service in self.compose["services"].items():
            for key, value in dict(service.get("environment", {})).items():
                if "PASSWORD" in key or key.endswith("_URL"):
                    assert "${" in str(value), (name, key)

    def test_only_the_api_is_published_and_only_on_loopback(self) -> None:
        published = {n: s["ports"] for n, s in self.compose["services"].items() if "ports" in s}
        assert set(published) == {"api"}
        assert all(str(p).startswith("127.0.0.1:") for p in published["api"])

    def test_every_variable_is_a_setting(self) -> None:
        from service.settings import Settings

        for service in self.compose["services"].values():
            for key in dict(service.get("environment", {})):
                if key.startswith("POPULACE_"):
                    assert key.removeprefix("POPULACE_").lower() in Settings.model_fields

    def test_stateful_services_keep_volumes_and_all_restart(self) -> None:
        services = self.compose["services"]
        assert services["postgres"]["volumes"]
        assert all(s.get("restart") == "unless-stopped" for n, s in services.items() if n != "migrate")
        assert all("healthcheck" in services[n] for n in ("postgres", "redis", "api"))

    def test_every_image_names_its_version(self) -> None:
        images = [s["image"] for s in self.compose["services"].values() if "image" in s and "build" not in s]
        assert images
        assert all(":" in i and not i.endswith(":latest") for i in images)

    def test_dockerfile_runs_as_an_ordinary_user(self) -> None:
        text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        assert "\nUSER populace" in text
        assert "constraints.txt" in text
