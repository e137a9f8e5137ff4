"""TensorRT takes every graph: TensorRT-RTX builds real engines ahead of time, with no GPU."""

import pytest

from packshot_export.engine import EngineOptions, build_engine
from packshot_export.errors import TargetError
from packshot_export.graph import graph_in
from packshot_export.networks import NETWORKS, ExportableNetwork
from packshot_export.pictures import generated_pictures
from packshot_export.precision import Precision
from packshot_export.quantization import check_explicit

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 has wheels for Linux only")

NETWORKS_BY_NAME = sorted(NETWORKS.values(), key=lambda network: network.name)
CASES = [(network, precision) for network in NETWORKS_BY_NAME for precision in network.tolerances]


@pytest.mark.parametrize(
    ("network", "precision"), CASES, ids=[f"{n.name}-{p.value}" for n, p in CASES]
)
def test_tensorrt_rtx_builds(network: ExportableNetwork, precision: Precision) -> None:
    if not network.weights.exists():
        pytest.skip(f"{network.weights} is not in this checkout: not trained yet")
    module = network.load(network.weights)
    graph = graph_in(precision, network, module, generated_pictures(8, 0).pictures)
    types = {item.data_type for item in graph.graph.initializer}
    if precision is Precision.FP16:
        assert 10 in types, "no float16 weights: the graph is not in half precision"
    if precision is Precision.INT8:
        check_explicit(graph)
    engine = build_engine(network, graph, package="tensorrt_rtx")
    assert len(engine.plan) > 100_000
    assert engine.built_with["package"] == "tensorrt_rtx"


def test_a_plan_needs_tensorrt_and_a_gpu() -> None:
    pytest.importorskip("onnx")
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        import onnx

        network = NETWORKS_BY_NAME[0]
        with pytest.raises(TargetError, match="image of the Triton release"):
            build_engine(network, onnx.ModelProto(), options=EngineOptions())
    else:
        pytest.skip("TensorRT is installed here")
