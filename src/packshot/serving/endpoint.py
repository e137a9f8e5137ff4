"""Asking a running server: is it ready, does it really answer, has a model been drained?"""

from __future__ import annotations

import base64
import http.client
import json
import struct
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from packshot.contracts import IMAGE, QUALITY
from packshot.errors import ServingError
from packshot.serving.options import ServerConfig

TINY_PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
)
"""An 8x8 picture: the cheapest proof that decoding, network and verdict all answer."""

_TIMEOUT_S = 30.0


class Endpoint(Protocol):
    """One way to reach a server."""

    def server_ready(self) -> bool:
        """Whether it answers and calls itself ready."""

    def model_ready(self, model: str) -> bool:
        """Whether it calls a model ready."""

    def score(self, image: bytes) -> None:
        """Have an image scored by ``quality``.

        Raises:
            ServingError: No answer, or an error.
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
    """Over HTTP, which needs no client library."""

    def __init__(self, config: ServerConfig) -> None:
        if config.http_port is None:
            raise ValueError("HTTP is switched off in the configuration")
        self._address = (config.local_host, config.http_port)
        self._headers = {guard.header: guard.secret for guard in config.guards}

    def server_ready(self) -> bool:
        """GET /v2/health/ready."""
        return self._succeeds("/v2/health/ready")

    def model_ready(self, model: str) -> bool:
        """GET /v2/models/MODEL/ready."""
        return self._succeeds(f"/v2/models/{model}/ready")

    def score(self, image: bytes) -> None:
        """POST /v2/models/quality/infer, with the image in the binary extension."""
        payload = struct.pack("<I", len(image)) + image
        tensor = {
            "name": IMAGE.name,
            "shape": [1, 1],
            "datatype": IMAGE.dtype,
            "parameters": {"binary_data_size": len(payload)},
        }
        header = json.dumps({"inputs": [tensor]}).encode()
        length = {"Inference-Header-Content-Length": str(len(header))}
        self._post(f"/v2/models/{QUALITY.name}/infer", header + payload, length)

    def unload(self, model: str) -> None:
        """POST /v2/repository/models/MODEL/unload."""
        self._post(f"/v2/repository/models/{model}/unload")

    def model_states(self) -> dict[str, str]:
        """POST /v2/repository/index."""
        index = json.loads(self._post("/v2/repository/index"))
        return {model["name"]: model.get("state", "") for model in index}

    def _post(self, path: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> bytes:
        status, answer = self._call("POST", path, body, headers)
        if status != http.client.OK:
            raise ServingError(f"{path} answered {status}: {answer.decode(errors='replace')}")
        return answer

    def _succeeds(self, path: str) -> bool:
        try:
            return self._call("GET", path)[0] == http.client.OK
        except ServingError:
            return False

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServingError(f"no answer from {self._address}: {error}") from None
        finally:
            connection.close()


class GrpcEndpoint:
    """Over gRPC without TLS, for servers with HTTP switched off."""

    def __init__(self, config: ServerConfig) -> None:
        if config.tls is not None:
            raise ServingError(
                "with TLS on gRPC, whether the server is ready is asked over HTTP: leave HTTP on "
                "(it may bind to 127.0.0.1)."
            )
        self._address = f"{config.local_host}:{config.grpc_port}"
        self._headers = {
            f"triton-grpc-protocol-{guard.header}": guard.secret for guard in config.guards
        }

    def server_ready(self) -> bool:
        """ServerReady."""
        return self._holds(lambda client: client.is_server_ready(headers=self._headers))

    def model_ready(self, model: str) -> bool:
        """ModelReady."""
        return self._holds(lambda client: client.is_model_ready(model, headers=self._headers))

    def score(self, image: bytes) -> None:
        """ModelInfer."""
        tensor = triton_grpc.InferInput(IMAGE.name, [1, 1], IMAGE.dtype)
        tensor.set_data_from_numpy(np.array([[image]], dtype=np.object_))
        self._asked(
            lambda client: client.infer(
                QUALITY.name, [tensor], headers=self._headers, client_timeout=_TIMEOUT_S
            )
        )

    def unload(self, model: str) -> None:
        """RepositoryModelUnload."""
        self._asked(lambda client: client.unload_model(model, headers=self._headers))

    def model_states(self) -> dict[str, str]:
        """RepositoryIndex."""
        index = self._asked(lambda client: client.get_model_repository_index(headers=self._headers))
        return {model.name: model.state for model in index.models}

    def _holds(self, question: Callable[[Any], Any]) -> bool:
        try:
            return bool(self._asked(question))
        except ServingError:
            return False

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        try:
            with triton_grpc.InferenceServerClient(self._address) as client:
                return question(client)
        except InferenceServerException as error:
            raise ServingError(f"{self._address} answered: {error}") from None


def endpoint_of(config: ServerConfig) -> Endpoint:
    """The way the launcher reaches a server of this configuration."""
    return HttpEndpoint(config) if config.http_port is not None else GrpcEndpoint(config)
