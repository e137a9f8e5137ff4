"""How many requests a model answered with an error, by code, in Triton's metrics.

Triton's own counters do not say it (measured with 2.51): a request that a Python model answers with
an error counts as a success of that model, and twice as a failure, reason OTHER, of an ensemble
around it, whoever's fault it was. Whose it was is told by the code.
"""

from __future__ import annotations

from typing import Any, Final

ERRORS_METRIC: Final = "packshot_errors_total"
CALLERS_FAULT: Final = "INVALID_ARG"
"""Its code where no server could have answered the request, by the Python backend's name."""


class ErrorCounts:
    """The counter ``packshot_errors_total`` of one model.

    Args:
        model: Its label ``model``.
        pb_utils: The module ``triton_python_backend_utils`` of the stub.
    """

    def __init__(self, model: str, pb_utils: Any) -> None:
        self._model = model
        self._family = pb_utils.MetricFamily(
            name=ERRORS_METRIC,
            description="Requests that a model answered with an error",
            kind=pb_utils.MetricFamily.COUNTER,
        )
        # Born at zero: of a counter born at one, Prometheus' rate() does not see the first event.
        self._metrics = {code: self._metric(code) for code in (CALLERS_FAULT, "INTERNAL")}

    def add(self, code: str) -> None:
        """Count one error."""
        if code not in self._metrics:
            self._metrics[code] = self._metric(code)
        self._metrics[code].increment(1)

    def _metric(self, code: str) -> Any:
        return self._family.Metric(labels={"model": self._model, "code": code})
