"""The bench itself: measured processes, failing peers as rows, results that are not run again, and the README."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import environments, run, summary

ROOT = Path(__file__).parents[2]
SMALL = ["--tables", "census", "--rows", "200", "--seeds", "1", "--threads", "1"]


def lines(folder: Path) -> list[dict[str, Any]]:
    return summary.results(folder / "results.jsonl")


class TestFailures:
    def test_a_peer_that_fails_is_a_row(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its package is not in this environment."""
        monkeypatch.setattr(environments, "python", lambda model, cache: Path(sys.executable))
        assert run.main([*SMALL, "--models", "ctgan", "independent", "--out", str(tmp_path)]) == 0
        failed, other = lines(tmp_path)
        assert failed["model"] == "ctgan"
        assert "No module named 'ctgan'" in failed["failed"]
        assert other["scores"]["shape"] == 0
        text = (tmp_path / "tables.md").read_text()
        assert "| ctgan | | failed: ModuleNotFoundError" in text
        assert "independent columns" in text

    def test_an_environment_that_cannot_be_made_is_a_row(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(command, 1, "", "no such package\n")

        monkeypatch.setattr(environments.subprocess, "run", fail)
        with pytest.raises(environments.NoEnvironment, match="arf could not be made: no such package"):
            environments.python("arf", tmp_path)
        given = run.parse(["--cache", str(tmp_path), "--out", str(tmp_path)])
        got = run.run_model("arf", tmp_path / "train.csv", tmp_path / "out.csv", 10, 1, {}, given)
        assert got == {"failed": "the environment arf could not be made: no such package"}

    def test_ours_failing_ends_with_an_error(self, tmp_path: Path) -> None:
        command = [*SMALL, "--models", "ours", "--set", "ours.nonsense=1", "--out", str(tmp_path)]
        assert run.main(command) == 1
        assert "nonsense" in lines(tmp_path)[0]["failed"]

    def test_the_limit_ends_a_run(self, tmp_path: Path) -> None:
        command = [*SMALL, "--models", "ours", "--limit", "0.3", "--out", str(tmp_path)]
        assert run.main(command) == 1
        assert lines(tmp_path)[0]["failed"] == "took more than 0.3 s"

    @pytest.mark.parametrize("text", ["ctgan", "ctgan.epochs", "nobody.epochs=3", "ctgan=3"])
    def test_a_setting_that_says_nothing_is_refused(self, text: str) -> None:
        with pytest.raises(SystemExit, match=r"MODEL\.NAME=VALUE"):
            run.settings_of([text])


class TestResults:
    def test_what_is_there_is_not_run_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = [*SMALL, "--models", "holdout", "bootstrap", "--out", str(tmp_path)]
        run.main(command)
        first = lines(tmp_path)
        run.main(command)
        assert lines(tmp_path) == first
        assert len(first) == 2
        run.main([*command, "--seeds", "1", "2"])
        assert [(r["model"], r["seed"]) for r in lines(tmp_path)[2:]] == [("bootstrap", 2)]

    def test_settings_are_part_of_a_result(self) -> None:
        got = run.settings_of(["ctgan.epochs=20", "ours.model=ctgan", "ours.steps=5"])
        assert got == {"ctgan": {"epochs": 20}, "ours": {"model": "ctgan", "steps": 5}}


class TestMeasure:
    def measure(self, code: str, limit: str = "20") -> dict[str, Any]:
        command = [sys.executable, "-S", "-E", str(ROOT / "bench" / "measure.py"), limit, sys.executable, "-c", code]
        return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))

    def test_memory_and_time(self) -> None:
        """200 MB of ones; whatever the test's own process holds does not count."""
        ballast = b"\x01" * 400_000_000
        small = self.measure("print('noise')")
        large = self.measure("x = b'\\x01' * 200_000_000; import time; time.sleep(0.3)")
        assert len(ballast)
        assert small["code"] == large["code"] == 0
        assert small["peak_mb"] < 60
        assert 190 < large["peak_mb"] - small["peak_mb"] < 215
        assert large["wall_s"] >= 0.3

    def test_exit_codes_and_limit(self) -> None:
        assert self.measure("raise SystemExit(3)")["code"] == 3
        over = self.measure("import time; time.sleep(30)", "0.3")
        assert over["over"]
        assert over["wall_s"] < 5


