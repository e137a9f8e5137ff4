"""The loop that keeps one server answering."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

from packshot.errors import ModelRepositoryError, ServerStartError, ServingError
from packshot.serving.endpoint import callers_endpoint_of, endpoint_of
from packshot.serving.process import TritonProcess
from packshot.serving.repository import config_path, ensemble_steps, read_config
from packshot.serving.supervision.board import HealthBoard
from packshot.serving.supervision.budget import Budget
from packshot.serving.supervision.census import Fault, StubCensus
from packshot.serving.supervision.endpoint import HealthEndpoint
from packshot.serving.supervision.mending import Mender
from packshot.serving.supervision.metrics import RestartReason, SupervisorMetrics
from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.prober import ModelProber
from packshot.serving.supervision.watch import ModelWatch, ModelWatches, with_steps

_RESTART_PATIENCE_S = 2.0


class _BeyondMendingError(Exception):
    """The server is beyond mending model by model."""

    def __init__(self, kind: RestartReason, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Supervisor:
    """Starts a server, proves its models, mends what breaks, until it is told to stop.

    Args:
        make_server: A new server of the same configuration, not started yet.
        options: How to watch and mend.
        say: Tells a person what happens.
    """

    def __init__(
        self,
        make_server: Callable[[], TritonProcess],
        options: SupervisorOptions | None = None,
        *,
        say: Callable[[str], None] = print,
    ) -> None:
        self.options = options or SupervisorOptions()
        self.metrics = SupervisorMetrics()
        self.board = HealthBoard(self.metrics.note_health)
        self._make_server = make_server
        self._say = say
        self._restarts = Budget(
            self.options.max_restarts,
            self.options.window_s,
            backoff_s=self.options.backoff_s,
            max_backoff_s=self.options.max_backoff_s,
        )
        self._was_ready = False
        self._mended = False
        self._outage_since: float | None = None

    def run(self, announce: Callable[[TritonProcess], None]) -> None:
        """Serve until KeyboardInterrupt, which drains the server and returns.

        Args:
            announce: Called once, when the server has started.

        Raises:
            ServingError: The first start failed, or the limit of restarts is reached.
        """
        board, options = self.board, self.options
        with (
            HealthEndpoint(board, self._metrics_text, host=options.host, port=options.port),
            ThreadPoolExecutor(thread_name_prefix="probe") as pool,
        ):
            server = self._started()
            try:
                announce(server)
                while True:
                    server = self._restarted(server, self._watch(server, pool))
            except KeyboardInterrupt:
                self._drain()
            except ServingError:
                board.set_state("given up")
                raise
            finally:
                server.stop(mended=self._mended)

    def _metrics_text(self) -> bytes:
        return self.metrics.text(ready=self.board.is_ready())

    def _started(self) -> TritonProcess:
        server = self._make_server()
        server.start()
        self._mended = False
        left = server.leftovers
        self.metrics.regions_removed.inc(len(left.regions))
        self.metrics.bytes_freed.inc(left.freed_bytes)
        self.metrics.stubs_ended.inc(len(left.stub_pids))
        return server

    def _watch(self, server: TritonProcess, pool: Executor) -> _BeyondMendingError:
        """Look after one server until it has to be restarted; says why."""
        try:
            self._look_after(server, pool)
        except _BeyondMendingError as need:
            return need

    def _look_after(self, server: TritonProcess, pool: Executor) -> NoReturn:
        census = StubCensus(server.pid)
        watches = self._watches(server, census, pool)
        control = endpoint_of(server.endpoint_config, self.options.mend_timeout_s)
        mender = Mender(control, census, watches, self.options, self.metrics, self._say)
        self.board.expect(watches.models)
        self.metrics.expect(watches.models, _queue_sizes(server, watches.models))
        while True:
            self.board.beat()
            self._check_process(server, census)
            seen = census.look()
            shown = watches.poll()
            faults = watches.without_innocent(_merged(seen, shown))
            if faults:
                self._mend(server, mender, faults)
                watches.reset()
            self.board.set_state("serving")
            self._time_outage()
            time.sleep(self.options.tick_s)

    def _watches(self, server: TritonProcess, census: StubCensus, pool: Executor) -> ModelWatches:
        connect = partial(callers_endpoint_of, server.endpoint_config)
        steps = _steps(server)
        probers = [
            ModelProber(
                model,
                connect,
                self.options,
                self.metrics,
                partial(census.cpu_seconds, with_steps([model], steps.__getitem__)),
            )
            for model in steps
        ]
        watches = {prober.model: ModelWatch(prober, pool) for prober in probers}
        return ModelWatches(watches, steps, self.options, self.board)

    def _check_process(self, server: TritonProcess, census: StubCensus) -> None:
        status = server.returncode
        if status is not None:
            raise _BeyondMendingError("ended", f"tritonserver ended by itself, status {status}")
        if census.is_server_stopped():
            time.sleep(self.options.tick_s)
            if census.is_server_stopped():
                raise _BeyondMendingError("stopped", "the process tritonserver is stopped")

    def _mend(self, server: TritonProcess, mender: Mender, faults: list[Fault]) -> None:
        mode = server.config.model_control_mode
        probe = callers_endpoint_of(server.endpoint_config, self.options.probe_timeout_s)
        if not probe.server_ready() and not probe.server_ready():
            raise _BeyondMendingError(
                "unreachable", f"tritonserver does not answer: {faults[0].reason}"
            )
        for fault in faults:
            if mode == "explicit" and self._is_unloaded(server, fault.model):
                continue  # By whoever controls the models here, on purpose.
            self.board.set_state("mending")
            self.board.mark(fault.model, fault.reason)
            self._time_outage()
            self.metrics.model_faults.labels(fault.model, fault.kind).inc()
            self._mended = True
            if mode == "poll" or not mender.mend(fault):
                raise _BeyondMendingError("unmendable", f"{fault.model}: {fault.reason}")
            self.board.mark(fault.model)

    def _is_unloaded(self, server: TritonProcess, model: str) -> bool:
        endpoint = endpoint_of(server.endpoint_config, self.options.probe_timeout_s)
        try:
            return endpoint.model_states().get(model) != "READY"
        except ServingError:
            return False

    def _restarted(self, server: TritonProcess, need: _BeyondMendingError) -> TritonProcess:
        reason = str(need)
        self.board.set_state("restarting")
        self.board.mark_all(reason)
        self._time_outage()
        self.metrics.server_restarts.labels(need.kind).inc()
        if need.kind == "unmendable":
            server.stop(
                _RESTART_PATIENCE_S, mended=True
            )  # Its other models may still be answering.
        else:
            self.metrics.regions_removed.inc(len(server.kill()))
        while True:
            pause_s = self._restarts.spend()
            if pause_s is None:
                raise ServerStartError(
                    f"gave up after {self.options.max_restarts} restarts within "
                    f"{self.options.window_s:g} s. The last reason: {reason}"
                )
            self._say(f"restarting the server in {pause_s:g} s: {reason}")
            time.sleep(pause_s)
            try:
                return self._started()
            except ServingError as error:
                reason = str(error)

    def _time_outage(self) -> None:
        """Measure from a fault being noticed to the replica being ready again."""
        ready, now = self.board.is_ready(), time.monotonic()
        if ready and self._outage_since is not None:
            self.metrics.outage_seconds.observe(now - self._outage_since)
            self._outage_since = None
        elif not ready and self._was_ready and self._outage_since is None:
            self._outage_since = now
        self._was_ready = self._was_ready or ready

    def _drain(self) -> None:
        self.board.set_state("draining")
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C again: do not wait.
            time.sleep(self.options.drain_delay_s)


def _merged(seen: list[Fault], shown: list[Fault]) -> list[Fault]:
    """One fault for each model; what was seen in the processes names the pids."""
    return list({fault.model: fault for fault in [*shown, *seen]}.values())


def _steps(server: TritonProcess) -> dict[str, tuple[str, ...]]:
    """What each model calls; with the models that were asked for come those they call."""

    def steps_of(model: str) -> tuple[str, ...]:
        try:
            return ensemble_steps(_config(server, model))
        except ModelRepositoryError:
            return ()

    return {model: steps_of(model) for model in with_steps(server.models, steps_of)}


def _queue_sizes(server: TritonProcess, models: Iterable[str]) -> dict[str, int]:
    """How many requests may wait at each model whose queue is bounded."""
    sizes = {}
    for model in models:
        with contextlib.suppress(ModelRepositoryError):
            policy = _config(server, model).dynamic_batching.default_queue_policy
            if policy.max_queue_size:
                sizes[model] = policy.max_queue_size
    return sizes


def _config(server: TritonProcess, model: str) -> Any:
    config = server.config
    return read_config(config_path(config.model_repository / model, config.model_config_name))
