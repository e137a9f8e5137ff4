"""Calling other served models from a stage (Triton's business logic scripting)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from packshot.contracts import ModelSpec
from packshot.errors import ModelCallError
from packshot.serving.backend import Array, Stage, Tensors, python_model
from packshot.serving.called_models import CALLS_PARAMETER, NEWEST, read_calls
from packshot.serving.stage_context import StageContext

_NOT_LOADED: Final = ("is not ready", "not found")
_OVERLOADED: Final = ("Exceeds maximum queue size", "Request timeout expired", "is stopping")

ModelCall = Callable[[ModelSpec, Tensors], dict[str, Array]]
"""Inputs of a model to all its outputs, both with the batch first.

Raises:
    ModelCallError: It did not answer.
"""


def triton_call(spec: ModelSpec, tensors: Tensors, version: int = NEWEST) -> dict[str, Array]:
    """Call a model of the same server, from inside a Python-backend model.

    Args:
        spec: Its contract.
        tensors: Its inputs by name.
        version: Of the model.

    Raises:
        ModelCallError: It is not loaded, refused the request, or failed.
    """
    pb_utils = importlib.import_module("triton_python_backend_utils")
    request = pb_utils.InferenceRequest(
        model_name=spec.name,
        model_version=version,
        requested_output_names=[tensor.name for tensor in spec.outputs],
        inputs=[
            pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in tensors.items()
        ],
        # A TensorRT plan would leave its outputs on the GPU.
        preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
    )
    response = request.exec()
    if response.has_error():
        raise _call_error(spec, response.error().message())
    outputs = {}
    for tensor in spec.outputs:
        found = pb_utils.get_output_tensor_by_name(response, tensor.name)
        # Copied, since the memory goes back to the pool with the response.
        outputs[tensor.name] = np.array(found.as_numpy())
    return outputs


def pinned_versions(context: StageContext) -> dict[str, int]:
    """The models that a stage may call, and the version of each.

    Raises:
        ContractError: The parameter ``calls`` is malformed.
    """
    return read_calls(context.text(CALLS_PARAMETER))


def pinned_call(context: StageContext) -> ModelCall:
    """``triton_call`` in the versions that the stage's configuration pins.

    Raises:
        ContractError: The parameter ``calls`` is malformed.
    """
    versions = pinned_versions(context)

    def call(spec: ModelSpec, tensors: Tensors) -> dict[str, Array]:
        return triton_call(spec, tensors, versions.get(spec.name, NEWEST))

    return call


def calling_model(factory: Callable[[StageContext, ModelCall], Stage]) -> type[Any]:
    """As ``backend.python_model``, for a stage that calls other models."""
    return python_model(lambda context: factory(context, pinned_call(context)))


def _call_error(spec: ModelSpec, message: str) -> ModelCallError:
    # Triton (2.51) hands on the words of an error, and INTERNAL for every code.
    if any(words in message for words in _NOT_LOADED):
        network = spec.name.removesuffix("_net")
        return ModelCallError(
            f"{spec.name} is not loaded ({message}). Build it with packshot-export build "
            f"{network}, and load it.",
            status="UNAVAILABLE",
        )
    busy = any(words in message for words in _OVERLOADED)
    return ModelCallError(
        f"{spec.name} did not answer: {message}", status="UNAVAILABLE" if busy else "INTERNAL"
    )
