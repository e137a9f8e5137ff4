"""A model version on disk: staged beside its place, synced, and renamed into it in one step."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packshot_export.errors import VersionError, VersionExistsError
from packshot_export.lock import model_lock

STAGING_PREFIX = ".staging-"

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def staged_version(model: Path, version: int, *, replace: bool = False) -> Iterator[Path]:
    """A staging folder that becomes ``<model>/<version>/`` if the block ends without an error.

    A crash at any point leaves the old state or the new one; what a killed build had staged is
    removed by the next.

    Args:
        model: Folder of the model in the repository.
        version: Version to create.
        replace: Put the new version in place of one that is there. Never do this to a version
            that a server has loaded: its response cache would go on serving old answers.

    Raises:
        VersionExistsError: The version is there and ``replace`` is false.
        VersionError: The disk is full, or may not be written to.
        BusyError: Another process builds or publishes this model.
    """
    target = model / str(version)
    if target.exists() and not replace:
        raise VersionExistsError(
            f"{target} exists; versions are never edited in place: build version"
            f" {next_version(model)}, or pass --replace if no server has loaded it"
        )
    with model_lock(model):
        try:
            model.mkdir(parents=True, exist_ok=True)
            for left in model.glob(f"{STAGING_PREFIX}*"):
                shutil.rmtree(left)
            staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=model))
            try:
                staging.chmod(0o755)
                yield staging
                for file in staging.iterdir():
                    fsync(file)
                fsync(staging)
                _put_in_place(staging, target)
                fsync(model)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise VersionError(
                f"cannot write {target}: {error.strerror or error}. Nothing was changed; free some"
                " space, or make the folder writable"
            ) from error


def built_versions(model: Path) -> list[int]:
    """The versions of a model that are on disk, lowest first."""
    return sorted(int(p.name) for p in model.glob("[0-9]*") if p.name.isdecimal() and p.is_dir())


def next_version(model: Path) -> int:
    """One more than the highest version of a model, 1 if there is none."""
    return max(built_versions(model), default=0) + 1


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old content or the new.

    Raises:
        OSError: The disk is full, or may not be written to.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(name).chmod(mode)
        Path(name).replace(path)
        fsync(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.replace(target)
    elif not _exchanged(staging, target):  # Now the old version lies in the staging folder.
        # A file system that cannot exchange names: for a moment the version is not there.
        retired = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target.parent))
        target.replace(retired / "old")
        staging.replace(target)
        shutil.rmtree(retired)


def _exchanged(first: Path, second: Path) -> bool:
    """Swap two names in one step (Linux's renameat2, which Python does not offer)."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    names = os.fsencode(first.absolute()), os.fsencode(second.absolute())
    status = renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    return bool(status == 0)
