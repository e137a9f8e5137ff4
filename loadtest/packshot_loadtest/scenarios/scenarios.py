"""The scenarios: each a load, something that goes wrong, and what must be true."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packshot.contracts import QUALITY
from packshot_loadtest.arrivals import Pattern
from packshot_loadtest.errors import ScenarioError, SettingsError
from packshot_loadtest.execution import execute
from packshot_loadtest.generator.calls import Target
from packshot_loadtest.generator.launch import GeneratorOptions
from packshot_loadtest.preparation import Progress
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.scenarios import judgement
from packshot_loadtest.scenarios.judgement import Finding, Judgement
from packshot_loadtest.scenarios.network import SlowProxy, netem
from packshot_loadtest.scenarios.server import OwnServer
from packshot_loadtest.scenarios.timeline import Action, Timeline
from packshot_loadtest.settings import PhotoSource, RunSettings

_FINISH_S: Final = 120.0
_EASE_S: Final = 2.0
"""After a repair, requests that were queued meanwhile may still fail or be slow."""


@dataclass(frozen=True, kw_only=True)
class ScenarioSettings:
    """What all scenarios share.

    Attributes:
        repository: Model repository; the server is the scenario's own.
        rate: Requests a second; take 0.7 of the knee for a soak, less for chaos.
        duration_s: The measured part.
        warmup_s: Load before it.
        mix: Request kinds.
        photos: Where photos come from.
        timeout_s: Deadline of a request.
        p99_ms: What p99 must hold when all is well.
        recovery_s: How soon after a repair.
        model: Whose process is killed, or that is reloaded.
        burst: Factor of the burst over ``rate``.
        delay_ms: Of the slow network, each way.
        interface: Network interface for ``tc netem``; empty uses a delaying proxy.
        growth: How much memory and p99 may grow in a soak, as a share.
        max_lag_ms: As for a run.
        seed: As for a run.
    """

    repository: Path
    rate: float = 10.0
    duration_s: float = 30.0
    warmup_s: float = 3.0
    mix: str = "score"
    photos: PhotoSource = field(default_factory=PhotoSource)
    timeout_s: float = 5.0
    p99_ms: float = 500.0
    recovery_s: float = 5.0
    model: str = QUALITY.name
    burst: float = 3.0
    delay_ms: float = 40.0
    interface: str = ""
    growth: float = 0.05
    max_lag_ms: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "duration_s", "timeout_s", "p99_ms", "recovery_s", "delay_ms"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingsError(f"{name} must be more than 0, got {getattr(self, name)}")
        if self.burst <= 1:
            raise SettingsError(f"a burst must be more than 1 times the rate, got {self.burst}")

    def at(self, share: float) -> float:
        """That share of the measured part, in seconds from the start of the schedule."""
        return self.warmup_s + share * self.duration_s

    def run(self, server: OwnServer, pattern: Pattern | None = None) -> RunSettings:
        """The load."""
        target = Target(
            grpc=server.grpc_address, http=server.http_address, timeout_s=self.timeout_s
        )
        return RunSettings(
            target=target,
            mix=self.mix,
            pattern=pattern or Pattern(rate=self.rate),
            duration_s=self.duration_s,
            warmup_s=self.warmup_s,
            photos=self.photos,
            max_lag_ms=self.max_lag_ms,
            seed=self.seed,
        )


Scenario = Callable[[ScenarioSettings, GeneratorOptions, Progress], Judgement]


def soak(settings: ScenarioSettings, options: GeneratorOptions, progress: Progress) -> Judgement:
    """A steady load: memory and p99 stay flat, nothing fails."""
    with OwnServer(settings.repository) as server:
        result = _run("soak", settings, server, options, progress, ())
    return _judged(
        "soak",
        result,
        judgement.no_failure(result),
        judgement.memory_flat(result, growth=settings.growth),
        # A p99 over a third of a run is itself uncertain, so it gets more room than memory.
        judgement.tail_flat(result, growth=max(0.25, settings.growth)),
    )


def reload_model(
    settings: ScenarioSettings, options: GeneratorOptions, progress: Progress
) -> Judgement:
    """A model is loaded anew three times under load: no request fails."""
    with OwnServer(settings.repository) as server:
        actions = [
            Action(
                at_s=settings.at(share),
                name=f"reload {number}",
                do=lambda: server.reload(settings.model),
            )
            for number, share in enumerate((0.25, 0.5, 0.75), start=1)
        ]
        result = _run("reload", settings, server, options, progress, actions)
    return _judged("reload", result, judgement.no_failure(result))


def kill_backend(
    settings: ScenarioSettings, options: GeneratorOptions, progress: Progress
) -> Judgement:
    """A Python-backend process is killed; later the model is unloaded and loaded again, which is
    what mends it (Triton restarts no stub). Failures are quick, and end with the repair."""
    with OwnServer(settings.repository) as server:
        actions = [
            Action(
                at_s=settings.at(0.3),
                name="kill backend",
                do=lambda: server.kill_backend(settings.model),
            ),
            Action(at_s=settings.at(0.5), name="mend", do=lambda: server.mend(settings.model)),
        ]
        result = _run("kill-backend", settings, server, options, progress, actions)
    broken_s, mended_s = _event(result, "kill backend"), _event(result, "mend done")
    return _judged(
        "kill-backend",
        result,
        judgement.failures_within(result, broken_s, mended_s + _EASE_S),
        judgement.none_hangs(result),
        judgement.recovers(result, mended_s, within_s=settings.recovery_s, p99_ms=settings.p99_ms),
    )


def restart(settings: ScenarioSettings, options: GeneratorOptions, progress: Progress) -> Judgement:
    """The server is killed and started again on the same ports."""
    with OwnServer(settings.repository) as server:
        actions = [
            Action(at_s=settings.at(0.3), name="kill server", do=server.kill),
            Action(at_s=settings.at(0.45), name="restart", do=server.restart),
        ]
        result = _run("restart", settings, server, options, progress, actions)
    broken_s, mended_s = _event(result, "kill server"), _event(result, "restart done")
    return _judged(
        "restart",
        result,
        judgement.failures_within(result, broken_s, mended_s + settings.recovery_s),
        judgement.recovers(result, mended_s, within_s=settings.recovery_s, p99_ms=settings.p99_ms),
    )


def burst(settings: ScenarioSettings, options: GeneratorOptions, progress: Progress) -> Judgement:
    """A fifth of the run at several times the rate. Give the knee as the rate times the burst
    over three: what the server cannot take it refuses at once, and it recovers."""
    pattern = Pattern(shape="spike", rate=settings.rate, peak=settings.rate * settings.burst)
    with OwnServer(settings.repository) as server:
        result = _run("burst", settings, server, options, progress, (), pattern=pattern)
    end_s = 0.6 * settings.duration_s
    return _judged(
        "burst",
        result,
        judgement.refuses_fast(result.samples, within_ms=1000.0),
        judgement.recovers(result, end_s, within_s=settings.recovery_s, p99_ms=settings.p99_ms),
    )


def slow_network(
    settings: ScenarioSettings, options: GeneratorOptions, progress: Progress
) -> Judgement:
    """The network turns slow for a third of the run: answers come later, none is lost."""
    with OwnServer(settings.repository) as server, contextlib.ExitStack() as stack:
        port = server.config.grpc_port
        proxy = stack.enter_context(SlowProxy(server.config.local_host, port))
        slow = contextlib.ExitStack()

        def begin() -> None:
            if settings.interface:
                slow.enter_context(netem(settings.interface, delay_ms=settings.delay_ms))
            else:
                proxy.delay_s = settings.delay_ms / 1000.0

        def end() -> None:
            proxy.delay_s = 0.0
            slow.close()

        stack.callback(end)
        actions = [
            Action(at_s=settings.at(1 / 3), name="slow network", do=begin),
            Action(at_s=settings.at(2 / 3), name="fast network", do=end),
        ]
        address = "" if settings.interface else f"127.0.0.1:{proxy.port}"
        result = _run("slow-network", settings, server, options, progress, actions, address=address)
    slow_s, fast_s = _event(result, "slow network"), _event(result, "fast network done")
    return _judged(
        "slow-network",
        result,
        judgement.no_failure(result),
        _slower(result, slow_s, fast_s, settings.delay_ms),
        judgement.recovers(result, fast_s, within_s=settings.recovery_s, p99_ms=settings.p99_ms),
    )


SCENARIOS: Final[dict[str, Scenario]] = {
    "soak": soak,
    "reload": reload_model,
    "kill-backend": kill_backend,
    "restart": restart,
    "burst": burst,
    "slow-network": slow_network,
}
"""By the name on the command line."""


def _run(
    name: str,
    settings: ScenarioSettings,
    server: OwnServer,
    options: GeneratorOptions,
    progress: Progress,
    actions: Sequence[Action],
    *,
    pattern: Pattern | None = None,
    address: str = "",
) -> RunResult:
    timeline = Timeline(actions)
    run = settings.run(server, pattern)
    if address:
        run = dataclasses.replace(run, target=dataclasses.replace(run.target, grpc=address))
    result = execute(
        run,
        options=options,
        metrics=server.metrics_address,
        server_pid=server.pid,
        name=name,
        progress=progress,
        on_tick=timeline.on_tick if actions else None,
        events=timeline.events,
    )
    if result.interrupted:
        raise ScenarioError("stopped before its end: there is nothing to judge")
    if actions:
        timeline.finish(_FINISH_S)
    return result


def _judged(name: str, result: RunResult, *findings: Finding) -> Judgement:
    common = (judgement.no_wrong_answer(result), judgement.schedule_kept(result))
    return Judgement(scenario=name, findings=(*common, *findings), result=result)


def _event(result: RunResult, name: str) -> float:
    for at_s, what in result.events:
        if what == name:
            return at_s
    raise ScenarioError(f"{name!r} never happened: the load ended before")


def _slower(result: RunResult, begin_s: float, end_s: float, delay_ms: float) -> Finding:
    due_s = result.samples["due_s"]
    latency_ms = result.samples["latency_us"] / 1000.0
    # A second of room at both ends: an answer on its way when the network recovers is half as slow.
    slow = latency_ms[(due_s > begin_s + 1.0) & (due_s < end_s - 1.0)]
    least = float(slow.min()) if len(slow) else 0.0
    return Finding(
        what=f"the network really was slow: no answer in under {2 * delay_ms:g} ms meanwhile",
        measured=f"the fastest took {least:.0f} ms",
        holds=least >= 2 * delay_ms,
    )
