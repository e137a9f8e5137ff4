"""A model version on disk: staged beside its place, synced, and renamed into it in one step."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packshot_export.errors import VersionExistsError

MANIFEST = "manifest.json"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def staged_version(model: Path, version: int, *, replace: bool = False) -> Iterator[Path]:
    """A staging folder that becomes ``<model>/<version>/`` if the block ends without an error.

    Args:
        model: Folder of the model in the repository.
        version: Version to create.
        replace: Put the new version in place of one that is there. Never do this to a version
            that a server has loaded: its response cache would go on serving old answers.

    Raises:
        VersionExistsError: The version is there and ``replace`` is false.
    """
    target = model / str(version)
    if target.exists() and not replace:
        raise VersionExistsError(
            f"{target} exists; versions are never edited in place: build version"
            f" {next_version(model)}, or pass --replace if no server has loaded it"
        )
    model.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=model))
    staging.chmod(0o755)
    try:
        yield staging
        for file in staging.iterdir():
            _fsync(file)
        _fsync(staging)
        if target.exists():
            retired = Path(tempfile.mkdtemp(prefix=".staging-", dir=model))
            target.replace(retired / "old")
            staging.replace(target)
            shutil.rmtree(retired)
        else:
            staging.replace(target)
        _fsync(model)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def next_version(model: Path) -> int:
    """One more than the highest version of a model, 1 if there is none."""
    versions = [int(p.name) for p in model.glob("[0-9]*") if p.name.isdigit()]
    return max(versions, default=0) + 1


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``manifest.json``: the facts, and the SHA-256 of every file beside it."""
    files = {
        path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST
    }
    (folder / MANIFEST).write_text(json.dumps({**facts, "files": files}, indent=2) + "\n")


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
