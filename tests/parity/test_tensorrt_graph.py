"""TensorRT takes the graph: TensorRT-RTX builds a real engine ahead of time, with no GPU."""

from pathlib import Path

import pytest

from packshot.contracts import QUALITY_NET

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 has wheels for Linux only")
VERSION = Path(__file__).parents[2] / "model_repository" / "quality_net" / "1"


def test_tensorrt_rtx_builds_the_quality_network() -> None:
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse_from_file(str(VERSION / "model.onnx"))
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    inputs = {network.get_input(i).name for i in range(network.num_inputs)}
    outputs = {network.get_output(i).name for i in range(network.num_outputs)}
    assert inputs == {tensor.name for tensor in QUALITY_NET.inputs}
    assert outputs == {tensor.name for tensor in QUALITY_NET.outputs}
    profile = builder.create_optimization_profile()
    for tensor in QUALITY_NET.inputs:
        shapes = [(batch, *tensor.shape) for batch in (1, 8, QUALITY_NET.max_batch_size)]
        profile.set_shape(tensor.name, *shapes)
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert len(bytes(engine)) > 1_000_000
