"""Proof of a version on a live server, before any caller meets it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from packshot_export.configuration import as_override, variant_of
from packshot_export.errors import PublishError, ServerError
from packshot_export.golden import Golden
from packshot_export.networks import ExportableNetwork
from packshot_export.server import ModelServer

CANDIDATE_SUFFIX = "_candidate"


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Median latency of single pictures, old and new version called in turn, milliseconds."""

    old_ms: float
    new_ms: float

    @property
    def ratio(self) -> float:
        """New over old: above 1 is slower."""
        return self.new_ms / self.old_ms

    def to_json(self) -> dict[str, float]:
        """For ``--json``."""
        return {**asdict(self), "ratio": self.ratio}


@contextmanager
def candidate(server: ModelServer, folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """A version loaded under another name, straight from its files.

    Nothing on the server's disk changes and no caller can meet it; a publisher that dies leaves a
    model that nobody calls, which the next publisher unloads.

    Raises:
        ServerError: The server cannot load it.
    """
    model, version = folder.parent, int(folder.name)
    name = f"{model.name}{CANDIDATE_SUFFIX}"
    config = as_override(model, variant_of(manifest["target"]), name=name, version=version)
    files = {f"{version}/{file}": (folder / file).read_bytes() for file in manifest["files"]}
    with suppress(ServerError):  # Left by a publisher that died.
        server.unload(name)
    try:
        server.load(name, config=config, files=files)
        # The index lists only what is on disk.
        server.check_ready(name, version)
        yield name
    finally:
        with suppress(ServerError):
            server.unload(name)


def check_golden(
    server: ModelServer, name: str, version: int, golden: Golden, network: ExportableNetwork
) -> None:
    """The live answers to the golden inputs are those of the build.

    Raises:
        ParityError: They are not.
    """
    who = f"{name} version {version} on the server"
    golden.check(who, server.infer(name, version, golden.inputs), network)


def compare_latency(
    server: ModelServer,
    golden: Golden,
    *,
    old: tuple[str, int],
    new: tuple[str, int],
    rounds: int = 15,
    max_slowdown: float,
) -> Latency:
    """Call both versions in turn, so that whatever else the machine does slows both.

    Args:
        server: Where both are loaded.
        golden: Its first picture is sent.
        old: Name and version that is served.
        new: Name and version to compare.
        rounds: Calls of each.
        max_slowdown: How many times the old latency the new one may take.

    Raises:
        PublishError: The new version is slower than that.
    """
    inputs = {name: array[:1] for name, array in golden.inputs.items()}
    times: dict[tuple[str, int], list[float]] = {old: [], new: []}
    for name, version in (old, new):
        server.infer(name, version, inputs)  # The first call of each warms it up.
    for _ in range(rounds):
        for name, version in (old, new):
            started = time.perf_counter()
            server.infer(name, version, inputs)
            times[name, version].append((time.perf_counter() - started) * 1000)
    found = Latency(old_ms=median(times[old]), new_ms=median(times[new]))
    if found.ratio > max_slowdown:
        raise PublishError(
            f"version {new[1]} takes {found.new_ms:.1f} ms a picture and version {old[1]}"
            f" {found.old_ms:.1f} ms: {found.ratio:.2f} times as long, allowed {max_slowdown:g}"
            " (--max-slowdown)"
        )
    return found
