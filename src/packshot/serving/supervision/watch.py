"""Probes of all models of one server, side by side, and what they add up to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future

from packshot.serving.supervision.board import HealthBoard
from packshot.serving.supervision.census import Fault
from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.prober import ModelProber, ProbeResult


class ModelWatch:
    """One model's probes, one at a time.

    Args:
        prober: Asks the model.
        pool: Where probes run.
    """

    def __init__(self, prober: ModelProber, pool: Executor) -> None:
        self.strikes = 0
        self.last = ProbeResult(kind="absent", reason="not proved yet")
        self._prober = prober
        self._pool = pool
        self._due_at = 0.0
        self._running: Future[ProbeResult] | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self._prober.model

    def poll(self) -> ProbeResult | None:
        """The result of a probe that has just ended; starts the next when it is due."""
        if self._running is None:
            if time.monotonic() >= self._due_at:
                self._running = self._pool.submit(self._prober.probe)
            return None
        if not self._running.done():
            return None
        self.last, self._running = self._running.result(), None
        self.strikes = 0 if self.last.good else self.strikes + 1
        # A suspicion is looked into at once.
        self._due_at = time.monotonic() + (0.0 if self.strikes else self._prober.pause_s)
        return self.last

    def ask_now(self) -> ProbeResult:
        """Probe at once, and wait for the result."""
        self.reset()
        self.last = self._prober.probe()
        return self.last

    def reset(self) -> None:
        """Forget the past; a probe that runs is not listened to. The next is due at once."""
        self._running = None
        self.strikes = 0
        self._due_at = 0.0


class ModelWatches:
    """The watches of all models of one server.

    Args:
        watches: One for each model.
        steps: Models that each ensemble calls; none for other models.
        options: When a model counts as broken.
        board: Where the results are noted.
    """

    def __init__(
        self,
        watches: Mapping[str, ModelWatch],
        steps: Mapping[str, tuple[str, ...]],
        options: SupervisorOptions,
        board: HealthBoard,
    ) -> None:
        self._watches = watches
        self._steps = steps
        self._options = options
        self._board = board

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that are watched."""
        return tuple(self._watches)

    def __getitem__(self, model: str) -> ModelWatch:
        return self._watches[model]

    def poll(self) -> list[Fault]:
        """Note what has been found, and return the models that are broken now."""
        faults = []
        for watch in self._watches.values():
            result = watch.poll()
            if result is None:
                continue
            self._board.mark(watch.model, result.reason)
            conclusive = result.kind == "stub" and not self._steps.get(watch.model)
            if watch.strikes >= self._options.strikes or conclusive:
                faults.append(Fault(model=watch.model, kind="probe", reason=result.reason))
        return faults

    def without_innocent(self, faults: list[Fault]) -> list[Fault]:
        """The faults without ensembles that fail only because a step of theirs does."""
        broken = {fault.model for fault in faults}
        return [
            fault
            for fault in faults
            if not any(
                step in broken or (step in self._watches and self._watches[step].strikes)
                for step in self._steps.get(fault.model, ())
            )
        ]

    def dependants_of(self, model: str) -> list[str]:
        """Ensembles that call the model."""
        return [name for name in self._watches if model in self._steps.get(name, ())]

    def reset(self) -> None:
        """Have all models probed anew."""
        for watch in self._watches.values():
            watch.reset()


def with_steps(
    models: Iterable[str], steps_of: Callable[[str], tuple[str, ...]]
) -> tuple[str, ...]:
    """The models, those they call, those that these call, and so on."""
    found = list(models)
    for model in found:  # Grows while it is walked.
        found += [step for step in steps_of(model) if step not in found]
    return tuple(found)
