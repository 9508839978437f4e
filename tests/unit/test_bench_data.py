"""The bench's tables: splits, and what the peers are handed and write."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from bench import data


def runner() -> ModuleType:
    """peers/runner.py as a module: it runs in other environments and is no part of the package."""
    path = Path(data.__file__).parent / "peers" / "runner.py"
    spec = importlib.util.spec_from_file_location("bench_peer_runner", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def store(folder: Path, file: str, frame: pd.DataFrame) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / file, index=False)


class TestSplits:
    def test_nine_tenths_of_a_fixed_permutation(self, tmp_path: Path) -> None:
        store(tmp_path, "magic/magic.csv.gz", pd.DataFrame({"row": range(205), "class": "g"}))
        split = data.load("magic", tmp_path)
        order = np.random.RandomState(1234).permutation(205)
        assert split.train["row"].tolist() == [str(i) for i in order[:184]]
        assert split.test["row"].tolist() == [str(i) for i in order[184:]]

    def test_adult_has_its_own_holdout(self, tmp_path: Path) -> None:
        store(tmp_path, "adult/train.csv.gz", pd.DataFrame({"age": range(30), "income": "?"}))
        store(tmp_path, "adult/test.csv.gz", pd.DataFrame({"income": "?", "age": range(30, 40)}))
        split = data.load("adult", tmp_path)
        assert split.train["age"].tolist() == [str(i) for i in range(30)]
        assert list(split.test) == ["age", "income"]
        assert len(split.test) == 10
        assert len(data.load("adult", tmp_path, rows=7).train) == 7

    def test_beijing_drops_missing_rows_and_the_row_number(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"No": range(100), "year": 2010, "pm2.5": ["", *map(str, range(99))]})
        store(tmp_path, "beijing_pm25/beijing_pm25.csv.gz", frame)
        split = data.load("beijing", tmp_path)
        assert list(split.train) == ["year", "pm2.5"]
        assert len(split.train) + len(split.test) == 99
        assert (split.train["pm2.5"] != "").all()

    def test_cells_stay_as_the_source_spells_them(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"AGEP": ["07", "N", "NA", ""] * 10, "OWN_RENT": "0"})
        store(tmp_path, "nist_acs/national2019.csv.gz", frame)
        split = data.load("national2019", tmp_path)
        assert set(split.train["AGEP"]) == {"07", "N", "NA", ""}
        train, test = data.write(split, tmp_path / "out")
        back = pd.concat([pd.read_csv(p, dtype=str, keep_default_na=False) for p in (train, test)])
        assert sorted(back["AGEP"]) == sorted(frame["AGEP"])

    def test_without_data_only_the_census_is_there(self) -> None:
        split = data.load("census", None, rows=300)
        assert len(split.train) == 300
        assert split.target in split.train
        assert pd.to_numeric(split.train["income"]).nunique() > 15
        with pytest.raises(data.NoData, match="--data"):
            data.load("magic", None)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(data.NoData, match=r"magic\.csv\.gz"):
            data.load("magic", tmp_path)


class TestWhatPeersAreHanded:
    frame = pd.DataFrame(
        {
            "age": [str(i) for i in range(40)],
            "pay": ["N" if i % 4 == 0 else str(i * 10) for i in range(40)],
            "rate": [f"{i / 8}" for i in range(40)],
            "code": [str(i % 3) for i in range(40)],
            "mixed": ["N" if i % 4 == 0 else "?" if i % 4 == 1 else str(i) for i in range(40)],
        }
    )

    @pytest.mark.parametrize("blanks", [True, False])
    def test_round_trip(self, tmp_path: Path, blanks: bool) -> None:
        self.frame.to_csv(tmp_path / "train.csv", index=False)
        peers = runner()
        got = peers.read(tmp_path / "train.csv", blanks)
        assert got.whole == ["age", "pay"]
        assert got.codes == {"pay": "N"}
        assert set(got.discrete) == {"code", "mixed"} | (set() if blanks else {"pay is missing"})
        assert got.frame["pay"].isna().sum() == (10 if blanks else 0)
        peers.write(got.frame.assign(age=got.frame["age"] + 0.2), got, tmp_path / "out.csv")
        back = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
        assert list(back) == list(self.frame)
        for name in ("age", "pay", "code", "mixed"):
            assert back[name].tolist() == self.frame[name].tolist()
        assert back["rate"].astype(float).tolist() == self.frame["rate"].astype(float).tolist()
