"""Mending one broken model, without a restart of the server."""

from __future__ import annotations

import time
from collections.abc import Callable

from packshot.errors import ServingError
from packshot.serving.endpoint import Endpoint
from packshot.serving.shared_memory import remove_regions
from packshot.serving.supervision.budget import Budget
from packshot.serving.supervision.census import Fault, StubCensus
from packshot.serving.supervision.metrics import SupervisorMetrics
from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.watch import ModelWatches

_POLL_S = 0.1


class Mender:
    """Unloads and loads broken models of one server.

    A plain ``load`` does nothing for a model whose files have not changed, and Triton never
    restarts a stub by itself.

    Args:
        control: A way to the server that may control models.
        census: The server's stubs.
        watches: How a model is proved again.
        options: How often and how long to try.
        metrics: Where it is counted.
        say: Tells a person what happens.
    """

    def __init__(
        self,
        control: Endpoint,
        census: StubCensus,
        watches: ModelWatches,
        options: SupervisorOptions,
        metrics: SupervisorMetrics,
        say: Callable[[str], None],
    ) -> None:
        self._control = control
        self._census = census
        self._watches = watches
        self._options = options
        self._metrics = metrics
        self._say = say
        self._budgets: dict[str, Budget] = {}

    def mend(self, fault: Fault) -> bool:
        """Try to; whether the model and the ensembles that need it have proved themselves."""
        options = self._options
        budget = self._budgets.setdefault(fault.model, Budget(options.max_mends, options.window_s))
        if budget.spend() is None:
            self._say(
                f"{fault.model} broke more than {options.max_mends} times, now: {fault.reason}"
            )
            return False
        started = time.monotonic()
        self._say(f"{fault.model} is broken ({fault.reason}): unloading and loading it")
        # Which of several instances hangs cannot be told when only a probe has shown it.
        regions = self._census.end(fault.pids or self._census.pids_of(fault.model))
        try:
            self._census.retire(fault.model)
            self._control.unload(fault.model)
            self._control.load(fault.model)
            self._census.scan()
            for model in (fault.model, *self._watches.dependants_of(fault.model)):
                self._prove(model, started + options.mend_timeout_s)
        except ServingError as error:
            self._metrics.model_mends.labels(fault.model, "failed").inc()
            self._say(f"{fault.model} could not be mended: {error}")
            return False
        for region in regions:
            self._metrics.regions_removed.inc(len(remove_regions(region)))
        self._metrics.model_mends.labels(fault.model, "mended").inc()
        self._say(f"{fault.model} answers again after {time.monotonic() - started:.1f} s")
        return True

    def _prove(self, model: str, deadline: float) -> None:
        while not (result := self._watches[model].ask_now()).good:
            if time.monotonic() > deadline:
                raise ServingError(f"{model} still fails: {result.reason}")
            time.sleep(_POLL_S)
