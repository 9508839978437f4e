"""TVAE (Xu et al. 2019) of the `ctgan` package, timed like CTGAN."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import ctgan.synthesizers.tvae as package

_spec = importlib.util.spec_from_file_location("peer_ctgan", Path(__file__).parent / "ctgan.py")
assert _spec is not None
assert _spec.loader is not None
_ctgan = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_ctgan)
draw, facts = _ctgan.draw, _ctgan.facts


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    return _ctgan.train(package, package.TVAE, data, seed, settings)
