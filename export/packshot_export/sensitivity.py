"""Which layers INT8 harms: each is put back to float in turn, and what that mends is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from packshot_export.graph import onnx_graph
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import Picture, halves
from packshot_export.quantization import quantizable, quantized_graph, unquantized
from packshot_export.runtimes import OnnxRuntime, TorchRuntime, run_in_batches


@dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """What quantizing one layer costs.

    Attributes:
        layer: Its module, as ``ExportableNetwork.sensitive`` names it.
        error: Mean absolute error of the metric's output with every layer quantized.
        error_without: The same with this layer in float.
    """

    layer: str
    error: float
    error_without: float

    def to_json(self) -> dict[str, str | float]:
        """For ``--json``."""
        return asdict(self)


def measure_sensitivity(
    network: ExportableNetwork,
    weights: Path,
    pictures: Sequence[Picture],
    *,
    advance: Callable[[int, int], None] = lambda *_: None,
) -> list[LayerSensitivity]:
    """Every quantized layer, the one that harms most first.

    Half of the pictures calibrate, the other half measure.
    """
    module = network.load(weights)
    calibration, held_out = halves(pictures)
    inputs = network.inputs_of(held_out)
    output = network.metric.output
    expected = run_in_batches(TorchRuntime(module, network.spec), inputs)[output].astype(np.float64)
    fp32 = onnx_graph(network, module)
    int8 = quantized_graph(network, fp32, calibration)

    def error_of(runtime: OnnxRuntime) -> float:
        return float(
            np.mean(np.abs(run_in_batches(runtime, inputs)[output].astype(np.float64) - expected))
        )

    chosen = quantizable(fp32, network.quantized, network.sensitive)
    layers = [node.input[1].rpartition(".")[0] for node in chosen]
    whole = error_of(OnnxRuntime(int8, emulate_int8=True))
    found = []
    for index, layer in enumerate(layers, start=1):
        without = OnnxRuntime(unquantized(int8, fp32, layer)[0], emulate_int8=True)
        found.append(LayerSensitivity(layer=layer, error=whole, error_without=error_of(without)))
        advance(index, len(layers))
    return sorted(found, key=lambda item: item.error_without)
