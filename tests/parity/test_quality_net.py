"""The same photos through PyTorch, ONNX Runtime, OpenVINO and live Triton.

Within the tolerances of the precision that is served.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image

from packshot.contracts import QUALITY, QUALITY_NET
from packshot.imaging import prepare
from packshot.models.weights import load_quality_net
from packshot_export.manifest import read_manifest
from packshot_export.networks import Arrays, network_named
from packshot_export.precision import Precision
from packshot_export.runtimes import OnnxRuntime, OpenVinoRuntime, TorchRuntime
from packshot_export.task_metric import rank_correlation

ROOT = Path(__file__).parents[2]
VERSION = ROOT / "model_repository" / "quality_net" / "1"


def precision_served() -> Precision:
    return Precision(read_manifest(VERSION)["precision"])


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    """Five real photographs, and a spoilt copy of each, as JPEG files."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    files = []
    names = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
    for name in names:
        with Image.open(folder / name) as picture:
            for quality in (92, 8):
                encoded = io.BytesIO()
                picture.convert("RGB").save(encoded, "JPEG", quality=quality)
                files.append(encoded.getvalue())
    return files


@pytest.fixture(scope="module")
def inputs(photos: list[bytes]) -> Arrays:
    prepared = [prepare(photo) for photo in photos]
    return {
        "GLOBAL_VIEW": np.stack([image.global_view for image in prepared]),
        "FRAGMENTS": np.stack([image.fragments for image in prepared]),
    }


@pytest.fixture(scope="module")
def reference(inputs: Arrays) -> Arrays:
    network = load_quality_net(ROOT / "weights" / "quality.safetensors")
    return TorchRuntime(network, QUALITY_NET).run(inputs)


def assert_alike(got: Arrays, reference: Arrays) -> None:
    for name, tolerance in network_named("quality").tolerances[precision_served()].items():
        np.testing.assert_allclose(
            got[name], reference[name], atol=tolerance.absolute, rtol=0, err_msg=name
        )


def test_onnx_runtime(inputs: Arrays, reference: Arrays) -> None:
    assert_alike(
        OnnxRuntime(onnx.load(VERSION / "model.onnx"), emulate_int8=True).run(inputs), reference
    )


def test_openvino(inputs: Arrays, reference: Arrays) -> None:
    assert_alike(OpenVinoRuntime(VERSION / "model.xml").run(inputs), reference)


def test_live_triton_network(inputs: Arrays, reference: Arrays, triton: Any) -> None:
    with triton_grpc.InferenceServerClient(triton.grpc_address) as client:
        tensors = []
        for name, array in inputs.items():
            tensors.append(triton_grpc.InferInput(name, list(array.shape), "UINT8"))
            tensors[-1].set_data_from_numpy(array)
        answer = client.infer(QUALITY_NET.name, tensors)
        assert_alike({t.name: answer.as_numpy(t.name) for t in QUALITY_NET.outputs}, reference)


def test_live_triton_from_encoded_bytes(
    photos: list[bytes], reference: Arrays, triton: Any
) -> None:
    with triton_grpc.InferenceServerClient(triton.grpc_address) as client:
        tensor = triton_grpc.InferInput("IMAGE", [len(photos), 1], "BYTES")
        tensor.set_data_from_numpy(np.array(photos, dtype=np.object_)[:, None])
        answer = client.infer(QUALITY.name, [tensor])
    score, attributes = answer.as_numpy("SCORE"), answer.as_numpy("ATTRIBUTES")
    tolerances = network_named("quality").tolerances[precision_served()]
    np.testing.assert_allclose(score, reference["SCORE"], atol=tolerances["SCORE"].absolute, rtol=0)
    np.testing.assert_allclose(
        attributes[:, :7],
        reference["NET_ATTRIBUTES"],
        atol=tolerances["NET_ATTRIBUTES"].absolute,
        rtol=0,
    )


def test_ranking_survives(inputs: Arrays, reference: Arrays) -> None:
    got = OpenVinoRuntime(VERSION / "model.xml").run(inputs)["SCORE"]
    assert rank_correlation(got, reference["SCORE"]) > 0.98


def test_parity_is_not_vacuous(reference: Arrays) -> None:
    """The photos differ in score, so that a runtime with constant answers would fail."""
    assert float(np.ptp(reference["SCORE"])) > 5.0
