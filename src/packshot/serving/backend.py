"""Between Triton's Python backend and plain numpy: requests in, responses or errors out.

A *stage* is the code of one served model, free of Triton. :func:`python_model` wraps it into
the class that Triton's stub looks for. Two rules of the Python backend shape this file: an
exception that leaves ``execute`` fails every request of the batch, so each request is answered
on its own; and outputs are not checked by Triton, so they are checked here.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from packshot.contracts import Dtype, ModelSpec, TensorSpec, with_fault
from packshot.errors import (
    ContractError,
    ImageError,
    ModelCallError,
    PolicyError,
    RequestCancelledError,
    UnknownPolicyError,
)
from packshot.serving.error_counts import CALLERS_FAULT, ErrorCounts
from packshot.serving.stage_context import StageContext

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]
"""Tensors of one request or response by name, each with the batch dimension first."""

NUMPY_DTYPES: Final[dict[Dtype, npt.DTypeLike]] = {
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "BYTES": np.object_,
}

_CALLER_ERRORS = (ImageError, PolicyError, ContractError)


class Stage(Protocol):
    """The code of one served model."""

    spec: ModelSpec

    def execute(self, requests: Sequence[Tensors]) -> Sequence[Tensors | Exception]:
        """Answer each request, in order, with its outputs or with what went wrong with it.

        The requests are valid by the contract. An exception raised instead of returned fails
        all of them.
        """

    def close(self) -> None:
        """Give back threads and memory."""


class StageFactory(Protocol):
    """How a stage is made when Triton loads its model: usually the stage's class."""

    def __call__(self, context: StageContext) -> Stage: ...


def checked_input(spec: TensorSpec, array: Array) -> Array:
    """``array`` if it is what ``spec`` says, with a batch dimension of at least 1.

    Raises:
        ContractError: It has another dtype or shape.
    """
    if array.dtype != np.dtype(NUMPY_DTYPES[spec.dtype]):
        raise ContractError(f"{spec.name} must be {spec.dtype}, got {array.dtype}.")
    if not _fits(spec, array) or array.size == 0:
        raise ContractError(
            f"{spec.name} must have the shape [{_shape_text(spec)}] with a batch of 1 or more, "
            f"got {list(array.shape)}."
        )
    return array


def _fits(spec: TensorSpec, array: Array) -> bool:
    return array.ndim == 1 + len(spec.shape) and all(
        expected in (-1, actual)
        for expected, actual in zip(spec.shape, array.shape[1:], strict=True)
    )


def _shape_text(spec: TensorSpec) -> str:
    return ", ".join(["batch", *("any" if side == -1 else str(side) for side in spec.shape)])


def checked_request(spec: ModelSpec, found: Tensors) -> Tensors:
    """The inputs of one request, if they keep to the contract.

    Raises:
        ContractError: One is missing, has another dtype or shape, or another batch size.
    """
    checked = {}
    for tensor in spec.inputs:
        if tensor.name in found:
            checked[tensor.name] = checked_input(tensor, found[tensor.name])
        elif not tensor.optional:
            raise ContractError(f"{spec.name} needs the input {tensor.name}, which is missing.")
    batches = {name: len(array) for name, array in checked.items()}
    if len(set(batches.values())) > 1:
        raise ContractError(f"all inputs must have the same batch size, got {batches}.")
    return checked


def named_item(error: Exception, index: int, batch: int) -> Exception:
    """``error``, saying which item of a request with several it is about."""
    if batch == 1 or not isinstance(error, _CALLER_ERRORS):
        return error
    return type(error)(f"item {index} of {batch} (counted from 0): {error}")


def item_bytes(array: Array, index: int) -> bytes:
    """One element of a BYTES tensor of shape [batch, 1]."""
    value = array[index, 0]
    return value if isinstance(value, bytes) else str(value).encode()


def bytes_tensor(values: Sequence[bytes]) -> Array:
    """A BYTES tensor of shape [batch, 1]."""
    array = np.empty((len(values), 1), dtype=np.object_)
    array[:, 0] = values
    return array


