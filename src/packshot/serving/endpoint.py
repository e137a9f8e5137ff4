"""Asking a running server: is it ready, does it really answer, has a model been drained?"""

from __future__ import annotations

import base64
import http.client
import json
import queue
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import tritonclient.grpc as triton_grpc
from tritonclient.utils import (
    InferenceServerException,
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from packshot.errors import ServingError, UnreachableError
from packshot.serving.backend import Array, Tensors
from packshot.serving.options import ServerConfig

TINY_PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
)
"""An 8x8 picture: the cheapest proof that decoding, network and verdict all answer."""

_TIMEOUT_S = 30.0
_FINAL_RESPONSE = "triton_final_response"
_HEADER_LENGTH = "Inference-Header-Content-Length"
_CONNECTION_WORDS = ("connect", "Socket closed", "Connection reset", "recvmsg")
_Question = Callable[[Any, dict[str, Any]], Any]


class Endpoint(Protocol):
    """One way to reach a server."""

    streams: bool
    """Whether decoupled models answer on this way."""

    def server_ready(self) -> bool:
        """Whether it answers and calls itself ready."""

    def model_ready(self, model: str) -> bool:
        """Whether it calls a model ready."""

    def infer(self, model: str, inputs: Tensors) -> dict[str, Array]:
        """Have a model answer; its outputs by name.

        Raises:
            UnreachableError: No answer in time.
            ServingError: An error.
        """

    def stream(self, model: str, inputs: Tensors) -> list[dict[str, Array]]:
        """Have a decoupled model answer; the outputs of each of its responses, one at least.

        Raises:
            UnreachableError: No answer in time.
            ServingError: An error, or a way on which decoupled models do not answer.
        """

    def executions(self, model: str) -> int:
        """How many batches a model has computed since it was loaded, over all its versions.

        Raises:
            ServingError: No answer, or an error.
        """

    def load(self, model: str) -> None:
        """Load a model, and with it the ensembles that need it. Returns when it is ready.

        Raises:
            ServingError: It cannot be loaded, or no answer.
        """

    def unload(self, model: str) -> None:
        """Let a model answer what it has accepted and take no more. Returns at once.

        Raises:
            ServingError: No answer, or an error.
        """

    def model_states(self) -> dict[str, str]:
        """READY, UNLOADING, UNAVAILABLE, ... of every model that was ever loaded.

        Raises:
            ServingError: No answer, or an error.
        """


