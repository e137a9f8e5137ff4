"""The generator through PyTorch, ONNX Runtime, OpenVINO and live Triton: one picture everywhere."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image

from packshot.contracts import CATEGORIES, GENERATOR_NET
from packshot.generation.latents import latents
from packshot.generation.watermark import marked
from packshot.serving.process import TritonProcess
from packshot_export.errors import QuantizationError
from packshot_export.graph import graph_in
from packshot_export.networks import Arrays, network_named
from packshot_export.pictures import generated_pictures
from packshot_export.precision import Precision
from packshot_export.runtimes import OnnxRuntime, OpenVinoRuntime, TorchRuntime

NETWORK = network_named("generator")
SEEDS = range(200, 213)
LARGEST_DIFFERENCE = 1
"""Levels between runtimes in FP32, where rounding falls between two."""


@pytest.fixture(scope="module")
def inputs() -> Arrays:
    """A picture of each category."""
    count = len(SEEDS)
    return {
        "LATENT": latents(SEEDS),
        "CATEGORY": np.arange(count, dtype=np.int32)[:, None] % len(CATEGORIES),
        "TRUNCATION": np.linspace(0.4, 1.0, count, dtype=np.float32)[:, None],
    }


@pytest.fixture(scope="module")
def reference(inputs: Arrays, enhancement_models: Any) -> Any:
    module = NETWORK.load(enhancement_models.weights["generator"])
    return TorchRuntime(module, NETWORK.spec).run(inputs)["IMAGE"]


def off(got: Any, reference: Any) -> int:
    assert got.shape == reference.shape
    assert got.dtype == np.uint8
    return int(np.abs(got.astype(int) - reference.astype(int)).max())


def test_compiled_answers_as_pytorch(
    inputs: Arrays, reference: Any, enhancement_models: Any
) -> None:
    folder = enhancement_models.repository / "generator_net" / "1"
    graph = onnx.load(folder / "model.onnx")
    for runtime in (OnnxRuntime(graph), OpenVinoRuntime(folder / "model.xml")):
        assert off(runtime.run(inputs)["IMAGE"], reference) <= LARGEST_DIFFERENCE, runtime.name


def served(client: Any, inputs: Arrays) -> Any:
    tensors = []
    for spec in GENERATOR_NET.inputs:
        array = inputs[spec.name]
        tensors.append(triton_grpc.InferInput(spec.name, list(array.shape), spec.dtype))
        tensors[-1].set_data_from_numpy(array)
    return client.infer("generator_net", tensors, client_timeout=240).as_numpy("IMAGE")


def test_served_answers_as_pytorch_and_alone_as_in_a_batch(
    inputs: Arrays, reference: Any, enhancing_triton: TritonProcess
) -> None:
    with triton_grpc.InferenceServerClient(enhancing_triton.grpc_address) as client:
        together = served(client, inputs)
        assert off(together, reference) <= LARGEST_DIFFERENCE
        for row in range(len(SEEDS)):
            alone = served(client, {name: array[row : row + 1] for name, array in inputs.items()})
            np.testing.assert_array_equal(alone[0], together[row])


def test_generate_marks_what_pytorch_makes(
    inputs: Arrays, enhancing_triton: TritonProcess, enhancement_models: Any
) -> None:
    """From seed to file: the served picture is PyTorch's, marked."""
    module = NETWORK.load(enhancement_models.weights["generator"])
    one = {name: array[:1].copy() for name, array in inputs.items()}
    one["TRUNCATION"][:] = 0.7
    by_hand = marked(TorchRuntime(module, NETWORK.spec).run(one)["IMAGE"][0])
    wishes = {
        "CATEGORY": (b"backpacks", np.object_, "BYTES"),
        "SEED": (SEEDS[0], np.int64, "INT64"),
        "SCALE": (1, np.int32, "INT32"),
    }
    tensors = []
    for name, (value, dtype, kind) in wishes.items():
        tensors.append(triton_grpc.InferInput(name, [1, 1], kind))
        tensors[-1].set_data_from_numpy(np.array([[value]], dtype))
    with triton_grpc.InferenceServerClient(enhancing_triton.grpc_address) as client:
        answer = client.infer("generate", tensors, client_timeout=240).as_numpy("OUTPUT_IMAGE")
    with Image.open(io.BytesIO(answer[0, 0])) as image:
        picture = np.asarray(image.convert("RGB"))
    error = float(np.mean((picture.astype(float) - by_hand.astype(float)) ** 2))
    # The mark's strength is found by trying, which a difference of one level can tip.
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 35


def test_parity_is_not_vacuous(inputs: Arrays, reference: Any, enhancement_models: Any) -> None:
    module = NETWORK.load(enhancement_models.weights["generator"])
    other = {**inputs, "LATENT": inputs["LATENT"][::-1].copy()}
    changed = TorchRuntime(module, NETWORK.spec).run(other)["IMAGE"]
    assert off(changed, reference) > 10 * LARGEST_DIFFERENCE


def test_int8_is_refused_with_the_reason(enhancement_models: Any) -> None:
    module = NETWORK.load(enhancement_models.weights["generator"])
    with pytest.raises(QuantizationError, match="generator is built in fp32 and fp16"):
        graph_in(Precision.INT8, NETWORK, module, generated_pictures(8, 0).pictures)
