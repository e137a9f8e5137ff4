"""The image networks through PyTorch, ONNX Runtime, OpenVINO and live Triton."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import tritonclient.grpc as triton_grpc

from packshot.imaging import decode
from packshot.serving.process import TritonProcess
from packshot_export.networks import (
    Arrays,
    ExportableNetwork,
    network_named,
    restore_inputs,
    tile_inputs,
)
from packshot_export.runtimes import OnnxRuntime, OpenVinoRuntime, TorchRuntime

NAMES = ("restore", "upscale_x2", "upscale_x4")
LEAST_PSNR = 50.0
"""dB between runtimes, in FP32."""


def psnr(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return np.inf if error == 0 else 10 * float(np.log10(255.0**2 / error))


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> ExportableNetwork:
    return network_named(request.param)


@pytest.fixture(scope="module")
def inputs(network: ExportableNetwork, photo_files: dict[str, bytes]) -> Arrays:
    """Tiles of four photos, too dark, so that there is something to restore."""
    photos = [decode(file).pixels_hwc_u8 // 2 for file in list(photo_files.values())[:4]]
    return restore_inputs(photos) if network.name == "restore" else tile_inputs(photos)


@pytest.fixture(scope="module")
def reference(
    network: ExportableNetwork, inputs: Arrays, enhancement_models: Any
) -> npt.NDArray[Any]:
    module = network.load(enhancement_models.weights[network.name])
    return output(network, TorchRuntime(module, network.spec).run(inputs))


def output(network: ExportableNetwork, answer: Arrays) -> npt.NDArray[Any]:
    return answer[network.spec.outputs[0].name]


def version(network: ExportableNetwork, enhancement_models: Any) -> Any:
    return enhancement_models.repository / network.spec.name / "1"


def test_onnx_runtime(
    network: ExportableNetwork,
    inputs: Arrays,
    reference: npt.NDArray[Any],
    enhancement_models: Any,
) -> None:
    graph = onnx.load(version(network, enhancement_models) / "model.onnx")
    assert psnr(output(network, OnnxRuntime(graph).run(inputs)), reference) >= LEAST_PSNR


def test_openvino(
    network: ExportableNetwork,
    inputs: Arrays,
    reference: npt.NDArray[Any],
    enhancement_models: Any,
) -> None:
    runtime = OpenVinoRuntime(version(network, enhancement_models) / "model.xml")
    assert psnr(output(network, runtime.run(inputs)), reference) >= LEAST_PSNR


def test_live_triton(
    network: ExportableNetwork,
    inputs: Arrays,
    reference: npt.NDArray[Any],
    enhancing_triton: TritonProcess,
) -> None:
    with triton_grpc.InferenceServerClient(enhancing_triton.grpc_address) as client:
        tensors = []
        for name, array in inputs.items():
            tensors.append(triton_grpc.InferInput(name, list(array.shape), "UINT8"))
            tensors[-1].set_data_from_numpy(array)
        answer = client.infer(network.spec.name, tensors, client_timeout=240)
    assert psnr(answer.as_numpy(network.spec.outputs[0].name), reference) >= LEAST_PSNR


def test_parity_is_not_vacuous(inputs: Arrays, reference: npt.NDArray[Any]) -> None:
    """The network does something that plain repetition of pixels would not pass for."""
    pixels = inputs["PIXELS"]
    scale = reference.shape[1] // pixels.shape[1]
    repeated = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    assert psnr(repeated, reference) < LEAST_PSNR - 5
