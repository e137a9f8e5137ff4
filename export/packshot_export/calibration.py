"""What INT8 must know of a network's activations: measured on pictures, kept beside the weights.

Shipped with the weights it belongs to, a calibration lets anyone build INT8 without the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from packshot_export.errors import CalibrationError
from packshot_export.networks import Arrays

_DIGITS = 7
"""Significant digits in the file: as many as a float32 has."""


@dataclass(frozen=True, kw_only=True)
class LayerInput:
    """What flows into one convolution.

    Attributes:
        largest: Largest magnitude, of all pictures and channels.
        means: [C] mean of each channel.
    """

    largest: float
    means: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What flows into each convolution that is quantized.

    Attributes:
        layers: By the name of the convolution's weight, which outlives changes of the exporter.
    """

    layers: dict[str, LayerInput]

    def check_covers(self, weights: Iterable[str]) -> None:
        """Check that it has the convolutions of these weights.

        Raises:
            CalibrationError: One is missing.
        """
        missing = sorted(set(weights) - self.layers.keys())
        if missing:
            raise CalibrationError(
                f"the calibration lacks {len(missing)} of the quantized layers, first"
                f" {missing[0]}; make it again by `packshot-export calibrate`"
            )


@dataclass(frozen=True, kw_only=True)
class CalibrationFile:
    """A calibration as it ships.

    Attributes:
        calibration: The measurements.
        weights_sha256: Of the weights file it was measured with.
        pictures: Source, count and hashes of the pictures: every other one calibrated, the rest
            proved.
        metrics: What INT8 costs with it, by ``MetricParity.to_json``, on the pictures that proved
            and on labelled ones.
    """

    calibration: Calibration
    weights_sha256: str
    pictures: dict[str, Any]
    metrics: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path, weights_sha256: str) -> CalibrationFile:
        """From JSON, for these weights.

        Raises:
            CalibrationError: Unreadable, of another form, or measured with other weights.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            layers = {
                name: LayerInput(largest=float(found["largest"]), means=tuple(found["means"]))
                for name, found in stored["layers"].items()
            }
            found = cls(
                calibration=Calibration(layers=layers),
                weights_sha256=stored["weights_sha256"],
                pictures=stored["pictures"],
                metrics=stored["metrics"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(f"{path} is no calibration: {error!r}") from error
        if found.weights_sha256 != weights_sha256:
            raise CalibrationError(
                f"{path} was measured with other weights ({found.weights_sha256[:12]}…, these are"
                f" {weights_sha256[:12]}…); make it again by `packshot-export calibrate`, or give a"
                " folder of photos"
            )
        return found

    def facts(self) -> dict[str, Any]:
        """For the manifest: everything but the layers."""
        return {"pictures": self.pictures, "metrics": self.metrics}

    def write(self, path: Path) -> None:
        """As JSON, a line for each layer."""
        layers = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(asdict(layer))}"
            for name, layer in sorted(self.calibration.layers.items())
        )
        path.write_text(
            f'{{"weights_sha256": {json.dumps(self.weights_sha256)},\n'
            f'"metrics": {json.dumps(self.metrics)},\n'
            f'"pictures": {json.dumps(self.pictures)},\n"layers": {{\n{layers}\n}}}}\n',
            encoding="utf-8",
        )


def measured(
    graph: onnx.ModelProto, convolutions: Sequence[onnx.NodeProto], batches: Iterable[Arrays]
) -> Calibration:
    """Run the FP32 graph and note what flows into the convolutions.

    Raises:
        CalibrationError: There are no pictures.
    """
    names = sorted({node.input[0] for node in convolutions})
    open_graph = onnx.ModelProto()
    open_graph.CopyFrom(graph)
    for name in names:
        open_graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(
        open_graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    sums: dict[str, npt.NDArray[np.float64]] = {}
    largest = dict.fromkeys(names, 0.0)
    count = 0
    for batch in batches:
        for name, value in zip(names, session.run(names, batch), strict=True):
            means = value.mean(axis=(2, 3)).astype(np.float64).sum(axis=0)
            sums[name] = sums.get(name, 0.0) + means
            largest[name] = max(largest[name], float(np.abs(value).max()))
        count += len(next(iter(batch.values())))
    if not count:
        raise CalibrationError("INT8 needs pictures to calibrate with")
    inputs = {
        name: LayerInput(
            largest=_rounded(largest[name]), means=tuple(_rounded(x) for x in sums[name] / count)
        )
        for name in names
    }
    return Calibration(layers={node.input[1]: inputs[node.input[0]] for node in convolutions})


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