class TensorExchange:
    """Requests of the Python backend to checked tensors, and answers to its responses.

    Args:
        spec: The contract of the model.
        pb_utils: The module ``triton_python_backend_utils`` of the stub.
    """

    def __init__(self, spec: ModelSpec, pb_utils: Any) -> None:
        self._spec = spec
        self._pb_utils = pb_utils
        self._errors = ErrorCounts(spec.name, pb_utils)

    def inputs(self, request: Any) -> Tensors | Exception:
        """The inputs of one request, or what is wrong with them."""
        try:
            found = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            return checked_request(self._spec, found)
        except Exception as error:  # noqa: BLE001 - it must not reach the other requests
            return error

    def response(self, outcome: Tensors | Exception) -> Any:
        """A response with the outputs, or with the error. Never raises."""
        if not isinstance(outcome, Exception):
            try:
                return self._pb_utils.InferenceResponse(self._outputs(outcome))
            except Exception as error:  # noqa: BLE001 - as above
                outcome = error
        return self._pb_utils.InferenceResponse([], error=self._error(outcome))

    def _outputs(self, outcome: Tensors) -> list[Any]:
        tensors = []
        for spec in self._spec.outputs:
            array = outcome[spec.name]
            expected = np.dtype(NUMPY_DTYPES[spec.dtype])
            if array.dtype != expected or not _fits(spec, array):
                raise RuntimeError(
                    f"{spec.name} came out as {array.dtype} {list(array.shape)}, "
                    f"expected {spec.dtype} [{_shape_text(spec)}]"
                )
            tensors.append(self._pb_utils.Tensor(spec.name, np.ascontiguousarray(array)))
        return tensors

    def _error(self, error: Exception) -> Any:
        text, code = str(error), _code_of(error)
        if isinstance(error, UnknownPolicyError):
            text = with_fault(text, "unknown_policy")
        elif code == "INTERNAL" and not isinstance(error, ModelCallError):
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            self._pb_utils.Logger.log_error(f"{self._spec.name}: unexpected error\n{trace}")
            text = (
                f"{self._spec.name} failed with {type(error).__name__}: "
                f"{text[:200]} (the server's log has more)"
            )
        self._errors.add(code)
        return self._pb_utils.TritonError(text, getattr(self._pb_utils.TritonError, code))


def _code_of(error: Exception) -> str:
    """The Python backend's name of the status that tells a caller what kind of error it is."""
    if isinstance(error, _CALLER_ERRORS):
        return CALLERS_FAULT
    if isinstance(error, ModelCallError):
        return error.status
    return "CANCELLED" if isinstance(error, RequestCancelledError) else "INTERNAL"


class TritonAdapter:
    """Runs one stage on the requests of Triton's Python backend.

    Args:
        stage: The model's code.
        pb_utils: The module ``triton_python_backend_utils`` of the stub.
    """

    def __init__(self, stage: Stage, pb_utils: Any) -> None:
        self._stage = stage
        self._exchange = TensorExchange(stage.spec, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response for each request, in order. Never raises."""
        outcomes = [self._exchange.inputs(request) for request in requests]
        valid = [
            (index, found)
            for index, found in enumerate(outcomes)
            if not isinstance(found, Exception)
        ]
        answers = self._run([found for _, found in valid])
        for (index, _), answer in zip(valid, answers, strict=True):
            outcomes[index] = answer
        return [self._exchange.response(outcome) for outcome in outcomes]

    def _run(self, requests: Sequence[Tensors]) -> Sequence[Tensors | Exception]:
        if not requests:
            return []
        try:
            outcomes = self._stage.execute(requests)
        except Exception as error:  # noqa: BLE001 - escaping would fail the batch with a trace
            return [error] * len(requests)
        if len(outcomes) != len(requests):
            short = RuntimeError(f"{len(outcomes)} answers to {len(requests)} requests")
            return [short] * len(requests)
        return outcomes


def python_model(factory: StageFactory) -> type[Any]:
    """The class ``TritonPythonModel`` that the stub of the Python backend looks for.

    Args:
        factory: Makes the stage when the model is loaded.
    """

    class TritonPythonModel:
        def initialize(self, args: Mapping[str, str]) -> None:
            # Only Triton's stub has this module: benchmarks and tests use stages without it.
            pb_utils = importlib.import_module("triton_python_backend_utils")
            self._stage = factory(StageContext.from_arguments(args))
            self._adapter = TritonAdapter(self._stage, pb_utils)

        def execute(self, requests: Sequence[Any]) -> list[Any]:
            return self._adapter.execute(requests)

        def finalize(self) -> None:
            self._stage.close()

    return TritonPythonModel
