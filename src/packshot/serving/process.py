"""A tritonserver for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from packshot.contracts import IMAGE, QUALITY
from packshot.errors import ServerStartError, ServingError
from packshot.serving.backend import bytes_tensor
from packshot.serving.child import ChildProcess, LineSink
from packshot.serving.command import build_command, build_environment
from packshot.serving.draining import drain_ensembles, drain_models, drainable
from packshot.serving.endpoint import TINY_PNG, Endpoint, endpoint_of
from packshot.serving.installation import Installation, find_installation
from packshot.serving.logs import telling_lines
from packshot.serving.options import ServerConfig
from packshot.serving.preflight import preflight
from packshot.serving.shared_memory import (
    Leftovers,
    new_region_prefix,
    remove_leftovers,
    remove_regions,
)

Probe = Callable[[Endpoint], None]
"""Proves with a real inference that the server answers; raises ``ServingError`` if not."""

_POLL_S = 0.05
_STOP_MARGIN_S = 10.0


def score_probe(endpoint: Endpoint) -> None:
    """Score a tiny picture: a model may call itself ready while its process is dead."""
    endpoint.infer(QUALITY.name, {IMAGE.name: bytes_tensor([TINY_PNG])})


class TritonProcess:
    """Starts tritonserver, waits until it really answers, and stops it without losing requests.

    with TritonProcess(ServerConfig(model_repository=Path("model_repository"))) as server:
        print(server.grpc_address)

    Args:
        config: What to serve and how.
        installation: Which tritonserver; by default the one found.
        probe: Proof that it answers. By default ``score_probe`` if ``quality`` is served.
        start_timeout_s: How long it may take to get ready.
        on_log: Called, from another thread, with each line it logs.

    Attributes:
        config: As given.
        models: Names of the models that are ready.
        ready_after_s: Seconds from start to the first real answer.
        leftovers: What killed servers had left, and this start removed.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        installation: Installation | None = None,
        probe: Probe | None = None,
        start_timeout_s: float = 60.0,
        on_log: LineSink | None = None,
    ) -> None:
        self.config = config
        self.models = config.models_at_start()
        self.ready_after_s = 0.0
        self.leftovers = Leftovers()
        self._installation = installation
        self._probe = probe or (score_probe if QUALITY.name in self.models else None)
        self._start_timeout_s = start_timeout_s
        self._on_log = on_log
        self._actual = drainable(config)
        self._region_prefix = new_region_prefix()
        self._child: ChildProcess | None = None

    @property
    def grpc_address(self) -> str:
        """``host:port`` for clients on this machine."""
        return f"{self.config.local_host}:{self.config.grpc_port}"

    @property
    def endpoint_config(self) -> ServerConfig:
        """The configuration with the launcher's own keys, for ``endpoint_of``."""
        return self._actual

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """Exit status of tritonserver, ``None`` while it runs."""
        return self._running().returncode

    def log_tail(self) -> str:
        """The last lines it logged."""
        return self._running().tail()

    def __enter__(self) -> TritonProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Check, start, and wait until it answers.

        Raises:
            ServingError: A check failed, or the server ended or was not ready in time.
        """
        if self._child is not None:
            raise ServingError("this server was started already; make a new TritonProcess")
        installation = self._installation or find_installation()
        python_bin = Path(sys.executable).parent
        environment = build_environment(os.environ, installation, python_bin=python_bin)
        self.leftovers = remove_leftovers()
        preflight(self.config, installation, environment)
        endpoint = endpoint_of(self._actual)
        command = build_command(
            self._actual, installation, shared_memory_prefix=self._region_prefix
        )
        started = time.monotonic()
        self._child = ChildProcess(command, environment=environment, on_line=self._on_log)
        try:
            self._wait_until_ready(self._child, endpoint, started + self._start_timeout_s)
        except BaseException:
            # Nothing was promised to anyone yet, and a server that hangs would not drain.
            self._child.kill()
            remove_regions(self._region_prefix)
            raise
        self.ready_after_s = time.monotonic() - started

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for it to end by itself; its exit status, ``None`` if it runs on."""
        return self._running().wait(timeout_s)

    def stop(self, patience_s: float | None = None, *, mended: bool = False) -> int:
        """Let it answer what it has accepted, then end it; returns its exit status.

        Args:
            patience_s: It is killed only when draining takes longer than this and a margin; by
                default ``exit_timeout_s``.
            mended: A stub has died in this server. Triton waits for the requests that the stub
                had until its exit timeout, in vain, so it is killed once all models have
                answered theirs.
        """
        child = self._running()
        patience = self.config.exit_timeout_s if patience_s is None else patience_s
        try:
            if child.returncode is None:
                endpoint = endpoint_of(self._actual)
                drain_ensembles(
                    self.config,
                    endpoint,
                    timeout_s=patience,
                    is_alive=lambda: child.returncode is None,
                )
                if mended and drain_models(
                    endpoint, timeout_s=patience, is_alive=lambda: child.returncode is None
                ):
                    child.kill()
                    return 0
            return child.terminate(patience + _STOP_MARGIN_S)
        finally:
            child.kill()
            remove_regions(self._region_prefix)

    def kill(self) -> list[str]:
        """End it at once, requests in flight included.

        Returns:
            The shared-memory regions it had left, which are removed.
        """
        self._running().kill()
        return remove_regions(self._region_prefix)

    def _running(self) -> ChildProcess:
        if self._child is None:
            raise ServingError("the server was not started")
        return self._child

    def _wait_until_ready(self, child: ChildProcess, endpoint: Endpoint, deadline: float) -> None:
        self._wait_for(child, endpoint.server_ready, "the server", deadline)
        for model in self.models:
            self._wait_for(child, lambda m=model: endpoint.model_ready(m), model, deadline)  # type: ignore[misc]
        if self._probe is not None:
            try:
                self._probe(endpoint)
            except ServingError as error:
                raise _start_error(f"a trial inference failed: {error}", child) from error

    def _wait_for(
        self, child: ChildProcess, is_ready: Callable[[], bool], what: str, deadline: float
    ) -> None:
        while True:
            status = child.wait(0.0)
            if status is not None:
                child.kill()
                raise _start_error(f"tritonserver ended with status {status}", child)
            if is_ready():
                return
            if time.monotonic() > deadline:
                raise _start_error(
                    f"{what} was not ready within {self._start_timeout_s:g} s. A model that hangs "
                    "while it loads is the usual reason; a slow disk or CPU wants a longer "
                    "--start-timeout",
                    child,
                )
            time.sleep(_POLL_S)


def _start_error(reason: str, child: ChildProcess) -> ServerStartError:
    return ServerStartError(f"{reason}. Its last words:\n{telling_lines(child.tail())}")
