"""FP32 graph to INT8: explicit Q/DQ that TensorRT, OpenVINO and ONNX Runtime all take.

By ``onnxruntime.quantization``, chosen for what it can be told (docs/publishing.md has the trials):
symmetric signed activations, per-channel weights, float biases, and no Q/DQ between a convolution
and its activation function, so that runtimes fuse the two.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from packshot_export.bias_correction import correct_biases
from packshot_export.calibration import Calibration, measured
from packshot_export.errors import QuantizationError
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import Picture

_CALIBRATION_BATCH = 4


def quantized_graph(
    network: ExportableNetwork,
    graph: onnx.ModelProto,
    calibration: Calibration | Sequence[Picture],
) -> onnx.ModelProto:
    """The convolutions of ``network.quantized``, less ``network.sensitive``, in INT8.

    Weights use 7 of their 8 bits: the CPUs without VNNI multiply INT8 in pairs that saturate at 16
    bits, which took OpenVINO from 0.99 to 0.76 SRCC on the quality network (docs/publishing.md).

    Args:
        network: Names what is quantized.
        graph: FP32.
        calibration: What flows through the network, or pictures to measure it with.

    Raises:
        QuantizationError: Nothing to quantize, or a graph of another form came out.
        CalibrationError: No pictures, or a calibration that lacks a layer.
    """
    chosen = quantizable(graph, network.quantized, network.sensitive)
    if not chosen:
        raise QuantizationError(
            f"{network.name}: no convolution lies in {network.quantized or 'quantized=()'}; declare"
            " the modules to quantize in packshot_export.networks"
        )
    if not isinstance(calibration, Calibration):
        calibration = calibrated(network, graph, calibration)
    calibration.check_covers(node.input[1] for node in chosen)
    ranges = {node.input[0]: calibration.layers[node.input[1]].largest for node in chosen}
    logger = logging.getLogger()
    level = logger.level
    with tempfile.TemporaryDirectory(prefix="packshot-int8-") as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, source)
        save_tensors_data(_tensors_data(ranges), Path(folder) / "ranges.json")
        try:
            logger.setLevel(logging.ERROR)  # It advises pre-processing that the exporter has done.
            quantize_static(
                source,
                target,
                calibration_cache_path=Path(folder) / "ranges.json",
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=sorted(node.name for node in chosen),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    "OpTypesToExcludeOutputQuantization": ["Conv"],
                },
            )
        finally:
            logger.setLevel(level)
        quantized = onnx.load(target)
    correct_biases(quantized, graph, calibration)
    check_explicit(quantized)
    return quantized


def calibrated(
    network: ExportableNetwork, graph: onnx.ModelProto, pictures: Sequence[Picture]
) -> Calibration:
    """Measure what flows into the convolutions of ``network.quantized``, sensitive ones too.

    Raises:
        CalibrationError: There are no pictures.
    """
    batches = (
        network.inputs_of(pictures[start : start + _CALIBRATION_BATCH])
        for start in range(0, len(pictures), _CALIBRATION_BATCH)
    )
    return measured(graph, quantizable(graph, network.quantized), batches)


def quantizable(
    graph: onnx.ModelProto, modules: Sequence[str], sensitive: Sequence[str] = ()
) -> list[onnx.NodeProto]:
    """The convolutions whose weights belong to ``modules`` and not to ``sensitive``."""
    return [
        node
        for node in graph.graph.node
        if node.op_type == "Conv"
        and _lies_in(node.input[1], modules)
        and not _lies_in(node.input[1], sensitive)
    ]


def _tensors_data(largest: Mapping[str, float]) -> TensorsData:
    return TensorsData(
        CalibrationMethod.MinMax,
        {
            name: (np.array(-value, np.float32), np.array(value, np.float32))
            for name, value in largest.items()
        },
    )


def check_explicit(graph: onnx.ModelProto) -> None:
    """Refuse a graph that TensorRT would: asymmetric, unsigned, or with quantized biases.

    Raises:
        QuantizationError: Names the first tensor that is not as it should be.
    """
    constants = {item.name: item for item in graph.graph.initializer}
    dequantized = set()
    for node in graph.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if node.op_type == "DequantizeLinear":
            dequantized.add(node.output[0])
        zero = constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or zero.data_type != TensorProto.INT8:
            raise QuantizationError(f"{node.input[0]} is not quantized to signed 8-bit integers")
        if np.any(numpy_helper.to_array(zero)):
            raise QuantizationError(f"{node.input[0]} is quantized with a zero point other than 0")
    if not dequantized:
        raise QuantizationError("the graph has no Q/DQ nodes")
    for node in graph.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] in dequantized:
            raise QuantizationError(f"the bias of {node.name} is quantized")


def unquantized(
    graph: onnx.ModelProto, fp32: onnx.ModelProto, module: str
) -> tuple[onnx.ModelProto, int]:
    """A copy of a Q/DQ graph with the convolutions of one module back in float.

    Returns:
        The copy, and how many convolutions that concerns.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    floats = {item.name: item for item in fp32.graph.initializer}
    producers = {output: node for node in copy.graph.node for output in node.output}
    originals = {node.name: node for node in fp32.graph.node}
    count = 0
    for node in copy.graph.node:
        original = originals.get(node.name)
        if node.op_type != "Conv" or original is None or not _lies_in(original.input[1], [module]):
            continue
        dequantize = producers.get(node.input[0])
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            continue
        node.input[0] = producers[dequantize.input[0]].input[0]
        node.input[1] = original.input[1]
        if original.input[1] not in {item.name for item in copy.graph.initializer}:
            copy.graph.initializer.append(floats[original.input[1]])
        count += 1
    return copy, count


def _lies_in(weight: str, modules: Sequence[str]) -> bool:
    return any(weight.startswith(f"{module}.") for module in modules)
