"""A running server, asked over gRPC."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from packshot.errors import ServingError, UnreachableError
from packshot.serving.backend import Array, Tensors
from packshot.serving.options import ServerConfig

_FINAL_RESPONSE = "triton_final_response"
_CONNECTION_WORDS = ("connect", "Socket closed", "Connection reset", "recvmsg")
_Question = Callable[[Any, dict[str, Any]], Any]


class GrpcEndpoint:
    """Over gRPC without TLS: the way callers take.

    Args:
        config: The server's configuration.
        timeout_s: How long to wait for each answer.
    """

    streams = True

    def __init__(self, config: ServerConfig, timeout_s: float) -> None:
        if config.tls is not None:
            raise ServingError(
                "with TLS on gRPC, whether the server is ready is asked over HTTP: leave HTTP on "
                "(it may bind to 127.0.0.1)."
            )
        self._address = f"{config.local_host}:{config.grpc_port}"
        self._timeout_s = timeout_s
        self._headers = {
            f"triton-grpc-protocol-{guard.header}": guard.secret for guard in config.guards
        }

    def server_ready(self) -> bool:
        """ServerReady."""
        return self._holds(lambda client, how: client.is_server_ready(**how))

    def model_ready(self, model: str) -> bool:
        """ModelReady."""
        return self._holds(lambda client, how: client.is_model_ready(model, **how))

    def infer(self, model: str, inputs: Tensors) -> dict[str, Array]:
        """ModelInfer."""
        tensors = _grpc_tensors(inputs)
        return _outputs(self._asked(lambda client, how: client.infer(model, tensors, **how)))

    def stream(self, model: str, inputs: Tensors) -> list[dict[str, Array]]:
        """ModelStreamInfer."""
        tensors = _grpc_tensors(inputs)

        def question(client: Any, how: dict[str, Any]) -> list[dict[str, Array]]:
            arrived: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
            client.start_stream(
                lambda result, error: arrived.put((result, error)),
                stream_timeout=how["client_timeout"],
                headers=how["headers"],
            )
            client.async_stream_infer(model, tensors)
            answers = []
            while True:
                result, error = arrived.get()
                if error is not None:
                    raise error
                answers.append(_outputs(result))
                if result.get_response().parameters[_FINAL_RESPONSE].bool_param:
                    return answers

        return list(self._asked(question))

    def executions(self, model: str) -> int:
        """ModelStatistics."""
        found = self._asked(lambda client, how: client.get_inference_statistics(model, **how))
        return sum(entry.execution_count for entry in found.model_stats)

    def load(self, model: str) -> None:
        """RepositoryModelLoad."""
        self._asked(lambda client, how: client.load_model(model, **how))

    def unload(self, model: str) -> None:
        """RepositoryModelUnload."""
        self._asked(lambda client, how: client.unload_model(model, **how))

    def model_states(self) -> dict[str, str]:
        """RepositoryIndex."""
        index = self._asked(lambda client, how: client.get_model_repository_index(**how))
        return {model.name: model.state for model in index.models}

    def _holds(self, question: _Question) -> bool:
        try:
            return bool(self._asked(question))
        except ServingError:
            return False

    def _asked(self, question: _Question) -> Any:
        how = {"headers": self._headers, "client_timeout": self._timeout_s}
        try:
            with triton_grpc.InferenceServerClient(self._address) as client:
                return question(client, how)
        except InferenceServerException as error:
            late = error.status() == "StatusCode.DEADLINE_EXCEEDED"
            # Triton's own refusals are UNAVAILABLE too, and say other words.
            lost = error.status() == "StatusCode.UNAVAILABLE" and any(
                word in str(error) for word in _CONNECTION_WORDS
            )
            kind = UnreachableError if late or lost else ServingError
            raise kind(f"{self._address} answered: {error}") from None


def _grpc_tensors(inputs: Tensors) -> list[Any]:
    tensors = []
    for name, array in inputs.items():
        tensor = triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return tensors


def _outputs(answer: Any) -> dict[str, Array]:
    return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}
