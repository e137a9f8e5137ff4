"""A running Triton, asked to load, unload and answer."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from packshot_export.errors import ServerError
from packshot_export.networks import Arrays

_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where the server is, and how it lets a publisher in.

    Attributes:
        address: ``host:port`` of its gRPC endpoint.
        key: ``header=secret`` of a server that restricts model control.
        ca: PEM file of the authority of its certificate; TLS is used if given.
        timeout_s: The longest any single step may take.
    """

    address: str
    key: str | None = field(default=None, repr=False)
    ca: Path | None = None
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if ":" not in self.address:
            raise ServerError(f"expected host:port of the gRPC endpoint, got {self.address!r}")
        if self.key is not None and "=" not in self.key:
            raise ServerError("expected the key as header=secret")


class ModelServer:
    """One gRPC connection, for as long as a ``with`` block lasts."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._client = triton_grpc.InferenceServerClient(
            address.address,
            ssl=address.ca is not None,
            root_certificates=str(address.ca) if address.ca else None,
        )
        header, _, secret = (address.key or "").partition("=")
        self._headers = {f"triton-grpc-protocol-{header}": secret} if header else {}

    def __enter__(self) -> ModelServer:
        self.versions("")  # Fails at once where the server is down or does not let us in.
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def versions(self, model: str) -> dict[int, tuple[str, str]]:
        """State and its reason of each version of a model that the server knows of."""
        index = self._ask(
            self._client.get_model_repository_index, client_timeout=self._address.timeout_s
        )
        return {
            int(item.version): (item.state, item.reason)
            for item in index.models
            if item.name == model and item.version
        }

    def load(
        self,
        model: str,
        *,
        config: dict[str, Any] | None = None,
        files: dict[str, bytes] | None = None,
    ) -> None:
        """Load, or load anew what has changed on disk; never unloads first.

        Args:
            model: Its name.
            config: A whole configuration instead of the one on disk.
            files: Files of its versions instead of those on disk, ``VERSION/NAME`` to content.
        """
        self._ask(
            self._client.load_model,
            model,
            config=None if config is None else json.dumps(config),
            files=None
            if files is None
            else {f"file:{name}": content for name, content in files.items()},
            client_timeout=self._address.timeout_s,
        )

    def unload(self, model: str) -> None:
        """Let a model answer what it has accepted, and go."""
        self._ask(self._client.unload_model, model, client_timeout=self._address.timeout_s)

    def infer(self, model: str, version: int, inputs: Arrays) -> Arrays:
        """The outputs of one version of a model."""
        tensors = []
        for name, array in inputs.items():
            tensors.append(
                triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            )
            tensors[-1].set_data_from_numpy(np.ascontiguousarray(array))
        answer = self._ask(
            self._client.infer,
            model,
            tensors,
            model_version=str(version),
            client_timeout=self._address.timeout_s,
        )
        return {out.name: answer.as_numpy(out.name) for out in answer.get_response().outputs}

    def check_ready(self, model: str, version: int) -> None:
        """Refuse a version that is not ready, of a model that need not be on disk.

        Raises:
            ServerError: It is not.
        """
        if not self._ask(
            self._client.is_model_ready,
            model,
            str(version),
            client_timeout=self._address.timeout_s,
        ):
            raise ServerError(f"{model} version {version} was loaded, but is not ready")

    def serves(self, model: str) -> bool:
        """Whether any version of a model is ready."""
        return any(state == "READY" for state, _ in self.versions(model).values())

    def wait_served(self, model: str, versions: tuple[int, ...], *, drained: bool = False) -> None:
        """Wait until exactly these versions are ready.

        Args:
            model: Its name.
            versions: All that are to be ready.
            drained: Wait also until the others have answered what they had accepted.

        Raises:
            ServerError: They are not in time; says what the server says of each.
        """
        deadline = time.monotonic() + self._address.timeout_s
        while True:
            states = self.versions(model)
            ready = {version for version, (state, _) in states.items() if state == "READY"}
            busy = any(state in ("LOADING", "UNLOADING") for state, _ in states.values())
            if ready == set(versions) and not (drained and busy):
                return
            if (not busy and not set(versions) <= ready) or time.monotonic() > deadline:
                said = "; ".join(
                    f"version {v} is {state}{f' ({reason})' if reason else ''}"
                    for v, (state, reason) in sorted(states.items())
                )
                raise ServerError(
                    f"{model} should serve {list(versions)}, but the server says:"
                    f" {said or 'nothing of it'}"
                )
            time.sleep(_POLL_S)

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, headers=self._headers, **options)
        except InferenceServerException as error:
            raise ServerError(self._worded(error)) from error

    def _worded(self, error: InferenceServerException) -> str:
        words = str(error.message())
        where = self._address.address
        if "restricted" in words:
            return (
                f"{where} does not let this caller control its models. Start it with packshot-serve"
                " --model-control-mode explicit --restrict model-repository:admin-key=SECRET, and"
                " publish with --key admin-key=SECRET"
            )
        if "polling" in words or "not allowed" in words:
            return f"{where} allows no model control ({words}): --model-control-mode explicit"
        if error.status() == "StatusCode.UNAVAILABLE" and "connect" in words.lower():
            return f"no server answers at {where} ({words}). Start it with packshot-serve"
        if error.status() == "StatusCode.DEADLINE_EXCEEDED":
            return f"{where} did not answer within {self._address.timeout_s:g} s"
        return f"{where}: {words}"
