"""What can be watched of the calls: an event for metrics, a span for traces, a logger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from packshot_client._exceptions import ConfigError

logger: Final = logging.getLogger("packshot_client")
# Silent until the application configures logging; else Python prints warnings by itself.
logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, kw_only=True)
class CallEvent:
    """How one call ended; made for metrics.

    Attributes:
        model: Empty for questions about the server itself.
        model_version: Version that answered, or that was asked for; empty if unknown.
        request_id: Also in the server's log.
        address: Replica that answered, or was asked last.
        status: ``"OK"``, or the name of the exception's class.
        elapsed_s: From the start of the call to its end, pauses included.
        attempts: How often it was sent, retries and hedges included.
        hedged: Whether a second request was sent because the first was late.
        canary: Whether it went to the canary's version.
    """

    model: str
    model_version: str
    request_id: str
    address: str
    status: str
    elapsed_s: float
    attempts: int
    hedged: bool
    canary: bool


class Tracer:
    """OpenTelemetry spans, one a call, named ``packshot <model>``.

    The span's context travels to Triton as ``traceparent``: with its ``opentelemetry`` trace mode
    the time in queue and in computation is in Triton's own spans, below this one.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import propagate, trace
        except ImportError as error:
            raise ConfigError(
                "tracing needs OpenTelemetry: pip install 'packshot[otel]'"
            ) from error
        self._propagate = propagate
        self._trace = trace
        self._tracer = trace.get_tracer("packshot_client")

    def start(self, method: str, model: str, request_id: str) -> Any:
        """Begin the span of one call."""
        attributes = {"rpc.system": "grpc", "rpc.method": method}
        if model:
            attributes |= {"packshot.model": model, "packshot.request_id": request_id}
        kind = self._trace.SpanKind.CLIENT
        return self._tracer.start_span(
            f"packshot {model or method}", kind=kind, attributes=attributes
        )

    def headers(self, span: Any) -> tuple[tuple[str, str], ...]:
        """The headers that make the server's spans part of the trace."""
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier, context=self._trace.set_span_in_context(span))
        return tuple(carrier.items())

    def finish(self, span: Any, event: CallEvent, error: BaseException | None) -> None:
        """End the span."""
        span.set_attributes(
            {
                "server.address": event.address,
                "packshot.model_version": event.model_version,
                "packshot.attempts": event.attempts,
                "packshot.hedged": event.hedged,
                "packshot.canary": event.canary,
                "packshot.status": event.status,
            }
        )
        if error is not None:
            span.record_exception(error)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, str(error)))
        span.end()


def notify(on_call: Callable[[CallEvent], None], event: CallEvent) -> None:
    """Call a metrics hook; what it raises is logged, as a call must not fail for a metric."""
    try:
        on_call(event)
    except Exception:
        logger.exception("the on_call hook failed")
