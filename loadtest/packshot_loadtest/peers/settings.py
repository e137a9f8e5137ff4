"""The settings of a comparison with peers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.peers.catalogue import PEERS, Peer
from packshot_loadtest.settings import PhotoSource

TABLES: Final[tuple[tuple[str, str], ...]] = (
    ("same", "Same engine: every server runs the same compiled model"),
    ("documented", "As documented: peers on ONNX Runtime FP32, packshot as it ships"),
)


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """How to compare.

    Attributes:
        repository: Model repository.
        source: packshot's source tree, for the peers' environments.
        environments: Where these are kept.
        onnx: FP32 graph for ONNX Runtime; ``None`` for the one beside the served version.
        peers: Which.
        tables: Which of ``TABLES``.
        photos: Where photos come from.
        processes: Processes of each peer; the cores they share with the generator.
        p99_ms: The bound of the knee.
        rate: Compare at this rate alone, and look for no knees; ``None`` looks for them.
        start: First rate of each search.
        precision: Each knee is known to this share of itself.
        repeats: How often everything is measured.
        duration_s: Measured part of each rate.
        warmup_s: Load before it.
        confirmations: How often a knee must hold again.
        max_lag_ms: As for a run. The generator shares the servers' cores, so it is late now and
            then; its lag is part of every latency, of every server alike.
    """

    repository: Path
    source: Path
    environments: Path
    onnx: Path | None = None
    peers: tuple[Peer, ...] = PEERS
    tables: tuple[str, ...] = ("same", "documented")
    photos: PhotoSource = field(default_factory=PhotoSource)
    processes: int = 2
    p99_ms: float = 150.0
    rate: float | None = None
    start: float = 20.0
    precision: float = 0.05
    repeats: int = 3
    duration_s: float = 15.0
    warmup_s: float = 3.0
    confirmations: int = 1
    max_lag_ms: float = 50.0

    def as_dict(self) -> dict[str, Any]:
        """What results depend on, ready for JSON."""
        values = dataclasses.asdict(self)
        values["peers"] = [peer.slug for peer in self.peers]
        values["tables"] = list(self.tables)
        for name in ("repository", "source", "environments", "onnx"):
            values[name] = str(values[name])
        values["photos"]["folder"] = str(values["photos"]["folder"])
        return values
