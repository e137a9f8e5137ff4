"""A running server, asked over HTTP, which Triton serves without TLS."""

from __future__ import annotations

import http.client
import json
from typing import Any

import numpy as np
from tritonclient.utils import (
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from packshot.errors import ServingError, UnreachableError
from packshot.serving.backend import Array, Tensors
from packshot.serving.options import ServerConfig

_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpEndpoint:
    """Over HTTP, which Triton serves without TLS.

    Args:
        config: The server's configuration.
        timeout_s: How long to wait for each answer.
    """

    streams = False

    def __init__(self, config: ServerConfig, timeout_s: float) -> None:
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
