"""The peers and their environments: made with pip below a cache folder, the first time one is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


class NoEnvironment(Exception):
    """An environment could not be made."""


@dataclass(frozen=True)
class Environment:
    """remove: what its requirements pull in that must go again, for reasons below."""

    requirements: tuple[str, ...]
    remove: tuple[str, ...] = ()


ENVIRONMENTS = {
    "ctgan": Environment(("ctgan==0.12.1",)),
    # arfpy uses names that NumPy 2, pandas 3 and scikit-learn 1.6 have given up.
    "arf": Environment(("arfpy==0.1.1", "numpy<2", "pandas<2.3", "scikit-learn<1.6", "scipy<1.14")),
    # transformers imports torchvision where it is there, and that does not load beside a torch without CUDA.
    "mostly": Environment(("mostlyai-engine==2.7.3",), ("torchvision", "torchaudio")),
    "nrgboost": Environment(("nrgboost==0.0.3",)),
    "dpmm": Environment(("dpmm==0.1.9",)),
    # It imports packaging and does not ask for it.
    "smartnoise": Environment(("smartnoise-synth==1.0.8", "packaging")),
}
PEERS = {"ctgan": "ctgan", "tvae": "ctgan", "arf": "arf", "mostly": "mostly", "nrgboost": "nrgboost"}
"""Environment of each peer."""
PRIVATE = {"mst": "dpmm", "aim": "dpmm", "dp-ctgan": "smartnoise", "pate-ctgan": "smartnoise"}
"""Of each peer of bench.dp."""


def python(model: str, cache: Path) -> Path:
    """The interpreter that runs a model; ours runs in this one. Raises NoEnvironment with pip's last words."""
    known = PEERS | PRIVATE
    if model not in known:
        return Path(sys.executable)
    name = known[model]
    environment, folder = ENVIRONMENTS[name], (cache / name).absolute()
    stamp, wanted = folder / "installed", "\n".join((*environment.requirements, *environment.remove))
    found = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return found
    print(f"making the environment {name} in {folder}", file=sys.stderr, flush=True)
    if not found.exists():
        _run([sys.executable, "-m", "venv", str(folder)], name)
    pip = [str(found), "-m", "pip"]
    _run([*pip, "install", "-q", "-c", str(ROOT / "constraints.txt"), *environment.requirements], name)
    if environment.remove:
        _run([*pip, "uninstall", "-q", "-y", *environment.remove], name)
    stamp.write_text(wanted)
    return found


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NoEnvironment(
            f"the environment {name} could not be made: {lines[-1] if lines else done.returncode}"[:300]
        )
