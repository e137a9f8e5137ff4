"""The parity gate: names, then shapes, then values, against PyTorch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from packshot_export.errors import ParityError
from packshot_export.networks import Arrays, ExportableNetwork
from packshot_export.runtimes import Runtime

BATCHES = (1, 3, 8)
"""Batch sizes each runtime is checked at."""


@dataclass(frozen=True, kw_only=True)
class OutputParity:
    """How far one output of one runtime is from PyTorch's, over all checked inputs."""

    runtime: str
    output: str
    largest_difference: float
    allowed: float

    def to_json(self) -> dict[str, str | float]:
        """For the manifest."""
        return asdict(self)


def check_parity(
    network: ExportableNetwork, reference: Runtime, candidate: Runtime
) -> list[OutputParity]:
    """Run the same inputs through both and compare.

    Raises:
        ParityError: Another set of outputs, another shape, or a value out of tolerance; the
            message names the worst cases.
    """
    worst: dict[str, OutputParity] = {}
    failures: list[str] = []
    for seed, batch in enumerate(BATCHES):
        inputs = network.example_inputs(batch, seed)
        expected, got = reference.run(inputs), candidate.run(inputs)
        _check_signature(candidate.name, expected, got)
        for name, tolerance in network.tolerances.items():
            truth = expected[name].astype(np.float64)
            difference = np.abs(got[name].astype(np.float64) - truth)
            excess = difference - tolerance.relative * np.abs(truth)
            largest = float(np.nan_to_num(difference, nan=np.inf).max())
            if not bool((excess <= tolerance.absolute).all()):
                failures.append(
                    f"{name} at batch {batch}: off by {largest:.6g}, allowed {tolerance.absolute:g}"
                )
            if name not in worst or largest > worst[name].largest_difference:
                worst[name] = OutputParity(
                    runtime=candidate.name,
                    output=name,
                    largest_difference=largest,
                    allowed=tolerance.absolute,
                )
    if failures:
        raise ParityError(
            f"{candidate.name} does not answer as {reference.name} does for {network.name}:\n  "
            + "\n  ".join(failures)
        )
    return list(worst.values())


def _check_signature(runtime: str, expected: Arrays, got: Arrays) -> None:
    if expected.keys() != got.keys():
        raise ParityError(f"{runtime} has the outputs {sorted(got)}, expected {sorted(expected)}")
    for name, array in expected.items():
        if got[name].shape != array.shape:
            raise ParityError(
                f"{runtime} gave {name} the shape {got[name].shape}, expected {array.shape}"
            )
