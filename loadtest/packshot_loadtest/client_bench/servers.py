"""The servers that the client is measured against."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packshot.contracts import QUALITY
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot_loadtest.client_bench.canned_model import write_canned_repository


@contextmanager
def canned_server() -> Iterator[str]:
    """The address of a Triton that answers at once."""
    with tempfile.TemporaryDirectory() as folder:
        write_canned_repository(Path(folder) / "models")
        with TritonProcess(ServerConfig.on_free_ports(Path(folder) / "models")) as server:
            yield server.grpc_address


@contextmanager
def live_server(repository: Path) -> Iterator[str]:
    """The address of a Triton with ``quality`` as it ships.

    Raises:
        packshot.errors.ServingError: It does not start.
    """
    config = ServerConfig.on_free_ports(
        repository, model_control_mode="explicit", models=(QUALITY.name,)
    )
    with TritonProcess(config) as server:
        yield server.grpc_address
