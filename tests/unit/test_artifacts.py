"""Bundles on disk: what comes back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.artifacts import MANIFEST, read_bundle, write_bundle
from models.errors import InvalidArtifact


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path, "thing", {"name": "Zoë", "value": 1.5}, {"a": np.arange(6.0).reshape(2, 3)})
    return tmp_path


def test_what_was_written_comes_back(bundle: Path) -> None:
    manifest, tensors = read_bundle(bundle, "thing")
    assert manifest == {"name": "Zoë", "value": 1.5}
    np.testing.assert_array_equal(tensors["a"], np.arange(6.0).reshape(2, 3))


def test_replacing_leaves_one_bundle(bundle: Path) -> None:
    write_bundle(bundle, "thing", {"value": 2}, {"a": np.zeros(2)})
    assert read_bundle(bundle, "thing")[0] == {"value": 2}
    assert len(list(bundle.iterdir())) == 2


def _edit(folder: Path, **changes: object) -> None:
    body = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**body, **changes}, indent=1))


def test_foreign_damaged_and_old_bundles_are_refused(bundle: Path) -> None:
    with pytest.raises(InvalidArtifact):
        read_bundle(bundle, "other")
    with pytest.raises(InvalidArtifact):
        read_bundle(bundle / "absent", "thing")
    tensors = next(bundle.glob("*.safetensors"))
    blob = tensors.read_bytes()
    tensors.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    with pytest.raises(InvalidArtifact, match="hash"):
        read_bundle(bundle, "thing")
    tensors.unlink()
    with pytest.raises(InvalidArtifact):
        read_bundle(bundle, "thing")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 99},
        {"format": "other"},
        {"manifest": {"value": 7}},
        {"tensors": {"file": "../../secret.safetensors", "sha256": "0"}},
    ],
)
def test_an_edited_manifest_is_refused(bundle: Path, changes: dict[str, object]) -> None:
    _edit(bundle, **changes)
    with pytest.raises(InvalidArtifact):
        read_bundle(bundle, "thing")


def test_a_manifest_that_is_no_json_is_refused(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b"\x80\x04pickle")
    with pytest.raises(InvalidArtifact):
        read_bundle(bundle, "thing")
