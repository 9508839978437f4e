"""The private bench: the same cells for all, failing peers as rows, results that are not run again, and its tables."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench import environments, summary
from bench.dp import __main__ as dp
from bench.dp import tables
from bench.dp.bins import Bins, ColumnBins

ROOT = Path(__file__).parents[2]
SMALL = ["--tables", "census", "--rows", "300", "--seeds", "1", "--threads", "1", "--epsilons", "1"]


def lines(folder: Path) -> list[dict[str, Any]]:
    return summary.results(folder / "results.jsonl")


class TestBins:
    def test_labels_codes_and_few_numbers_come_back_as_they_are(self) -> None:
        frame = pd.DataFrame(
            {
                "label": ["b", "a", "", "a"] * 10,
                "code": ["1", "2", "10", "2"] * 10,
                "few": [str(j % 20) if j % 4 else "N" for j in range(40)],
            }
        )
        bins = Bins.of(frame)
        assert bins.sizes == [3, 3, 1 + 15]
        pd.testing.assert_frame_equal(bins.decode(bins.encode(frame), seed=0), frame)

    def test_numbers_stay_in_their_bin_and_frequent_values_have_their_own(self) -> None:
        rng = np.random.default_rng(0)
        x = np.where(rng.random(5_000) < 0.3, 0, rng.integers(1, 100_000, 5_000))
        texts = pd.Series(np.where(rng.random(5_000) < 0.1, "N", x.astype(str)))
        column = ColumnBins.of(texts)
        cells = column.encode(texts)
        assert set(cells) == set(range(column.size))
        assert 22 <= column.size <= 30
        drawn = pd.Series(column.decode(cells, rng))
        assert (column.encode(drawn) == cells).all()
        assert ((drawn == "N") == (texts == "N")).all()
        assert ((drawn == "0") == (texts == "0")).all()
        assert (drawn != texts).mean() > 0.5

    def test_a_value_of_the_holdout_between_two_bins_has_a_cell(self) -> None:
        column = ColumnBins.of(pd.Series([str(v) for v in range(0, 4_000, 10)]))
        assert column.encode(pd.Series(["-5", "5", "99999"])).tolist()[::2] == [0, column.size - 1]

    def test_fractions_stay_fractions(self) -> None:
        texts = pd.Series([f"{v:.2f}" for v in np.random.default_rng(0).normal(size=500)])
        column = ColumnBins.of(texts)
        drawn = column.decode(column.encode(texts), np.random.default_rng(1))
        assert np.mean([float(v) % 1 != 0 for v in drawn]) > 0.9


class TestRuns:
    def test_ours_runs_beside_a_peer_that_fails_and_is_not_run_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(environments, "python", lambda model, cache: Path(sys.executable))
        command = [*SMALL, "--models", "bins", "ours", "mst", "--out", str(tmp_path)]
        command += ["--set", 'ours.plan={"latent": 20, "steps": 10, "strength": 0.05}']
        assert dp.main(command) == 0
        bins, ours, mst = lines(tmp_path)
        assert bins["scores"]["cells3"] == 0
        assert bins["scores"]["mle"] == pytest.approx(bins["scores"]["mle_real"], abs=0.15)
        assert ours["scores"]["rows"] == ours["train_rows"]
        assert ours["scores"]["cells2"] > 5
        assert ours["fit_s"] > 0
        assert ours["peak_mb"] > 50
        assert "No module named 'dpmm'" in mst["failed"]
        assert dp.main(command) == 0
        assert len(lines(tmp_path)) == 3
        text = (tmp_path / "tables.md").read_text()
        assert "| 1 | MST | | failed: ModuleNotFoundError" in text
        assert "|  | the cells alone |" in text

    def test_epsilon_reaches_the_noise(self, tmp_path: Path) -> None:
        command = [*SMALL[:-1], "0.1", "1000", "--models", "ours", "--out", str(tmp_path)]
        dp.main([*command, "--set", 'ours.plan={"latent": 50, "steps": 60, "strength": 0.01}'])
        small, large = lines(tmp_path)
        assert small["scores"]["cells2"] > 1.5 * large["scores"]["cells2"]

    def test_codes_outside_the_domain_are_a_failure(self, tmp_path: Path) -> None:
        given = dp.parse([*SMALL, "--out", str(tmp_path)])
        case = dp.Case("census", given)
        for codes in (case.codes + 1_000, case.codes[:, 1:], -1 - case.codes):
            with pytest.raises(ValueError, match="codes"):
                case.scores(codes, 1, tmp_path / "x.csv")


def result(model: str, seed: int, tvd3: float, mle: float, **more: Any) -> dict[str, Any]:
    scores = dict.fromkeys(("tvd2", "cells2", "cells3", "c2st"), 1.0) | {"tvd3": tvd3, "mle": mle, "mle_real": 0.9}
    base = {"table": "adult", "cut": None, "model": model, "epsilon": 1.0, "delta": 1e-9, "seed": seed}
    base |= {"settings": {}, "threads": 1, "train_rows": 10, "task": "binary", "columns": 3, "cells": 9}
    return {**base, "fit_s": 1.0, "fit_cpu_s": 0.9, "peak_mb": 99.0, "scores": scores, **more}


class TestTables:
    def test_who_is_ahead_is_counted_by_medians_in_cells_that_both_have(self) -> None:
        ours = [result("ours", s, 5.0 + s, 0.8) for s in (1, 2, 3)]
        ours += [{**result("ours", 1, 9.0, 0.8), "epsilon": 3.0}, {**result("ours", 1, 0.0, 1.0), "epsilon": 10.0}]
        aim = [result("aim", 1, 7.5, 0.9), {**result("aim", 1, 8.0, 0.7), "epsilon": 3.0}]
        other = result("aim", 1, 99.0, 0.0, settings={"n_iters": 1})
        text = tables.comparison([*ours, *aim, other])
        assert "on tvd3 in 1 of 2, on mle in 1 of 2" in text
        assert "MST" not in text

    def test_every_row_has_the_same_number_of_cells(self) -> None:
        failed = {k: v for k, v in result("mst", 1, 0, 0, failed="a | b").items() if k != "scores"}
        bins = {k: v for k, v in result("bins", 1, 0.4, 0.9).items() if not k.startswith(("fit", "peak"))}
        text = tables.report([result("ours", 1, 5.0, 0.8), result("ours", 2, 6.0, 0.8), failed, bins])
        rows = [r for r in text.splitlines() if r.startswith("|")]
        assert {r.count("|") for r in rows} == {13}
        assert "| 1 | **ours** | 2 | 1.0 | 0.9 | 99 | 1.00 | 5.50 (5.00 to 6.00) |" in text

    def test_the_readme_has_the_markers(self) -> None:
        text = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
        assert all(text.count(marker) == 1 for marker in tables.MARKERS)
