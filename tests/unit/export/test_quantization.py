"""INT8 and FP16 graphs of a small network."""

import copy

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from packshot_export.errors import CalibrationError, ExportError, QuantizationError
from packshot_export.graph import graph_hash, graph_in, onnx_graph
from packshot_export.half import half_module
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import generated_pictures
from packshot_export.precision import Precision
from packshot_export.quantization import check_explicit, unquantized
from packshot_export.runtimes import OnnxRuntime, TorchRuntime

PICTURES = generated_pictures(16, 3).pictures


@pytest.fixture(scope="module")
def int8(small: ExportableNetwork, module: nn.Module) -> onnx.ModelProto:
    return graph_in(Precision.INT8, small, module, PICTURES)


def test_only_what_is_declared_is_quantized(int8: onnx.ModelProto) -> None:
    producers = {output: node for node in int8.graph.node for output in node.output}
    quantized = [
        node
        for node in int8.graph.node
        if node.op_type == "Conv" and producers[node.input[0]].op_type == "DequantizeLinear"
    ]
    assert len(quantized) == 1, "body.2 is sensitive, the head is not in `quantized`"
    weight = producers[quantized[0].input[1]]
    scale = next(item for item in int8.graph.initializer if item.name == weight.input[1])
    assert list(scale.dims) == [8], "weights are quantized per channel"


def test_int8_stays_near_pytorch(
    small: ExportableNetwork, int8: onnx.ModelProto, module: nn.Module
) -> None:
    inputs = small.inputs_of(PICTURES)
    expected = TorchRuntime(module, small.spec).run(inputs)["SCORE"]
    got = OnnxRuntime(int8, emulate_int8=True).run(inputs)["SCORE"]
    np.testing.assert_allclose(got, expected, atol=0.05)
    assert not np.array_equal(got, expected)


def test_a_layer_put_back_to_float(
    small: ExportableNetwork, int8: onnx.ModelProto, module: nn.Module
) -> None:
    fp32 = onnx_graph(small, module)
    restored, count = unquantized(int8, fp32, "body.0")
    assert count == 1
    assert all(
        not name.endswith("DequantizeLinear_Output")
        for node in restored.graph.node
        if node.op_type == "Conv"
        for name in node.input
    )


def test_an_unsigned_graph_is_refused(int8: onnx.ModelProto) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(int8)
    quantize = next(n for n in changed.graph.node if n.op_type == "QuantizeLinear")
    zero = next(i for i in changed.graph.initializer if i.name == quantize.input[2])
    zero.CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.uint8), zero.name))
    with pytest.raises(QuantizationError, match="signed 8-bit"):
        check_explicit(changed)


def test_nothing_to_quantize_or_to_calibrate_with(
    small: ExportableNetwork, module: nn.Module
) -> None:
    with pytest.raises(CalibrationError, match="needs pictures"):
        graph_in(Precision.INT8, small, module, [])


def test_half_precision_with_islands(small: ExportableNetwork, module: nn.Module) -> None:
    half = half_module(module, islands=small.float32_islands, widened=small.float32_after)
    parameters = dict(half.named_parameters())
    assert parameters["body.0.weight"].dtype == torch.float16
    assert parameters["head.weight"].dtype == torch.float32
    inputs = small.inputs_of(PICTURES)
    expected = TorchRuntime(module, small.spec).run(inputs)["SCORE"]
    graph = graph_in(Precision.FP16, small, module, [])
    got = OnnxRuntime(graph).run(inputs)["SCORE"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=0.01)


def test_an_island_that_is_not_there(module: nn.Module) -> None:
    with pytest.raises(ExportError, match="no modules named neck"):
        half_module(module, islands=("neck",))


def test_the_graph_hash_tells_weights_apart(small: ExportableNetwork, module: nn.Module) -> None:
    graph = onnx_graph(small, module)
    other = copy.deepcopy(module)
    with torch.no_grad():
        next(other.parameters()).add_(1.0)
    assert graph_hash(graph) == graph_hash(onnx_graph(small, module))
    assert graph_hash(graph) != graph_hash(onnx_graph(small, other))
