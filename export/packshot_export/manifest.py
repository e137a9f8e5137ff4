"""``manifest.json``: where a version comes from, how it was proved, and what its files hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from packshot_export.errors import VerificationError, VersionError
from packshot_export.signing import SIGNATURE, check_signature
from packshot_export.version import sha256_of

MANIFEST = "manifest.json"

_NOT_LISTED = {MANIFEST, SIGNATURE, "__pycache__"}
"""``__pycache__`` is written by Triton's stub; publishing removes it before a version is loaded."""


def write_manifest(folder: Path, facts: dict[str, Any]) -> bytes:
    """Write ``manifest.json``: the facts, and the SHA-256 of every file beside it.

    Returns:
        Its content.
    """
    files = {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.name not in _NOT_LISTED
    }
    content = (json.dumps({**facts, "files": files}, indent=2) + "\n").encode()
    (folder / MANIFEST).write_bytes(content)
    return content


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a version.

    Raises:
        VersionError: There is no such version, or it was not built by packshot-export.
        VerificationError: The manifest is damaged.
    """
    if not folder.is_dir():
        raise VersionError(f"there is no version at {folder}")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise VersionError(
            f"{folder} has no {MANIFEST}: it was not built by packshot-export build"
        ) from None
    except ValueError as error:
        raise VerificationError(f"{folder / MANIFEST} is damaged: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise VerificationError(f"{folder / MANIFEST} lists no files")
    return manifest


def check_files(folder: Path, public_key: Path | None = None) -> dict[str, Any]:
    """The manifest, after each file was found to be what was built.

    Args:
        folder: A version.
        public_key: Require the manifest to be signed by the private half of this key.

    Raises:
        VerificationError: A file is missing, changed or added, or the signature does not fit.
    """
    manifest = read_manifest(folder)
    if public_key is not None:
        check_signature((folder / MANIFEST).read_bytes(), folder / SIGNATURE, public_key)
    listed: dict[str, str] = manifest["files"]
    found = {path.name for path in folder.iterdir()} - _NOT_LISTED
    problems = [f"{name} is missing" for name in sorted(listed.keys() - found)]
    problems += [f"{name} was added after the build" for name in sorted(found - listed.keys())]
    problems += [
        f"{name} was changed after the build"
        for name in sorted(listed.keys() & found)
        if sha256_of(folder / name) != listed[name]
    ]
    if str(manifest.get("version")) != folder.name:
        problems.append(f"it was built as version {manifest.get('version')}")
    if problems:
        raise VerificationError(
            f"{folder} is not what was built: {'; '.join(problems)}. Build it anew as another"
            " version; never edit one"
        )
    return manifest
