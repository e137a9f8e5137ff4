"""PyTorch to one strongly typed ONNX graph per precision, the source of truth for every runtime."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from torch import nn

from packshot_export.calibration import Calibration
from packshot_export.errors import QuantizationError
from packshot_export.half import half_module
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import Picture
from packshot_export.precision import Precision
from packshot_export.quantization import quantized_graph

OPSET = 18
"""The newest ONNX opset that TensorRT, OpenVINO and ONNX Runtime all read."""


def onnx_graph(network: ExportableNetwork, module: nn.Module) -> onnx.ModelProto:
    """Export with free batch and size dimensions and the contract's tensor names, and check it.

    Raises:
        onnx.checker.ValidationError: The exporter wrote a graph that is not valid ONNX.
    """
    spec = network.spec
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            example_tensors(network),
            dynamo=True,
            dynamic_shapes=dynamic_shapes(network),
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto: onnx.ModelProto = program.model_proto
    onnx.checker.check_model(proto, full_check=True)
    return proto


def graph_in(
    precision: Precision,
    network: ExportableNetwork,
    module: nn.Module,
    calibration: Calibration | Sequence[Picture],
) -> onnx.ModelProto:
    """The graph of one precision.

    Args:
        precision: Of the arithmetic; inputs and outputs keep to the contract.
        network: Names the float32 islands and what is quantized.
        module: Float32, in evaluation mode.
        calibration: Where INT8 takes its ranges from, or pictures to measure them with.

    Raises:
        QuantizationError: The network is not built in this precision; and see ``quantized_graph``.
        CalibrationError: See ``quantized_graph``.
    """
    if precision not in network.tolerances:
        built = " and ".join(known.value for known in network.tolerances)
        raise QuantizationError(
            f"{network.name} is built in {built}, not in {precision.value}: {network.int8_refusal}"
        )
    if precision is Precision.FP16:
        half = half_module(module, islands=network.float32_islands, widened=network.float32_after)
        return onnx_graph(network, half)
    graph = onnx_graph(network, module)
    if precision is Precision.INT8:
        return quantized_graph(network, graph, calibration)
    return graph


def example_tensors(network: ExportableNetwork) -> tuple[torch.Tensor, ...]:
    """Inputs of batch 2 to trace with, in the contract's order."""
    example = network.example_inputs(2, 0)
    return tuple(torch.from_numpy(example[tensor.name]) for tensor in network.spec.inputs)


def dynamic_shapes(network: ExportableNetwork) -> tuple[dict[int, Any], ...]:
    """What ``torch.export`` is told to leave free: the batch, and every size of -1.

    Inputs of one network share their sizes axis by axis, as height and width do.
    """
    batch = torch.export.Dim("batch", min=1, max=network.spec.max_batch_size)
    shapes = []
    for tensor in network.spec.inputs:
        free: dict[int, Any] = {0: batch}
        for axis, size in enumerate(tensor.shape, start=1):
            if size == -1:
                free[axis] = torch.export.Dim.DYNAMIC
        shapes.append(free)
    return tuple(shapes)


def graph_hash(graph: onnx.ModelProto) -> str:
    """SHA-256 of the graph, without what the exporter notes beside it."""
    bare = onnx.ModelProto()
    bare.CopyFrom(graph)
    bare.ClearField("metadata_props")
    bare.ClearField("doc_string")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """The exporter talks on stdout and warns about torchvision, which we do not use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
