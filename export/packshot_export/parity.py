"""The parity gate: names, then shapes, then values, then task metrics, against PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from packshot_export.errors import ParityError
from packshot_export.networks import Arrays, ExportableNetwork
from packshot_export.pictures import LabelledPictures, Picture
from packshot_export.precision import Precision, Tolerance
from packshot_export.runtimes import Runtime, run_in_batches
from packshot_export.task_metric import Measured, labelled_loss

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


@dataclass(frozen=True, kw_only=True)
class MetricParity:
    """One task metric of one runtime."""

    runtime: str
    metric: str
    value: float
    limit: float
    pictures: int

    def to_json(self) -> dict[str, str | float]:
        """For the manifest."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """What a runtime was found to be: all within its limits."""

    outputs: tuple[OutputParity, ...]
    metrics: tuple[MetricParity, ...]

    def to_json(self) -> dict[str, list[dict[str, str | float]]]:
        """For the manifest."""
        return {
            "outputs": [item.to_json() for item in self.outputs],
            "metrics": [item.to_json() for item in self.metrics],
        }


class ParityGate:
    """Runs PyTorch once, and compares any number of runtimes with it.

    Args:
        network: Its tolerances and task metric decide.
        reference: PyTorch.
        precision: Of the runtimes to compare.
        pictures: What the task metric is measured on; not what INT8 was calibrated with. With none,
            values alone are compared.
        labelled: Pictures with people's scores, to measure the loss of accuracy on as well.
    """

    def __init__(
        self,
        network: ExportableNetwork,
        reference: Runtime,
        *,
        precision: Precision,
        pictures: Sequence[Picture],
        labelled: LabelledPictures | None = None,
    ) -> None:
        self._network = network
        self._precision = precision
        self._labelled = labelled
        self._reference = reference.name
        examples = [network.example_inputs(batch, seed) for seed, batch in enumerate(BATCHES)]
        self._cases = [(inputs, reference.run(inputs)) for inputs in examples]
        self._sets = [
            (inputs, run_in_batches(reference, inputs), people)
            for inputs, people in (
                *([(network.inputs_of(pictures), None)] if pictures else []),
                *([(network.inputs_of(labelled.pictures), labelled.scores)] if labelled else []),
            )
        ]

    def check(self, candidate: Runtime) -> ParityReport:
        """Run the same inputs through the candidate and compare.

        Raises:
            ParityError: Another set of outputs, another shape, a value out of tolerance or a task
                metric past its limit; the message names the worst cases.
        """
        tolerances = self._network.tolerances[self._precision]
        worst: dict[str, OutputParity] = {}
        failures: list[str] = []
        for inputs, expected in self._cases:
            got = candidate.run(inputs)
            check_signature(candidate.name, expected, got)
            batch = len(next(iter(inputs.values())))
            for name, tolerance in tolerances.items():
                largest, fits = difference(expected[name], got[name], tolerance)
                if not fits:
                    failures.append(
                        f"{name} at batch {batch}: off by {largest:.6g}, allowed"
                        f" {tolerance.absolute:g} + {tolerance.relative:g} of the value"
                    )
                if name not in worst or largest > worst[name].largest_difference:
                    worst[name] = OutputParity(
                        runtime=candidate.name,
                        output=name,
                        largest_difference=largest,
                        allowed=tolerance.absolute,
                    )
        metrics = self._metrics(candidate)
        failures += [
            f"{found.metric}: {found.value:.4g}, limit {found.limit:g} ({count} pictures)"
            for found, count in metrics
            if not found.passed
        ]
        if failures:
            raise ParityError(
                f"{candidate.name} in {self._precision.value} does not answer as"
                f" {self._reference} does for {self._network.name}:\n  " + "\n  ".join(failures)
            )
        return ParityReport(
            outputs=tuple(worst.values()),
            metrics=tuple(
                MetricParity(
                    runtime=candidate.name,
                    metric=found.metric,
                    value=found.value,
                    limit=found.limit,
                    pictures=count,
                )
                for found, count in metrics
            ),
        )

    def _metrics(self, candidate: Runtime) -> list[tuple[Measured, int]]:
        output = self._network.metric.output
        found = []
        for inputs, expected, people in self._sets:
            got = run_in_batches(candidate, inputs)[output]
            measured = (
                self._network.metric.measure(expected[output], got, self._precision)
                if people is None
                else labelled_loss(expected[output], got, people, self._precision)
            )
            found.append((measured, len(got)))
        return found


def difference(
    expected: npt.NDArray[np.generic], got: npt.NDArray[np.generic], tolerance: Tolerance
) -> tuple[float, bool]:
    """The largest absolute difference (NaN counts as infinite), and whether all are tolerable."""
    truth = expected.astype(np.float64)
    off = np.nan_to_num(np.abs(got.astype(np.float64) - truth), nan=np.inf)
    fits = bool((off <= tolerance.absolute + tolerance.relative * np.abs(truth)).all())
    return float(off.max()), fits


def check_signature(runtime: str, expected: Arrays, got: Arrays) -> None:
    """Refuse other outputs, or outputs of other shapes.

    Raises:
        ParityError: Names the first difference.
    """
    if expected.keys() != got.keys():
        raise ParityError(f"{runtime} has the outputs {sorted(got)}, expected {sorted(expected)}")
    for name, array in expected.items():
        if got[name].shape != array.shape:
            raise ParityError(
                f"{runtime} gave {name} the shape {got[name].shape}, expected {array.shape}"
            )
