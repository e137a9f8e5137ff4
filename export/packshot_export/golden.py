"""Golden answers: inputs and the recorded outputs, which a server must give again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packshot_export.errors import ParityError, VerificationError
from packshot_export.networks import Arrays, ExportableNetwork
from packshot_export.parity import check_signature, difference
from packshot_export.precision import Precision
from packshot_export.runtimes import Runtime

GOLDEN = "golden.npz"
GOLDEN_COUNT = 4

_INPUT, _OUTPUT, _PRECISION = "input.", "output.", "precision"
_CLOSENESS = {
    Precision.FP32: Precision.FP32,
    Precision.FP16: Precision.FP32,
    Precision.INT8: Precision.FP16,
}
"""Whose tolerance the answers of a version must keep: the graph is the same and rounds alike, but a
CPU of another kind may round INT8 at other places."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A batch of inputs, and what the compiled model answered when it was built."""

    inputs: Arrays
    outputs: Arrays
    precision: Precision = Precision.FP32

    @classmethod
    def record(cls, inputs: Arrays, runtime: Runtime, precision: Precision) -> Golden:
        """Ask the proven runtime."""
        return cls(inputs=inputs, outputs=runtime.run(inputs), precision=precision)

    @classmethod
    def read(cls, folder: Path) -> Golden:
        """From a version folder.

        Raises:
            VerificationError: The file is missing or damaged.
        """
        try:
            with np.load(folder / GOLDEN, allow_pickle=False) as stored:
                arrays = dict(stored)
            precision = Precision(str(arrays.pop(_PRECISION, Precision.FP32.value)))
        except (OSError, ValueError) as error:
            raise VerificationError(f"{folder / GOLDEN} cannot be read: {error}") from error
        return cls(
            inputs={k.removeprefix(_INPUT): v for k, v in arrays.items() if k.startswith(_INPUT)},
            outputs={
                k.removeprefix(_OUTPUT): v for k, v in arrays.items() if k.startswith(_OUTPUT)
            },
            precision=precision,
        )

    def write(self, folder: Path) -> None:
        """Into a version folder."""
        arrays = {f"{_INPUT}{name}": array for name, array in self.inputs.items()}
        arrays |= {f"{_OUTPUT}{name}": array for name, array in self.outputs.items()}
        arrays[_PRECISION] = np.array(self.precision.value)
        np.savez_compressed(folder / GOLDEN, **arrays)

    def check(self, who: str, got: Arrays, network: ExportableNetwork) -> None:
        """Refuse answers that differ from the recorded ones.

        Raises:
            ParityError: Names the outputs that differ, and by how much.
        """
        check_signature(who, self.outputs, got)
        failures = []
        for name, tolerance in network.tolerances[_CLOSENESS[self.precision]].items():
            largest, fits = difference(self.outputs[name], got[name], tolerance)
            if not fits:
                failures.append(f"{name}: off by {largest:.6g}, allowed {tolerance.absolute:g}")
        if failures:
            raise ParityError(
                f"{who} does not give the golden answers of {network.spec.name}:\n  "
                + "\n  ".join(failures)
            )
