"""A server of the scenario's own, that may be killed, restarted and reloaded."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType

import psutil

from packshot.serving.access import ProtocolGuard
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess
from packshot_loadtest.errors import ScenarioError

_HEADER = "packshot-chaos"
_CALL_TIMEOUT_S = 60.0


class OwnServer:
    """A tritonserver on a copy of a model repository, on free ports.

    Args:
        repository: Model repository to copy.
    """

    def __init__(self, repository: Path) -> None:
        if not repository.is_dir():
            raise ScenarioError(f"there is no model repository at {repository} (--repository)")
        self._folder = tempfile.TemporaryDirectory(prefix="packshot-chaos-")
        copy = Path(self._folder.name) / "model_repository"
        shutil.copytree(repository, copy)
        secret = secrets.token_urlsafe(16)
        self._headers = {_HEADER: secret}
        guard = ProtocolGuard(protocols=("model-repository",), header=_HEADER, secret=secret)
        self.config = ServerConfig.on_free_ports(copy, guards=(guard,))
        self._server = TritonProcess(self.config)
        self._broken = False

    def __enter__(self) -> OwnServer:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._broken:
                # Triton waits a minute for what the process that was killed had, in vain.
                self._server.kill()
            else:
                self._server.stop()
        finally:
            self._folder.cleanup()

    @property
    def grpc_address(self) -> str:
        """``host:port`` for gRPC."""
        return self._server.grpc_address

    @property
    def http_address(self) -> str:
        """``host:port`` for HTTP."""
        return f"{self.config.local_host}:{self.config.http_port}"

    @property
    def metrics_address(self) -> str:
        """``host:port`` of the metrics."""
        return f"{self.config.local_host}:{self.config.metrics_port}"

    def pid(self) -> int | None:
        """Process id of tritonserver now."""
        return self._server.pid

    def kill(self) -> None:
        """End it and its stubs with SIGKILL, as a machine that fails does."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait(_CALL_TIMEOUT_S)

    def restart(self) -> None:
        """Start anew on the same ports; returns when it answers."""
        self._server.stop()
        server = TritonProcess(self.config)
        server.start()
        # Only now: meanwhile its process is watched from another thread.
        self._server = server
        self._broken = False

    def kill_backend(self, model: str) -> None:
        """End one Python-backend process of a model with SIGKILL.

        Raises:
            ScenarioError: The model has none.
        """
        folder = f"{self.config.model_repository / model}/"
        for member in self._members()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                # The stub's command line names the model file that it runs.
                if any(part.startswith(folder) for part in member.cmdline()):
                    member.send_signal(signal.SIGKILL)
                    self._broken = True
                    return
        raise ScenarioError(
            f"the model {model} has no Python-backend process; kill one that has (--model)"
        )

    def reload(self, model: str) -> None:
        """Load a model again while it serves: a new instance first, then the swap.

        Raises:
            ScenarioError: The server refused.
        """
        # Triton loads nothing when no file is newer.
        for file in (self.config.model_repository / model).rglob("*.p*"):
            if file.suffix in (".py", ".pbtxt"):
                file.touch()
        self._control(model, "load")

    def mend(self, model: str) -> None:
        """Unload and load a model whose process has died: Triton does not restart it.

        Raises:
            ScenarioError: The server refused.
        """
        self._control(model, "unload")
        self._control(model, "load")

    def _members(self) -> list[psutil.Process]:
        first = psutil.Process(self._server.pid)
        return [first, *first.children(recursive=True)]

    def _control(self, model: str, what: str) -> None:
        connection = http.client.HTTPConnection(self.http_address, timeout=_CALL_TIMEOUT_S)
        try:
            path = f"/v2/repository/models/{model}/{what}"
            connection.request("POST", path, json.dumps({}), self._headers)
            response = connection.getresponse()
            words = response.read().decode(errors="replace")
            if response.status != http.client.OK:
                raise ScenarioError(f"{what} of {model} answered {response.status}: {words}")
        except (OSError, http.client.HTTPException) as error:
            raise ScenarioError(f"{what} of {model} got no answer: {error}") from error
        finally:
            connection.close()
