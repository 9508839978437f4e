"""The command line: where things are printed, how it fails, how quick it is."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from populace import console
from populace.cli import app
from populace.client import Client
from populace.commands.common import parse_options
from populace.commands.private import bound_of, budget_for
from populace.console import CommandError, clean, size, table
from populace.errors import ApiError
from populace.records import Dataset, Job, Key, Page, Sample

run = CliRunner().invoke
COMMANDS = [
    "serve",
    "worker",
    "migrate",
    "doctor",
    "demo",
    "synth",
    "evaluate",
    "compare",
    "tune",
    "impute",
    "datasets",
    "jobs",
    "samples",
    "reports",
    "keys",
    "budget",
]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPULACE_HOME", str(tmp_path))
    monkeypatch.delenv("POPULACE_URL", raising=False)
    monkeypatch.setenv("POPULACE_API_KEY", "pop_a_b")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Any], None]:
    """Replace one call of the client: answering("datasets", "get", value or error or function)."""

    def replace(noun: str, verb: str, answer: Any) -> None:
        cls = type(getattr(Client("http://service", "k"), noun))

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer(*args, **kwargs) if callable(answer) else answer

        monkeypatch.setattr(cls, verb, call)

    return replace


def test_help_is_instant_and_names_every_command() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "from populace.cli import main; main()", "--help"], capture_output=True
    )
    assert time.monotonic() - began < 1.5  # 0.15 s alone on a core; the machine may be busy
    for command in [
        "serve",
        "worker",
        "migrate",
        "doctor",
        "demo",
        "synth",
        "datasets",
        "jobs",
        "samples",
        "reports",
        "keys",
    ]:
        assert f"\n  {command}" in done.stdout.decode()


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, populace.cli; print([m for m in ('httpx', 'rich', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version() -> None:
    assert run(app, ["--version"]).stdout.startswith("populace ")


@pytest.mark.parametrize(
    "args",
    [
        ["synth"],
        ["synth", "does-not-exist.csv"],
        ["synth", __file__, "--output", "out.xlsx"],
        ["synth", __file__, "--json"],
        ["synth", __file__, "--option", "steps"],
        ["jobs", "sample", "s"],
        ["jobs", "sample", "s", "--rows", "many"],
        ["samples", "download", "s", "out.ods"],
        ["no-such-command"],
        ["demo", "--rows", "0"],
    ],
)
def test_wrong_usage_is_2(args: list[str]) -> None:
    result = run(app, args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_a_refusal_is_1_with_reason_places_and_hint(answering: Callable[[str, str, Any], None]) -> None:
    error = ApiError(
        "invalid_condition",
        "There is no column 'x'.",
        hint="Did you mean age?",
        errors=[{"loc": ["where", 0], "msg": "unknown column", "hint": ""}],
        status=422,
    )
    answering("jobs", "sample", error)
    result = run(app, ["jobs", "sample", "s", "--rows", "5", "--where", "x>1"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: There is no column 'x'.",
        "  where 0: unknown column",
        "hint: Did you mean age?",
    ]


def test_no_service_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(app, ["datasets", "list", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "populace serve" in result.stderr
    monkeypatch.delenv("POPULACE_API_KEY")
    result = run(app, ["datasets", "list"])
    assert result.exit_code == 1
    assert "POPULACE_API_KEY" in result.stderr


def test_interrupted_is_130(answering: Callable[[str, str, Any], None]) -> None:
    answering("jobs", "wait", KeyboardInterrupt())
    result = run(app, ["jobs", "wait", "j"])
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_a_file_error_is_one_line(answering: Callable[[str, str, Any], None]) -> None:
    answering("samples", "download", PermissionError(13, "Permission denied", "/closed/o.csv"))
    result = run(app, ["samples", "download", "s", "/closed/o.csv"])
    assert (result.exit_code, result.stderr) == (1, "error: Permission denied: /closed/o.csv\n")


def test_a_bug_keeps_its_traceback(answering: Callable[[str, str, Any], None]) -> None:
    answering("datasets", "get", ZeroDivisionError("bug"))
    assert isinstance(run(app, ["datasets", "show", "d"]).exception, ZeroDivisionError)


def test_lists_as_text_and_as_json(answering: Callable[[str, str, Any], None]) -> None:
    raw = {"id": "d1", "name": "evil\x1b[31m\nname", "state": "ready", "row_count": 7, "bytes": 120}
    answering("datasets", "list", Page(3, (Dataset.from_json(raw),), "c"))
    result = run(app, ["datasets", "list"])
    header, line = result.stdout.splitlines()
    assert header.split() == ["id", "name", "state", "row_count", "column_count", "bytes", "created_at"]
    assert "\x1b" not in line
    assert "evil [31m name" in line
    assert "1 of 3" in result.stderr
    found = json.loads(run(app, ["datasets", "list", "--json"]).stdout)
    assert found == {"total": 3, "items": [raw]}


def test_upload_waits_and_prints_the_id(answering: Callable[[str, str, Any], None], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a\n1\n")
    targets: list[str | None] = []

    def upload(source: Path, *, name: str | None, target: str | None) -> Dataset:
        targets.append(target)
        return Dataset(id="d", job_id="j")

    answering("datasets", "upload", upload)
    answering("datasets", "get", Dataset(id="d", state="ready", name="t.csv", bytes=4, row_count=1, column_count=1))
    waited: list[str] = []
    answering("jobs", "wait", lambda id, **_: waited.append(id))
    result = run(app, ["datasets", "upload", str(file)])
    assert (result.exit_code, result.stdout, waited) == (0, "d\n", ["j"])
    run(app, ["datasets", "upload", str(file), "--no-wait", "--target", "a"])
    assert targets == [None, "a"]
    assert "1 rows, 1 columns" in result.stderr


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        ("--epsilon 2", {"epsilon": 2.0}),
        (
            "--epsilon 1 --delta 1e-6 --mechanism marginals --public-rows 900 --unit-column home --rows-per-unit 3",
            {
                "epsilon": 1.0,
                "delta": 1e-6,
                "mechanism": "marginals",
                "rows": 900,
                "unit": {"column": "home", "rows": 3},
            },
        ),
        (
            "--epsilon 1 --domain-share 0.25 --evaluation-share 0.25",
            {"epsilon": 1.0, "shares": {"domain": 0.25, "evaluation": 0.25}},
        ),
    ],
)
def test_privacy_is_passed_on(answering: Callable[[str, str, Any], None], args: str, asked: dict[str, Any]) -> None:
    given: dict[str, Any] = {}

    def synthesize(dataset: str, **kwargs: Any) -> Job:
        given.update(kwargs)
        return Job(id="j", raw={"id": "j"})

    answering("jobs", "synthesize", synthesize)
    result = run(app, ["jobs", "synthesize", "d", "--no-wait", *args.split()])
    assert result.exit_code == 0, result.stderr
    assert given["privacy"] == asked
    assert run(app, ["jobs", "synthesize", "d", "--delta", "1e-6"]).exit_code == 2


def test_the_bound_on_rows_follows_from_delta_alone() -> None:
    assert [bound_of(delta) for delta in (1e-9, 1e-6, 5e-6, 0.5)] == [10_000_000, 10_000, 1_000, 10]
    assert budget_for({"epsilon": 1.0, "delta": 1e-9}, None)["rows_at_most"] == 10_000_000
    assert budget_for({"epsilon": 1.0, "delta": 1e-9}, 500)["rows_at_most"] == 500


def test_orders_pass_on_what_was_given(answering: Callable[[str, str, Any], None]) -> None:
    given: dict[str, Any] = {}

    def synthesize(dataset: str, **kwargs: Any) -> Job:
        given.update(kwargs, dataset=dataset)
        return Job(id="j", raw={"id": "j"})

    answering("jobs", "synthesize", synthesize)
    args = "jobs synthesize d --no-wait --rows 5 --where age>=65 --where sex=F --balance sex --seed 0 --option steps=9 "
    args += "--option a=b"
    result = run(app, args.split())
    assert (result.exit_code, result.stdout) == (0, "j\n")
    assert given == {
        "dataset": "d",
        "rows": 5,
        "target": None,
        "where": ["age>=65", "sex=F"],
        "balance": "sex",
        "mode": None,
        "seed": 0,
        "holdout": None,
        "options": {"steps": 9, "a": "b"},
        "options_from": None,
        "evaluation": None,
        "privacy": None,
        "name": None,
    }


def test_fast_is_a_mode(answering: Callable[[str, str, Any], None]) -> None:
    modes: list[str | None] = []

    def order(*args: Any, mode: str | None, **kwargs: Any) -> Job:
        modes.append(mode)
        return Job(id="j", raw={"id": "j"})

    answering("jobs", "synthesize", order)
    answering("jobs", "sample", order)
    for words in ("synthesize d --no-wait", "sample s --rows 5 --no-wait"):
        for more in ("", " --fast"):
            assert run(app, f"jobs {words}{more}".split()).exit_code == 0
    assert modes == [None, "fast", None, "fast"]


def test_delete_asks_first(answering: Callable[[str, str, Any], None]) -> None:
    gone: list[str] = []
    answering("samples", "delete", gone.append)
    refused = run(app, ["samples", "delete", "s"], input="n\n")
    assert refused.exit_code != 0
    assert gone == []
    assert run(app, ["samples", "delete", "s", "--yes"]).exit_code == 0
    assert gone == ["s"]


def test_a_schema_file_that_is_no_schema(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    for content in ("{", "[1]"):
        file.write_text(content)
        result = run(app, ["datasets", "schema", "d", "--set", str(file)])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: {file}")


def test_a_new_key_is_printed_alone(answering: Callable[[str, str, Any], None]) -> None:
    answering("keys", "create", lambda name, role: Key(id="k", token=f"pop_{role}"))
    result = run(app, ["keys", "create", "someone", "--admin"])
    assert result.stdout == "pop_admin\n"


def test_samples_show_their_conditions_and_kind(answering: Callable[[str, str, Any], None]) -> None:
    rows = (Sample(id="s", where=("age>=65", "sex=F"), row_count=5), Sample(id="t", kind="imputed", confidential=True))
    answering("samples", "list", Page(2, rows))
    shown = run(app, ["samples", "list"]).stdout
    assert "age>=65, sex=F" in shown
    assert "imputed" in shown


def test_impute_leaves_nothing_behind_also_when_it_fails(
    answering: Callable[[str, str, Any], None], tmp_path: Path
) -> None:
    table, gone = tmp_path / "t.csv", list[str]()
    table.write_text("a\n1\n")
    ordered: dict[str, Any] = {}

    def impute(synthesizer: str, dataset: str, **kwargs: Any) -> Job:
        ordered.update(kwargs, synthesizer=synthesizer, dataset=dataset)
        raise ApiError("invalid_input", "The table's columns are not those of the synthesizer.")

    answering("synthesizers", "get", lambda id: None)
    answering("datasets", "upload", lambda source: Dataset(id="d", job_id="j"))
    answering("jobs", "wait", lambda id, **kwargs: Job(id=id, state="succeeded"))
    answering("jobs", "get", lambda id: Job(id=id, state="succeeded"))
    answering("jobs", "impute", impute)
    answering("datasets", "delete", gone.append)
    args = ["impute", str(table), "--synthesizer", "s", "--columns", "a, b", "--code", "", "--code", "?", "--seed", "4"]
    result = run(app, args)
    assert result.exit_code == 1
    assert "not those of the synthesizer" in result.stderr
    assert ordered == {"synthesizer": "s", "dataset": "d", "columns": ["a", "b"], "codes": ["", "?"], "seed": 4}
    assert gone == ["d"]
    run(app, [*args, "--keep"])
    assert gone == ["d"]


def test_warnings_on_a_sample_go_to_standard_error(answering: Callable[[str, str, Any], None]) -> None:
    warning = {"code": "rare_conditions", "message": "Few rows.", "hint": "Widen it."}
    job = Job(id="j", state="succeeded", result={"sample_id": "s", "warnings": [warning]}, raw={"id": "j"})
    answering("jobs", "sample", lambda *args, **kwargs: job)
    answering("jobs", "wait", lambda id, **kwargs: job)
    result = run(app, ["jobs", "sample", "s", "--rows", "5"])
    assert (result.exit_code, result.stdout) == (0, "j\n")
    assert "warning: Few rows. Widen it." in result.stderr


def test_settings_at_fault_are_named_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPULACE_PORT", "secret-value")
    result = run(app, ["migrate"])
    assert result.exit_code == 1
    assert "POPULACE_PORT" in result.stderr
    assert "secret-value" not in result.stderr


def test_helpers() -> None:
    assert clean("a\tb\r\nc\x00d\u202ee") == "a b  c d e"
    assert [size(n) for n in (None, 0, 999, 1000, 1_234_567, 10**16)] == [
        "",
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "10000.0 TB",
    ]
    assert parse_options(["a=1", "b=x=y", 'c={"d": null}', "e=true"]) == {
        "a": 1,
        "b": "x=y",
        "c": {"d": None},
        "e": True,
    }
    with pytest.raises(typer.BadParameter):
        parse_options(["=1"])
    assert table([["a", 1], ["bcd", 22]], ["name", "n"]).splitlines() == ["name   n", "a      1", "bcd   22"]
    assert table([], ["x", "y"]) == "x  y"
    assert isinstance(CommandError("m"), console.Explained)
    assert not isinstance(ValueError("m"), console.Explained)


TRIALS = [
    {"number": 0, "parameters": {}, "state": "succeeded", "score": 0.61, "seconds": 3.2, "reason": ""},
    {
        "number": 1,
        "parameters": {"depth": 3, "dropout": 0.1234567},
        "state": "succeeded",
        "score": 0.71234,
        "seconds": 4,
    },
    {"number": 2, "parameters": {"depth": 1, "dropout": 0.0}, "state": "failed", "score": None, "seconds": 0.1}
    | {"reason": "It failed."},
]
FOUND = {
    "objective": "detection",
    "score": "c2st",
    "better": "higher",
    "real": 0.95,
    "error": 0.0123,
    "ended": "time",
    "best": 1,
}
FOUND |= {"rows": {"judged": 1200}, "trials": TRIALS, "options": {"depth": 3, "dropout": 0.1234567}}


def test_tune_shows_the_trials_and_writes_the_best_options(
    answering: Callable[[str, str, Any], None], tmp_path: Path
) -> None:
    given: dict[str, Any] = {}
    space = tmp_path / "space.json"
    space.write_text('{"depth": [1, 3]}')

    def tune(dataset: str, **kwargs: Any) -> Job:
        given.update(kwargs, dataset=dataset)
        return Job(id="j")

    answering("jobs", "tune", tune)
    answering("jobs", "wait", Job(id="j", kind="tune", state="succeeded", result=FOUND))
    best = tmp_path / "best.json"
    args = f"jobs tune d --trials 3 --max-time 1h1m5s --space {space} --option batch=64 --target x --output {best}"
    result = run(app, args.split())
    assert (result.exit_code, result.stdout) == (0, "j\n")
    assert (given["dataset"], given["trials"], given["max_time"]) == ("d", 3, 3665.0)
    assert (given["space"], given["options"], given["target"]) == ({"depth": [1, 3]}, {"batch": 64}, "x")
    header, *lines = [line.split() for line in result.stderr.splitlines() if line[:5] in ("trial", "0    ", "1*   ")]
    assert header == ["trial", "c2st", "depth", "dropout", "seconds", "state"]
    assert lines == [
        ["0", "0.61", "default", "default", "3.2", "succeeded"],
        ["1*", "0.7123", "3", "0.1235", "4.0", "succeeded"],
    ]
    assert "failed: It failed." in result.stderr
    assert "Real rows read 0.95. Standard error of a score: 0.012; smaller" in result.stderr
    assert "The time was over." in result.stderr
    assert json.loads(best.read_text()) == FOUND["options"]
    synthesized: dict[str, Any] = {}
    answering(
        "jobs", "synthesize", lambda dataset, **kwargs: synthesized.update(kwargs) or Job(id="k", raw={"id": "k"})
    )
    args = f"jobs synthesize d --no-wait --options {best} --option depth=2 --max-time 2m --options-from j"
    assert run(app, args.split()).exit_code == 0
    assert synthesized["options"] == {"depth": 2, "dropout": 0.1234567, "max_time": 120.0}
    assert synthesized["options_from"] == "j"
    args = "jobs synthesize d --no-wait --model ctgan --option epochs=3"
    assert run(app, args.split()).exit_code == 0
    assert synthesized["options"] == {"epochs": 3, "model": "ctgan"}


@pytest.mark.parametrize(
    "args",
    [
        ["jobs", "tune", "d", "--trials", "1"],
        ["jobs", "tune", "d", "--max-time", "soon"],
        ["jobs", "tune", "d", "--max-time", "10 m"],
        ["jobs", "tune", "d", "--space", "does-not-exist.json"],
        ["jobs", "tune", "d", "--no-wait", "--output", "best.json"],
        ["synth", __file__, "--tune-time", "5m"],
    ],
)
def test_wrong_searches_are_2(args: list[str]) -> None:
    assert run(app, args).exit_code == 2


def test_trials_of_a_running_search_come_from_its_events(answering: Callable[[str, str, Any], None]) -> None:
    answering("jobs", "get", Job(id="j", kind="tune", state="running"))
    answering("jobs", "trials", TRIALS[:2])
    lines = run(app, ["jobs", "trials", "j"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["trial", "0", "1"]
    answering("jobs", "get", Job(id="j", kind="sample"))
    assert run(app, ["jobs", "trials", "j"]).exit_code == 1
