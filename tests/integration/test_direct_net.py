"""quality_net called directly with pixel views, as services with decoded images do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.contracts import QUALITY_NET
from packshot.imaging import prepare

Views = dict[str, npt.NDArray[np.uint8]]


def tensors_of(views: Views) -> list[triton_grpc.InferInput]:
    tensors = []
    for name, array in views.items():
        dtype = "UINT8" if array.dtype == np.uint8 else "FP32"
        tensors.append(triton_grpc.InferInput(name, list(array.shape), dtype))
        tensors[-1].set_data_from_numpy(array)
    return tensors


@pytest.fixture(scope="module")
def views(photo_files: dict[str, bytes]) -> Views:
    prepared = [prepare(photo) for photo in photo_files.values()]
    return {
        "GLOBAL_VIEW": np.stack([image.global_view for image in prepared]),
        "FRAGMENTS": np.stack([image.fragments for image in prepared]),
    }


def test_outputs_keep_to_the_contract(caller: Any, views: Views) -> None:
    answer = caller.infer("quality_net", *tensors_of(views))
    batch = len(views["FRAGMENTS"])
    for tensor in QUALITY_NET.outputs:
        assert answer[tensor.name].shape == (batch, *tensor.shape)
        assert answer[tensor.name].dtype == np.float32
    assert ((answer["SCORE"] >= 0) & (answer["SCORE"] <= 100)).all()
    assert ((answer["NET_ATTRIBUTES"] >= 0) & (answer["NET_ATTRIBUTES"] <= 1)).all()
    assert ((answer["QUALITY_MAP"] >= 0) & (answer["QUALITY_MAP"] <= 1)).all()
    assert (answer["UNCERTAINTY"] > 0).all()


def test_agrees_with_the_ensemble(caller: Any, views: Views, photo_files: dict[str, bytes]) -> None:
    direct = caller.infer("quality_net", *tensors_of(views))
    whole = caller.score(*photo_files.values())
    np.testing.assert_allclose(direct["SCORE"], whole["SCORE"], atol=0.01)
    np.testing.assert_allclose(direct["NET_ATTRIBUTES"], whole["ATTRIBUTES"][:, :7], atol=1e-4)


def test_score_does_not_depend_on_the_batch(caller: Any, views: Views) -> None:
    together = caller.infer("quality_net", *tensors_of(views))["SCORE"][:, 0]
    alone = [
        caller.infer(
            "quality_net", *tensors_of({name: array[i : i + 1] for name, array in views.items()})
        )["SCORE"][0, 0]
        for i in range(len(together))
    ]
    np.testing.assert_allclose(together, alone, atol=0.01)


def test_only_the_outputs_asked_for(caller: Any, views: Views) -> None:
    wanted = [triton_grpc.InferRequestedOutput("SCORE")]
    answer = caller.client.infer("quality_net", tensors_of(views), outputs=wanted)
    assert [out.name for out in answer.get_response().outputs] == ["SCORE"]


WRONG_VIEWS = {
    "dtype": (lambda array: array.astype(np.float32), "expects 'UINT8'"),
    "shape": (lambda array: array[:, :100].copy(), "unexpected shape"),
    "batch": (lambda array: np.concatenate([array, array]), "batch size does not match"),
}


@pytest.mark.parametrize(("change", "says"), WRONG_VIEWS.values(), ids=WRONG_VIEWS.keys())
def test_wrong_views(caller: Any, views: Views, change: Any, says: str) -> None:
    wrong = {**views, "GLOBAL_VIEW": change(views["GLOBAL_VIEW"])}
    with pytest.raises(InferenceServerException) as caught:
        caller.infer("quality_net", *tensors_of(wrong))
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert says in caught.value.message()


def test_fewer_bytes_than_declared(caller: Any, views: Views) -> None:
    short = triton_grpc.InferInput("GLOBAL_VIEW", [5, 224, 224, 3], "UINT8")
    short._raw_content = bytes(100)
    with pytest.raises(InferenceServerException) as caught:
        caller.infer("quality_net", short, tensors_of(views)[1])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "byte size mismatch" in caught.value.message()
