"""`populace synth` when something is wrong: one line, a hint, an exit code, and nothing left behind."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest


def call(
    command: list[str], environment: dict[str, str], tmp_path: Path, *args: object
) -> tuple[int, str, list[str], list[Path]]:
    """(exit code, standard output, lines of standard error, what is left in the folder for temporary files)."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [*command, "synth", *map(str, args)],
        env={**environment, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines(), list(temporary.iterdir())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--target", "emploment"], "employment"),
        (["--where", "age>=300"], "age"),
        (["--option", "stepss=5"], "steps"),
    ],
)
def test_a_wrong_order(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path, args: list[str], told: str
) -> None:
    output = tmp_path / "out.csv"
    code, out, err, left = call(command, environment, tmp_path, census_csv, "--output", output, *args)
    assert (code, out, left) == (1, "", [])
    [error] = [line for line in err if line.startswith("error: ")]
    assert err[-1].startswith("hint: ")
    assert told in "\n".join(err[err.index(error) :])
    assert not output.exists()


def test_a_file_that_is_no_table(command: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3\n4,5\n" * 10)
    code, out, err, left = call(command, environment, tmp_path, file)
    assert (code, out, left) == (1, "", [])
    assert any(line.startswith("error: ") and "ine 3" in line for line in err)


def test_a_schema_file_that_contradicts(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"columns": [{"name": "sex", "kind": "integer"}]}')
    code, out, err, left = call(command, environment, tmp_path, census_csv, "--schema", schema)
    assert (code, out, left) == (1, "", [])
    assert any(line.startswith("error: ") and "sex" in line for line in err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_and_cleans_up(
    command: list[str], environment: dict[str, str], census_csv: Path, tmp_path: Path, number: signal.Signals
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    output = tmp_path / "out.csv"
    process = subprocess.Popen(
        [*command, "synth", str(census_csv), "--output", str(output), "--option", "steps=100000"],
        env={**environment, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts these tests in the background has interrupts ignored, here and in all children.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    try:
        assert process.stderr is not None
        assert any("train" in line and "s  synthesize" in line for line in process.stderr)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(number)
        began = time.monotonic()
        rest = process.stderr.read()
        assert process.wait(60) == 130, rest
        assert time.monotonic() - began < 30
        assert "Cancelling" in rest
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()
    assert list(temporary.iterdir()) == []
    assert not output.exists()
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
