"""PyTorch to one strongly typed ONNX graph, the source of truth for every runtime."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import onnx
import torch
from torch import nn

from packshot_export.networks import ExportableNetwork

OPSET = 18
"""The newest ONNX opset that TensorRT, OpenVINO and ONNX Runtime all read."""


def onnx_graph(network: ExportableNetwork, module: nn.Module) -> onnx.ModelProto:
    """Export with a free batch dimension and the contract's tensor names, and check the result.

    Raises:
        onnx.checker.ValidationError: The exporter wrote a graph that is not valid ONNX.
    """
    spec = network.spec
    example = network.example_inputs(2, 0)
    batch = torch.export.Dim("batch", min=1, max=spec.max_batch_size)
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            tuple(torch.from_numpy(example[tensor.name]) for tensor in spec.inputs),
            dynamo=True,
            dynamic_shapes=tuple({0: batch} for _ in spec.inputs),
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto = program.model_proto
    onnx.checker.check_model(proto, full_check=True)
    return proto


@contextlib.contextmanager
def _quiet_exporter():  # type: ignore[no-untyped-def]
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
