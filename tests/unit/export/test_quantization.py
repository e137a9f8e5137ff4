"""INT8 and FP16 graphs of a small network."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from packshot.contracts import ModelSpec, TensorSpec
from packshot_export.errors import ExportError, QuantizationError
from packshot_export.graph import graph_hash, graph_in, onnx_graph
from packshot_export.half import half_module
from packshot_export.networks import ExportableNetwork
from packshot_export.pictures import generated_pictures
from packshot_export.precision import Precision, Tolerance
from packshot_export.quantization import check_explicit, unquantized
from packshot_export.runtimes import OnnxRuntime, TorchRuntime
from packshot_export.task_metric import RankAgreement


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6()
        )
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x_nchw = pixels.float().permute(0, 3, 1, 2) / 64.0
        score: Tensor = self.head(self.body(x_nchw)).mean(dim=(2, 3))
        return score


SMALL = ExportableNetwork(
    name="small",
    spec=ModelSpec(
        name="small_net",
        inputs=(TensorSpec(name="PIXELS", dtype="UINT8", shape=(16, 16, 3)),),
        outputs=(TensorSpec(name="SCORE", dtype="FP32", shape=(1,)),),
        max_batch_size=4,
    ),
    weights=Path("unused"),
    load=lambda _: Small().eval(),
    inputs_of=lambda pictures: {"PIXELS": np.stack([p[:16, :16] for p in pictures])},
    tolerances={p: {"SCORE": Tolerance(absolute=0.1)} for p in Precision},
    metric=RankAgreement(output="SCORE"),
    stage_module="unused",
    float32_islands=("head",),
    float32_after=("body",),
    quantized=("body",),
    sensitive=("body.2",),
)
PICTURES = generated_pictures(16, 3).pictures


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def int8(module: nn.Module) -> onnx.ModelProto:
    return graph_in(Precision.INT8, SMALL, module, PICTURES)


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


def test_int8_stays_near_pytorch(int8: onnx.ModelProto, module: nn.Module) -> None:
    inputs = SMALL.inputs_of(PICTURES)
    expected = TorchRuntime(module, SMALL.spec).run(inputs)["SCORE"]
    got = OnnxRuntime(int8, emulate_int8=True).run(inputs)["SCORE"]
    np.testing.assert_allclose(got, expected, atol=0.05)
    assert not np.array_equal(got, expected)


def test_a_layer_put_back_to_float(int8: onnx.ModelProto, module: nn.Module) -> None:
    fp32 = onnx_graph(SMALL, module)
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


def test_nothing_to_quantize_or_to_calibrate_with(module: nn.Module) -> None:
    with pytest.raises(QuantizationError, match="needs pictures"):
        graph_in(Precision.INT8, SMALL, module, [])


def test_half_precision_with_islands(module: nn.Module) -> None:
    half = half_module(module, islands=SMALL.float32_islands, widened=SMALL.float32_after)
    parameters = dict(half.named_parameters())
    assert parameters["body.0.weight"].dtype == torch.float16
    assert parameters["head.weight"].dtype == torch.float32
    inputs = SMALL.inputs_of(PICTURES)
    expected = TorchRuntime(module, SMALL.spec).run(inputs)["SCORE"]
    graph = graph_in(Precision.FP16, SMALL, module, [])
    got = OnnxRuntime(graph).run(inputs)["SCORE"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=0.01)


def test_an_island_that_is_not_there(module: nn.Module) -> None:
    with pytest.raises(ExportError, match="no modules named neck"):
        half_module(module, islands=("neck",))


def test_the_graph_hash_tells_weights_apart(module: nn.Module) -> None:
    graph = onnx_graph(SMALL, module)
    assert graph_hash(graph) == graph_hash(onnx_graph(SMALL, module))
    assert graph_hash(graph) != graph_hash(onnx_graph(SMALL, Small().eval()))
