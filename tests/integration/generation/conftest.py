"""Calls to a live server with the models that make pictures."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc

from packshot.contracts import GENERATE
from packshot.serving.process import TritonProcess

DEADLINE_S = 240.0
NUMPY = {"BYTES": np.object_, "INT64": np.int64, "INT32": np.int32, "FP32": np.float32}


def tensors_of(**wishes: Any) -> list[triton_grpc.InferInput]:
    """Inputs by name, in the dtypes of the contract."""
    dtypes = {tensor.name: tensor.dtype for tensor in GENERATE.inputs}
    tensors = []
    for name, value in wishes.items():
        tensors.append(triton_grpc.InferInput(name, [1, 1], dtypes[name]))
        tensors[-1].set_data_from_numpy(np.array([[value]], NUMPY[dtypes[name]]))
    return tensors


def outputs_of(answer: Any) -> dict[str, Any]:
    return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}


@dataclass(frozen=True)
class Generator:
    """Calls both models over one channel."""

    client: triton_grpc.InferenceServerClient

    def __call__(self, **wishes: Any) -> dict[str, Any]:
        answer = self.client.infer("generate", tensors_of(**wishes), client_timeout=DEADLINE_S)
        return outputs_of(answer)

    def open_stream(self, **wishes: Any) -> queue.SimpleQueue[tuple[Any, Any]]:
        """Start a stream; what arrives is (answer, error)."""
        arrived: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self.client.start_stream(lambda result, error: arrived.put((result, error)))
        self.client.async_stream_infer("generate_stream", tensors_of(**wishes))
        return arrived

    def stream(self, **wishes: Any) -> list[dict[str, Any]]:
        """All responses of one request."""
        arrived, answers = self.open_stream(**wishes), []
        try:
            while True:
                answer, error = arrived.get(timeout=DEADLINE_S)
                if error is not None:
                    raise error
                answers.append(outputs_of(answer))
                if answer.get_response().parameters["triton_final_response"].bool_param:
                    return answers
        finally:
            self.client.stop_stream()


@pytest.fixture
def generate(enhancing_triton: TritonProcess) -> Iterator[Generator]:
    with triton_grpc.InferenceServerClient(enhancing_triton.grpc_address) as client:
        yield Generator(client)