class HttpEndpoint:
    """Over HTTP, which Triton serves without TLS.

    Args:
        config: The server's configuration.
        timeout_s: How long to wait for each answer.
    """

    streams = False

    def __init__(self, config: ServerConfig, timeout_s: float = _TIMEOUT_S) -> None:
        if config.http_port is None:
            raise ValueError("HTTP is switched off in the configuration")
        self._address = (config.local_http_host, config.http_port)
        self._timeout_s = timeout_s
        self._headers = {guard.header: guard.secret for guard in config.guards}

    def server_ready(self) -> bool:
        """GET /v2/health/ready."""
        return self._succeeds("/v2/health/ready")

    def model_ready(self, model: str) -> bool:
        """GET /v2/models/MODEL/ready."""
        return self._succeeds(f"/v2/models/{model}/ready")

    def infer(self, model: str, inputs: Tensors) -> dict[str, Array]:
        """POST /v2/models/MODEL/infer, with all tensors in the binary extension."""
        payloads = {name: _raw(array) for name, array in inputs.items()}
        tensors = [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": np_to_triton_dtype(array.dtype),
                "parameters": {"binary_data_size": len(payloads[name])},
            }
            for name, array in inputs.items()
        ]
        header = json.dumps(
            {"inputs": tensors, "parameters": {"binary_data_output": True}}
        ).encode()
        headers = {_HEADER_LENGTH: str(len(header))}
        body = header + b"".join(payloads.values())
        length, answer = self._post_measured(f"/v2/models/{model}/infer", body, headers)
        return _arrays(json.loads(answer[:length]), answer[length:])

    def stream(self, model: str, inputs: Tensors) -> list[dict[str, Array]]:  # noqa: ARG002
        """Refused: decoupled models answer streaming calls of gRPC only."""
        raise ServingError(f"{model} is decoupled and does not answer over HTTP")

    def executions(self, model: str) -> int:
        """GET /v2/models/MODEL/stats."""
        path = f"/v2/models/{model}/stats"
        status, answer, _ = self._call("GET", path)
        _check_status(path, status, answer)
        return sum(int(entry["execution_count"]) for entry in json.loads(answer)["model_stats"])

    def load(self, model: str) -> None:
        """POST /v2/repository/models/MODEL/load."""
        self._post(f"/v2/repository/models/{model}/load")

    def unload(self, model: str) -> None:
        """POST /v2/repository/models/MODEL/unload."""
        self._post(f"/v2/repository/models/{model}/unload")

    def model_states(self) -> dict[str, str]:
        """POST /v2/repository/index."""
        index = json.loads(self._post("/v2/repository/index"))
        return {model["name"]: model.get("state", "") for model in index}

    def _post(self, path: str) -> bytes:
        return self._post_measured(path, b"{}", {})[1]

    def _post_measured(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        status, answer, length = self._call("POST", path, body, headers)
        _check_status(path, status, answer)
        return length, answer

    def _succeeds(self, path: str) -> bool:
        try:
            return self._call("GET", path)[0] == http.client.OK
        except ServingError:
            return False

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, int]:
        """Status, body, and how many bytes of the body are JSON before binary tensors."""
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout_s)
        try:
            connection.request(method, path, body, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            answer = response.read()
            return response.status, answer, int(response.getheader(_HEADER_LENGTH) or len(answer))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"no answer from {self._address}: {error}") from None
        finally:
            connection.close()


class GrpcEndpoint:
    """Over gRPC without TLS: the way callers take.

    Args:
        config: The server's configuration.
        timeout_s: How long to wait for each answer.
    """

    streams = True

    def __init__(self, config: ServerConfig, timeout_s: float = _TIMEOUT_S) -> None:
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


def endpoint_of(config: ServerConfig, timeout_s: float = _TIMEOUT_S) -> Endpoint:
    """The way the launcher controls a server of this configuration."""
    if config.http_port is not None:
        return HttpEndpoint(config, timeout_s)
    return GrpcEndpoint(config, timeout_s)


def callers_endpoint_of(config: ServerConfig, timeout_s: float = _TIMEOUT_S) -> Endpoint:
    """The way callers reach it, where that needs no certificate: proof of more than HTTP is."""
    if config.tls is None:
        return GrpcEndpoint(config, timeout_s)
    return HttpEndpoint(config, timeout_s)


def _grpc_tensors(inputs: Tensors) -> list[Any]:
    tensors = []
    for name, array in inputs.items():
        tensor = triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return tensors


def _outputs(answer: Any) -> dict[str, Array]:
    return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}


def _check_status(path: str, status: int, answer: bytes) -> None:
    if status != http.client.OK:
        raise ServingError(f"{path} answered {status}: {answer.decode(errors='replace')}")


def _raw(array: Array) -> bytes:
    if array.dtype == np.object_:
        return bytes(serialize_byte_tensor(array).item())
    return np.ascontiguousarray(array).tobytes()


def _arrays(header: dict[str, Any], body: bytes) -> dict[str, Array]:
    arrays, start = {}, 0
    for output in header["outputs"]:
        end = start + int(output["parameters"]["binary_data_size"])
        raw, start = body[start:end], end
        dtype = output["datatype"]
        flat = (
            deserialize_bytes_tensor(raw)
            if dtype == "BYTES"
            else np.frombuffer(raw, triton_to_np_dtype(dtype))
        )
        arrays[output["name"]] = flat.reshape(output["shape"])
    return arrays
