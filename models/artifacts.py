"""Bundles of tensors and JSON on disk: safetensors and a manifest with hashes. Nothing in them is ever executed.

A bundle is a folder with `manifest.json` and one safetensors file that the manifest names and whose SHA-256 it holds.
The manifest is replaced last and in one step, so a reader sees the old bundle or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as decode_tensors
from safetensors.numpy import save as encode_tensors

from models.errors import InvalidArtifact

FORMAT = "populace"
VERSION = 1
MANIFEST = "manifest.json"
MAX_MANIFEST = 256 * 1024 * 1024
TRAIN_AGAIN = "Train again, or restore the files from a backup."


def write_bundle(folder: Path, kind: str, manifest: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write or replace the bundle in `folder` (made if absent). kind: what it is, checked on reading."""
    folder.mkdir(parents=True, exist_ok=True)
    blob = encode_tensors({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    digest = hashlib.sha256(blob).hexdigest()
    name = f"tensors-{digest[:16]}.safetensors"
    _replace(folder / name, blob)
    body = {"format": FORMAT, "version": VERSION, "kind": kind, "tensors": {"file": name, "sha256": digest}}
    text = json.dumps({**body, "manifest": manifest}, allow_nan=False, ensure_ascii=False, indent=1)
    body["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    text = json.dumps({**body, "manifest": manifest}, allow_nan=False, ensure_ascii=False, indent=1)
    _replace(folder / MANIFEST, text.encode())
    for old in folder.glob("tensors-*.safetensors"):
        if old.name != name:
            old.unlink()


def read_bundle(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """-> manifest, tensors. Raises InvalidArtifact where it is absent, damaged, foreign or of another version."""
    try:
        if (folder / MANIFEST).stat().st_size > MAX_MANIFEST:
            raise InvalidArtifact("The manifest is too large to be ours.", hint=TRAIN_AGAIN)
        body = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidArtifact(f"There is no readable manifest: {type(error).__name__}.", hint=TRAIN_AGAIN) from None
    if not isinstance(body, dict) or body.get("format") != FORMAT or body.get("kind") != kind:
        raise InvalidArtifact(f"This is no {kind} of Populace.", hint=TRAIN_AGAIN)
    if body.get("version") != VERSION:
        raise InvalidArtifact(
            f"Its format version is {body.get('version')!r}; this release reads version {VERSION}.",
            hint="Read it with the release that wrote it, or train again.",
        )
    digest = body.pop("sha256", None)
    order = ("format", "version", "kind", "tensors", "manifest")
    text = json.dumps({k: body.get(k) for k in order}, allow_nan=True, ensure_ascii=False, indent=1)
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise InvalidArtifact("The manifest does not match its own hash.", hint=TRAIN_AGAIN)
    named = body["tensors"] if isinstance(body.get("tensors"), dict) else {}
    name = str(named.get("file"))
    if not re.fullmatch(r"tensors-[0-9a-f]{16}\.safetensors", name) or not isinstance(body.get("manifest"), dict):
        raise InvalidArtifact("The manifest names no file of tensors.", hint=TRAIN_AGAIN)
    try:
        blob = (folder / name).read_bytes()
        if hashlib.sha256(blob).hexdigest() != named.get("sha256"):
            raise InvalidArtifact("The file of tensors does not match its hash.", hint=TRAIN_AGAIN)
        return body["manifest"], decode_tensors(blob)
    except (OSError, SafetensorError) as error:
        raise InvalidArtifact(
            f"The file of tensors cannot be read: {type(error).__name__}.", hint=TRAIN_AGAIN
        ) from None


def _replace(path: Path, content: bytes) -> None:
    """Write the whole file or nothing, durably."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
