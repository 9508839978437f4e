"""A folder as one file and back (plain tar): synthesizers and checkpoints travel as one blob. Standard library only."""

from __future__ import annotations

import tarfile
from pathlib import Path


def pack(folder: Path, target: Path) -> None:
    """Regular files below `folder` into `target`, which appears complete or not at all."""
    part = target.with_name(target.name + ".part")
    with tarfile.open(part, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    part.replace(target)


def unpack(source: Path, folder: Path) -> None:
    """Inverse of `pack`. Raises tarfile.TarError on names that lead out of `folder`, links and devices."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(source, "r:") as archive:
        archive.extractall(folder, filter="data")