def result(model: str, seed: int, **more: Any) -> dict[str, Any]:
    scores = dict.fromkeys(("shape", "trend", "tvd2", "tvd3", "copies", "copies_test"), 1.0)
    scores |= {"c2st": 0.9 + seed / 100, "mle": 0.8, "mle_real": 0.85, "dcr": 0.5, "rows": 1000}
    base = {"table": "adult", "cut": None, "model": model, "seed": seed, "settings": {}, "threads": 2}
    base |= {"train_rows": 1000, "test_rows": 100, "task": "binary", "scores": scores}
    return {**base, **more}


OURS = [result("ours", s, fit_s=10.0 * s, facts={}, sample_s=0.5, peak_mb=300.0) for s in (1, 2, 3)]
QUICK = {"settings": {"epochs": 20}, "fit_s": 60.0, "facts": {"default_fit_s": 400.0}, "sample_s": 0.1, "peak_mb": 9.0}


class TestSummary:
    some = [*OURS, result("ctgan", 1, **QUICK)]

    def test_medians_ranges_and_ratio(self) -> None:
        text = summary.report(self.some)
        assert "| **ours** | 3 | 20.0 | 2,000 | 300 | 1.00 | 1.00 | 1.00 | 0.920 (0.910 to 0.930) | 0.800 |" in text
        assert "| ctgan (epochs=20) | 1 | 60.0 | 10,000 | 9 |" in text
        assert "20.0 x faster than at its default 300 epochs (400 s, extrapolated from 20" in text
        assert "2,000 rows/s against 10,000" in text

    def test_ours_cut_short_is_not_compared(self) -> None:
        short = [{**r, "settings": {"steps": 5}} for r in OURS]
        assert "Against CTGAN" not in summary.report([*short, self.some[-1]])

    def test_the_classic_model_is_compared_at_equal_epochs(self) -> None:
        same = result("ours-ctgan", 1, settings={"epochs": 20}, fit_s=6.0, facts={}, sample_s=0.1, peak_mb=9.0)
        other = {**same, "settings": {"epochs": 30}}
        assert "at 20 epochs: 6.0 s, 10.0 x faster" in summary.report([*self.some, same])
        assert "x faster" not in summary.report([self.some[-1], other])

    def test_a_later_result_replaces_an_earlier_one(self) -> None:
        failed = {k: v for k, v in result("ours", 2, failed="out of | memory").items() if k != "scores"}
        assert "| **ours** | 2 of 3 | 20.0 |" in summary.report([*self.some, failed])
        only = {**failed, "seed": 1}
        assert "| **ours** | | failed: out of / memory |" in summary.report([only])

    def test_every_row_has_the_same_number_of_cells(self) -> None:
        failed = {k: v for k, v in result("tvae", 1, failed="x").items() if k != "scores"}
        rows = [r for r in summary.table(("adult", 1000, 2), [*self.some, failed]).splitlines() if r.startswith("|")]
        assert {r.count("|") for r in rows} == {13}


class TestReadme:
    def test_replaces_only_what_stands_between_the_markers(self, tmp_path: Path) -> None:
        file = tmp_path / "README.md"
        file.write_text(f"# Before\n\n{summary.BEGIN}\nold\n{summary.END}\n\nAfter |\n")
        for text in ("new\ntable\n", "newer"):
            summary.write(file, text)
            assert file.read_text() == f"# Before\n\n{summary.BEGIN}\n{text.strip()}\n{summary.END}\n\nAfter |\n"

    @pytest.mark.parametrize("text", ["nothing", summary.BEGIN, f"{summary.END}\n{summary.BEGIN}"])
    def test_without_markers_nothing_is_written(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "README.md"
        file.write_text(text)
        with pytest.raises(ValueError, match="must hold the lines"):
            summary.write(file, "new")
        assert file.read_text() == text

    def test_the_projects_own_has_the_markers(self) -> None:
        text = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
        assert text.count(summary.BEGIN) == text.count(summary.END) == 1
