"""What versions there are, which are served, and removing the old ones."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packshot_export.configuration import served_versions
from packshot_export.errors import ExportError, VersionError
from packshot_export.lock import model_lock
from packshot_export.manifest import read_manifest
from packshot_export.networks import NETWORKS
from packshot_export.state import PublishState
from packshot_export.version import built_versions


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """One built version.

    Attributes:
        model: Served as.
        version: Its number.
        state: stable, canary, previous or built.
        target: What runs it; empty if it was not built by packshot-export.
        precision: What it computes in.
        built_at: When, UTC.
        bytes: Size on disk.
    """

    model: str
    version: int
    state: str
    target: str
    precision: str
    built_at: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def summaries(repository: Path, model: str | None = None) -> list[VersionSummary]:
    """Every version of every network, or of one."""
    names = sorted({n.spec.name for n in NETWORKS.values()} if model is None else {model})
    return [
        _summary(repository / name, version)
        for name in names
        if (repository / name).is_dir()
        for version in built_versions(repository / name)
    ]


def prune(model: Path, keep: int) -> list[int]:
    """Remove all but the newest ``keep`` versions; never one served, or stable before.

    Returns:
        The versions that were removed.

    Raises:
        VersionError: Fewer than one is to be kept, or there is no such model.
    """
    if keep < 1:
        raise VersionError(f"--keep must be 1 or more, got {keep}")
    if not model.is_dir():
        raise VersionError(f"there is no model {model}")
    with model_lock(model):
        removed = []
        for version in built_versions(model)[:-keep]:
            if _state(model, version) == "built":
                # Under a name that no server reads, so that half a version is never seen.
                retired = model / f".staging-pruned-{version}"
                (model / str(version)).replace(retired)
                shutil.rmtree(retired)
                removed.append(version)
        return removed


def _summary(model: Path, version: int) -> VersionSummary:
    folder = model / str(version)
    try:
        manifest = read_manifest(folder)
    except ExportError:
        manifest = {}
    return VersionSummary(
        model=model.name,
        version=version,
        state=_state(model, version),
        target=str(manifest.get("target", "")),
        precision=str(manifest.get("precision", "")),
        built_at=str(manifest.get("built_at", "")),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def _state(model: Path, version: int) -> str:
    state = PublishState.of(model)
    served: set[int] = set()
    for variant in (None, "tensorrt"):
        with contextlib.suppress(ExportError):
            served |= set(served_versions(model, variant))
    if version == state.canary:
        return "canary"
    if version in served:
        return "stable"
    stable = state.history[-1][0] if state.history else -1
    return "previous" if version == state.previous(stable) else "built"
