"""``packshot-serve --supervise`` in a process of its own, on free ports of this machine."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType

from packshot.errors import ServerStartError
from packshot.serving.ports import free_ports
from packshot.serving.stubs import Stub, find_stubs, parent_of

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 90.0
_ASK_TIMEOUT_S = 20.0
_POLL_S = 0.02


class Replica:
    """Starts at once; ``wait_until_ready`` before it is called.

    Args:
        model_repository: What it serves.
        options: More arguments of ``packshot-serve``.

    Attributes:
        grpc: Its port for callers.
        http: Its port for HTTP.
        metrics: Port of Triton's metrics.
        health: Port of the supervisor's pages.
        process: The process of ``packshot-serve``.
    """

    def __init__(self, model_repository: Path, *options: str) -> None:
        self.grpc, self.http, self.metrics, self.health = free_ports(4)
        self._command = [
            *(sys.executable, "-m", "packshot.serving.cli", "--supervise"),
            f"--model-repository={model_repository}",
            f"--grpc-port={self.grpc}",
            f"--http-port={self.http}",
            f"--metrics-port={self.metrics}",
            f"--health-port={self.health}",
            *options,
        ]
        self.process = self._started()

    def __enter__(self) -> Replica:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def address(self) -> str:
        """``host:port`` for gRPC."""
        return f"127.0.0.1:{self.grpc}"

    def start_again(self) -> None:
        """Start it anew on the same ports, after ``stop``."""
        self.process = self._started()

    def stop(self) -> int:
        """Let it answer what it has accepted, then end it; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(_STOP_TIMEOUT_S)
        finally:
            self.process.kill()

    def wait_until_ready(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Return once every model has proved itself.

        Raises:
            ServerStartError: It ended, or was not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            status = self.process.poll()
            if status is not None:
                raise ServerStartError(
                    f"packshot-serve ended with status {status}. To read why: "
                    + " ".join(self._command)
                )
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"the replica was not ready within {timeout_s:g} s: {self.get('/health')[1]}"
                )
            time.sleep(_POLL_S)

    def is_ready(self) -> bool:
        """Whether callers may be sent to it."""
        return self.get("/health/ready")[0] == http.client.OK

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the supervisor; status 0 and why, when none answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=_ASK_TIMEOUT_S)
        with closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                return 0, str(error)

    def counter(self, pattern: str) -> float:
        """Sum of the supervisor's metrics whose lines begin as the regular expression says."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(pattern, line))

    def stubs(self, model: str) -> list[Stub]:
        """The processes that run one of its models."""
        return [
            stub
            for stub in find_stubs()
            if stub.model == model and parent_of(stub.parent) == self.process.pid
        ]

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
