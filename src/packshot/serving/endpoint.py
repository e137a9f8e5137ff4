"""Asking a running server: is it ready, does it really answer, has a model been drained?"""

from __future__ import annotations

import base64
from typing import Final, Protocol

from packshot.serving.backend import Array, Tensors
from packshot.serving.grpc_endpoint import GrpcEndpoint
from packshot.serving.http_endpoint import HttpEndpoint
from packshot.serving.options import ServerConfig

TINY_PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNogAIGyhgAgIQgARDoahcAAAAASUVORK5CYII="
)
"""An 8x8 picture: the cheapest proof that decoding, network and verdict all answer."""

_TIMEOUT_S = 30.0


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
