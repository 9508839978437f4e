"""`populace synth` on small tables of many spellings: the sample parses as its original does."""

import csv
import gzip
import io
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Cells = Sequence[str]
Run = Callable[..., subprocess.CompletedProcess[bytes]]

ROWS = 900


@dataclass(frozen=True)
class Table:
    """cells: column -> cells as written."""

    cells: dict[str, list[str]]
    delimiter: str = ","
    encoding: str = "utf-8"

    def write(self, path: Path) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(self.cells)
        writer.writerows(zip(*self.cells.values(), strict=True))
        data = text.getvalue().encode(self.encoding)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)

    def read(self, data: bytes) -> dict[str, list[str]]:
        header, *rows = csv.reader(io.StringIO(data.decode(self.encoding), newline=""), delimiter=self.delimiter)
        assert len(set(map(len, [header, *rows]))) == 1
        return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def hospital() -> Table:
    """Dates in two formats, blanks, a coded missing number, decimals of fixed width, text and an integer identifier."""
    rng = Random(1)
    columns: dict[str, list[str]] = {
        k: [] for k in ["patient", "ward", "admitted", "born", "stay", "score", "temp", "note", "alive"]
    }
    for i in range(ROWS):
        ward = rng.choice(["Surgery", "Maternity, postnatal", "Intensive care", "Geriatrics"])
        age = rng.randint(17, 45) if ward.startswith("M") else rng.randint(1, 95)
        stay = max(0, int(rng.gauss({"S": 5, "M": 3, "I": 9, "G": 14}[ward[0]], 3)))
        columns["patient"].append(str(700_001 + i))
        columns["ward"].append(ward)
        columns["admitted"].append(
            f"{rng.randint(1, 28):02d}/{rng.randint(1, 12):02d}/2023 {rng.randint(0, 23):02d}:30"
        )
        columns["born"].append("" if rng.random() < 0.06 else f"{2023 - age}-{rng.randint(1, 12):02d}-15")
        columns["stay"].append(str(stay))
        columns["score"].append("-9" if rng.random() < 0.15 else str(min(10, stay // 2)))
        columns["temp"].append("" if rng.random() < 0.2 else f"{rng.gauss(37.2, 0.6):.1f}")
        columns["note"].append(
            "" if rng.random() < 0.5 else f"Seen by {rng.choice('ABCDEFG')} on day {i}, no remarks {i * 7}"
        )
        columns["alive"].append("no" if rng.random() < 0.02 * stay else "yes")
    return Table(columns)


def survey() -> Table:
    """Semicolons, a byte order mark, odd column names, codes ? and N, negative numbers, a constant."""
    rng = Random(2)
    columns: dict[str, list[str]] = {
        k: [] for k in ("Größe (cm)", "home.dest", "class", "balance", "rate", "country", "x y")
    }
    for _ in range(ROWS):
        level = rng.choice(["1", "1", "2", "3"])
        columns["Größe (cm)"].append(str(int(rng.gauss(170, 9))))
        columns["home.dest"].append(
            "?" if rng.random() < 0.3 else rng.choice(["St. Louis; MO", "Århus", 'The "Inn"', "Rome"])
        )
        columns["class"].append(level)
        columns["balance"].append(str(int(rng.gauss(-50, 400) * int(level))))
        columns["rate"].append("N" if level == "3" else f"{rng.random():.3f}")
        columns["country"].append("Denmark")
        columns["x y"].append(rng.choice(["TRUE", "FALSE"]))
    return Table(columns, delimiter=";", encoding="utf-8-sig")


@pytest.fixture(scope="module")
def synth(command: list[str], environment: dict[str, str], quick_args: list[str]) -> Run:
    def run(*args: object, **kwargs: object) -> subprocess.CompletedProcess[bytes]:
        words = [*command, "synth", *map(str, args), *quick_args]
        return subprocess.run(words, env=environment, capture_output=True, timeout=300, check=False, **kwargs)  # type: ignore[call-overload,no-any-return]

    return run


def done(process: subprocess.CompletedProcess[bytes]) -> bytes:
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def made_hospital(folder: Path, synth: Run) -> tuple[Table, dict[str, list[str]], dict[str, object]]:
    table = hospital()
    table.write(folder / "hospital.csv")
    output = folder / "out.csv"
    args = ("--output", output, "--report", folder / "r.html", "--seed", 3, "--target", "alive", "--json")
    told = json.loads(done(synth(folder / "hospital.csv", *args)))
    return table, table.read(output.read_bytes()), told


@pytest.fixture(scope="module")
def made_survey(folder: Path, synth: Run) -> tuple[Table, dict[str, list[str]]]:
    table = survey()
    table.write(folder / "survey.csv.gz")
    return table, table.read(done(synth(folder / "survey.csv.gz", "--seed", 3)))


def assert_missing(real: Cells, made: Cells, code: str, points: float = 6.0) -> None:
    """Shares within `points` percentage points: the table is small and training short."""

    def share(cells: Cells) -> float:
        return 100 * cells.count(code) / len(cells)

    assert abs(share(real) - share(made)) <= points
    assert (code in made) == (code in real)


def assert_numbers(real: Cells, made: Cells, pattern: str, codes: Iterable[str] = ()) -> None:
    """Every number is spelt as in the original and lies between its extremes."""
    known = set(codes)
    numbers = [float(c) for c in real if c not in known]
    for cell in made:
        if cell not in known:
            assert re.fullmatch(pattern, cell), cell
            assert min(numbers) <= float(cell) <= max(numbers)


def assert_dates(real: Cells, made: Cells, format: str) -> None:
    moments = [datetime.strptime(c, format) for c in real if c]
    for cell in made:
        if cell:
            moment = datetime.strptime(cell, format)
            assert moment.strftime(format) == cell
            assert min(moments) <= moment <= max(moments)


def test_hospital_parses_as_its_original(made_hospital: tuple[Table, dict[str, list[str]], dict[str, object]]) -> None:
    table, made, _ = made_hospital
    real = table.cells
    assert list(made) == list(real)
    assert len(made["ward"]) == ROWS
    for name in ("ward", "alive"):
        assert set(made[name]) == set(real[name]), name
    assert_dates(real["admitted"], made["admitted"], "%d/%m/%Y %H:%M")
    assert_dates(real["born"], made["born"], "%Y-%m-%d")
    assert_missing(real["born"], made["born"], "")
    assert_numbers(real["stay"], made["stay"], r"\d+")
    assert_numbers(real["score"], made["score"], r"\d+", ["-9"])
    assert_missing(real["score"], made["score"], "-9")
    assert_numbers(real["temp"], made["temp"], r"\d\d\.\d", [""])
    assert_missing(real["temp"], made["temp"], "")


def test_identifiers_and_texts_are_replaced(
    made_hospital: tuple[Table, dict[str, list[str]], dict[str, object]],
) -> None:
    table, made, _ = made_hospital
    assert len(set(made["patient"])) == ROWS
    assert all(re.fullmatch(r"\d+", p) for p in made["patient"])
    assert not (set(made["note"]) & set(table.cells["note"])) - {""}
    assert_missing(table.cells["note"], made["note"], "")


def test_what_synth_tells(made_hospital: tuple[Table, dict[str, list[str]], dict[str, object]], folder: Path) -> None:
    _, _, told = made_hospital
    assert told["rows"] == ROWS
    assert told["output"] == str(folder / "out.csv")
    assert told["home"] is None
    assert {"profile", "job", "download", "all"} == set(told["seconds"])  # type: ignore[call-overload]
    assert {"shape", "trend"} <= {m["name"].split("_")[0].lower() for m in told["metrics"]}  # type: ignore[attr-defined]
    assert (folder / "r.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_survey_parses_as_its_original(made_survey: tuple[Table, dict[str, list[str]]]) -> None:
    table, made = made_survey
    real = table.cells
    assert list(made) == list(real)
    for name in ("home.dest", "class", "country", "x y"):
        assert set(made[name]) == set(real[name]), name
    assert_missing(real["home.dest"], made["home.dest"], "?")
    assert_numbers(real["Größe (cm)"], made["Größe (cm)"], r"\d{3}")
    assert_numbers(real["balance"], made["balance"], r"-?\d+")
    assert_numbers(real["rate"], made["rate"], r"[01]\.\d{1,3}", ["N"])
    assert_missing(real["rate"], made["rate"], "N")


def test_parquet_in_and_out_keeps_types_and_conditions(folder: Path, synth: Run) -> None:
    rng = Random(3)
    table = pa.table(
        {
            "age": pa.array([rng.randint(0, 90) for _ in range(ROWS)], pa.int64()),
            "wage": pa.array([None if rng.random() < 0.1 else round(rng.lognormvariate(3, 1), 2) for _ in range(ROWS)]),
            "sex": pa.array([rng.choice(["Female", "Male"]) for _ in range(ROWS)]),
            "day": pa.array([datetime(2024, 1, 1 + rng.randint(0, 30)).date() for _ in range(ROWS)], pa.date32()),
            "member": pa.array([rng.random() < 0.4 for _ in range(ROWS)]),
        }
    )
    pq.write_table(table, folder / "in.parquet")
    output = folder / "out.parquet"
    where = ("--where", "age>=65", "--where", "sex=Female", "--rows", 250)
    assert done(synth(folder / "in.parquet", "--output", output, *where)) == b""
    made = pq.read_table(output)
    assert made.num_rows == 250
    assert made.column_names == table.column_names
    assert pa.types.is_integer(made.schema.field("age").type)
    assert pa.types.is_floating(made.schema.field("wage").type)
    assert pa.types.is_boolean(made.schema.field("member").type)
    assert pa.types.is_temporal(made.schema.field("day").type)
    assert min(made["age"].to_pylist()) >= 65
    assert set(made["sex"].to_pylist()) == {"Female"}
