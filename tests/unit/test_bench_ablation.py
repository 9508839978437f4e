"""The ablation: parts are replaced for one run alone, results are not run again, and the table tells differences."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import ablation, passes, variants
from bench.variants import BY_NAME, Variant
from models.encoding.encoding import Layout
from models.gan import fitting
from models.gan.network import Generator
from models.gan.sampler import Sampler

LAYOUT = Layout((3, 2, 4, 3), (-1, -1, -1, 2), (None, None, None, np.array([3, 2, 3, 1])), (0,) * 4, (0,) * 4, (1,))
"""Three slots of the second column: its links, its coarse and its fine cells."""
SMALL = ["--tables", "census", "--rows", "200", "--steps", "3"]


def drawn(layout: Layout) -> np.ndarray:
    model = Generator(layout.width, len(layout.sizes), 16, 1)
    model.initialise(torch.ones(layout.width), torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.head.mul_(200)
        model.embed.mul_(20)
    return Sampler(model, layout, range(len(layout.sizes))).block(0, 0, 512, 1, 0)[0]


class TestVariants:
    def test_what_is_replaced_comes_back(self) -> None:
        before = fitting.FIXED
        seen = []

        def fails() -> None:
            with BY_NAME["plain-1"].patch():
                seen.append(fitting.FIXED)
                raise KeyError

        with pytest.raises(KeyError):
            fails()
        assert (seen, fitting.FIXED) == ([1.0], before)

    def test_columns_stay_whole(self) -> None:
        assert passes.columns_of(LAYOUT) == [[0], [1, 2, 3]]

    def test_slots_of_a_pass(self) -> None:
        assert passes.passes(LAYOUT, [1, 2, 3, 0], 1) == [[1], [2], [3], [0]]
        assert passes.passes(LAYOUT, [0, 1, 2, 3], 2) == [[1], [0, 2], [3]]
        tied = passes.extended(LAYOUT, 1)
        assert passes.passes(tied, [4, 0, 1, 2, 3], 2, [4]) == [[4], [1], [0, 2], [3]]

    def test_a_latent_variable_is_the_cluster_of_the_cells(self) -> None:
        rng = np.random.default_rng(0)
        codes = np.stack([rng.integers(0, size, 3_000) for size in LAYOUT.sizes], 1).astype(np.uint8)
        found = passes.clusters(codes, LAYOUT, passes.columns_of(LAYOUT), 1)
        rows = codes[:, 0] * 4 + codes[:, 2]
        assert len(np.unique(np.stack([rows, found], 1), axis=0)) == 12, "each pair of cells lies in one cluster"

    def test_one_column_per_pass_is_the_plain_walk_and_two_are_not(self) -> None:
        plain = drawn(LAYOUT)
        with passes.in_passes(1)():
            np.testing.assert_array_equal(drawn(LAYOUT), plain)
        with passes.in_passes(2)():
            assert (drawn(LAYOUT) != plain).any()

    def test_learnt_order_begins_with_what_the_others_tell_least_of(self) -> None:
        rng = np.random.default_rng(0)
        a = rng.integers(0, 4, 4_000)
        codes = np.stack([a, a // 2, rng.integers(0, 4, 4_000)], 1).astype(np.uint8)

        class Encoding:
            layout = Layout((4, 2, 4), (-1,) * 3, (None,) * 3)

        assert variants.learnt(codes, Encoding(), [[0], [1], [2]])[0] == [2]  # type: ignore[arg-type]

    def test_entropy_given_a_copy_is_nothing(self) -> None:
        a = np.random.default_rng(0).integers(0, 4, 10_000)
        assert variants.entropy(a) == pytest.approx(np.log(4), abs=0.01)
        assert variants.entropy_given(a, a) == pytest.approx(0, abs=1e-9)


class TestProgram:
    def test_results_are_rows_and_not_run_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        doc = tmp_path / "doc.md"
        doc.write_text(f"before\n{ablation.BEGIN}\nold\n{ablation.END}\nafter\n")
        broken = Variant("even", "cells", "broken", patch=lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        chosen = [v for v in variants.VARIANTS if v.name in ("base", "no-settling", "blocks-2", "blocks-2-z")]
        monkeypatch.setattr(ablation, "VARIANTS", [*chosen, broken])
        command = [*SMALL, "--out", str(tmp_path), "--doc", str(doc)]
        assert ablation.main(command) == 0
        found: dict[str, Any] = {
            r["variant"]: r for r in map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
        }
        assert list(found) == ["base", *(v.name for v in chosen[1:]), "even"]
        assert found["even"]["failed"].startswith("ZeroDivisionError")
        # These take the base's training over, and say nothing of its time.
        assert "fit_cpu_s" in found["base"]
        assert "fit_cpu_s" not in found["no-settling"]
        assert found["no-settling"]["scores"]["shape"] > found["base"]["scores"]["shape"]
        text = doc.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "| broken |  | failed: ZeroDivisionError" in text
        monkeypatch.setattr(ablation, "Bench", None)
        assert ablation.main(command) == 0

    def test_differences_beyond_chance_stand_out(self) -> None:
        base = {"scores": {"c2st": 0.9, "mle": 0.9, "shape": 1.0}}
        near = {"scores": {"c2st": 0.895, "mle": 0.901, "shape": 2.0}}
        far = {"scores": {"c2st": 0.9, "mle": 0.896, "shape": 1.0}}
        assert ablation.difference(near, base) == "-0.005 / +0.001 / +1.00"
        assert ablation.difference(far, base) == "**+0.000 / -0.004 / +0.00**"
        assert ablation.difference({"same": "no links"}, base) == "no links"
