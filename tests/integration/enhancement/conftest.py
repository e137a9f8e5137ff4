"""Calls to a live server with the models that mend."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton_grpc
from PIL import Image

from packshot.contracts import MODELS
from packshot.serving.process import TritonProcess

Picture = npt.NDArray[np.uint8]

DEADLINE_S = 240.0


@dataclass(frozen=True)
class Enhancer:
    """Calls the models over one channel."""

    client: triton_grpc.InferenceServerClient

    def __call__(self, model: str, image: bytes, **options: bytes | int) -> dict[str, Any]:
        """``options``: bytes become BYTES tensors, numbers INT32."""
        return self.infer(
            model,
            **{
                name: np.array([[value]], np.object_ if isinstance(value, bytes) else np.int32)
                for name, value in {"IMAGE": image, **options}.items()
            },
        )

    def infer(self, model: str, **arrays: npt.NDArray[Any]) -> dict[str, Any]:
        dtypes = {tensor.name: tensor.dtype for tensor in MODELS[model].inputs}
        tensors = []
        for name, array in arrays.items():
            tensors.append(triton_grpc.InferInput(name, list(array.shape), dtypes[name]))
            tensors[-1].set_data_from_numpy(array)
        answer = self.client.infer(model, tensors, client_timeout=DEADLINE_S)
        return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}


@pytest.fixture
def ask(enhancing_triton: TritonProcess) -> Iterator[Enhancer]:
    with triton_grpc.InferenceServerClient(enhancing_triton.grpc_address) as client:
        yield Enhancer(client)


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """Pixels to a file: ``encoded(picture, "JPEG", **options)``."""

    def encode(image: Picture, picture_format: str = "PNG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, picture_format, **options)
        return buffer.getvalue()

    return encode
