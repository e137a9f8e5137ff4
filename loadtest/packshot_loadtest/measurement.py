"""What one timed run gives: every latency, and the numbers read from them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One timed run.

    Attributes:
        latencies_ms: Each photo's, from asking to answer, in milliseconds.
        wall_s: From the first ask to the last answer.
        errors: Asks that got no answer.
        stages_ms: Mean time a photo spent in each stage, where the run can tell.
    """

    latencies_ms: tuple[float, ...]
    wall_s: float
    errors: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)

    @property
    def throughput(self) -> float:
        """Photos a second."""
        return len(self.latencies_ms) / self.wall_s

    def percentile(self, percent: float) -> float:
        """Latency in milliseconds, exact over all photos of the run."""
        return float(np.percentile(self.latencies_ms, percent))

    def to_json(self) -> str:
        """One line, for another process to read."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**{**values, "latencies_ms": tuple(values["latencies_ms"])})


def joined(runs: Sequence[Measurement]) -> Measurement:
    """Several runs of the same thing as one: all their latencies, their times added up."""
    stages = {name for run in runs for name in run.stages_ms}
    return Measurement(
        latencies_ms=tuple(latency for run in runs for latency in run.latencies_ms),
        wall_s=sum(run.wall_s for run in runs),
        errors=sum(run.errors for run in runs),
        stages_ms={
            name: float(np.median([run.stages_ms[name] for run in runs if name in run.stages_ms]))
            for name in sorted(stages)
        },
    )


def measured_by(program: str, options: Sequence[str]) -> Measurement:
    """What a measuring program of this package (``closed_loop``, ``inprocess``) finds, run in a
    process of its own.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = [sys.executable, "-m", f"packshot_loadtest.{program}", *options]
    # Of its own session: Ctrl-C reaches the caller alone, which ends it.
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    return Measurement.from_json(done.stdout)
