"""What a server says about itself: facts, and how they are read from its responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_NANOSECONDS_PER_MS: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """One version of a model in the server's repository.

    Attributes:
        name: Of the model.
        version: Empty if none was ever loaded.
        state: ``READY``, ``UNAVAILABLE``, ``LOADING`` or ``UNLOADING``; empty if not loaded.
        reason: Why it is not ready.
    """

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ModelStatistics:
    """What one version of a model has done since the server started.

    Attributes:
        name: Of the model.
        version: Of the model.
        inferences: Images, or other items, answered.
        executions: Batches computed; fewer than ``inferences`` when requests were batched.
        failures: Requests that failed.
        request_ms: Mean time of a request from its arrival to its answer.
        queue_ms: Mean time of a request in the queue.
        compute_ms: Mean time of a request in computation, its tensors' copying included.
    """

    name: str
    version: str
    inferences: int
    executions: int
    failures: int
    request_ms: float
    queue_ms: float
    compute_ms: float


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the server says about itself, and whether it really works.

    Attributes:
        address: Server that was asked.
        reachable: Whether it answers at all.
        ready: Whether it says that it is ready.
        answering: Whether it scored a small test image. A server whose model has died goes on
            saying that it is ready, so only this proves that it works.
        version: Of Triton; empty if unknown.
        latency_s: Time the test image took; ``None`` if it was not scored.
        problem: What is wrong, in words; empty if nothing is.
    """

    address: str
    reachable: bool
    ready: bool
    answering: bool
    version: str
    latency_s: float | None
    problem: str


def model_states(response: Any) -> tuple[ModelState, ...]:
    """The models of a ``RepositoryIndexResponse``, by name and version."""
    found = [
        ModelState(name=m.name, version=m.version, state=m.state, reason=m.reason)
        for m in response.models
    ]
    return tuple(sorted(found, key=lambda model: (model.name, len(model.version), model.version)))


def served_model_states(response: Any) -> tuple[ModelState, ...]:
    """The models that a ``ModelStatisticsResponse`` tells of: those that are served."""
    return tuple(
        ModelState(name=found.name, version=found.version, state="READY", reason="")
        for found in model_statistics(response)
    )


def model_statistics(response: Any) -> tuple[ModelStatistics, ...]:
    """The models of a ``ModelStatisticsResponse``, by name and version."""
    found = []
    for model in response.model_stats:
        times = model.inference_stats
        compute = times.compute_input.ns + times.compute_infer.ns + times.compute_output.ns
        found.append(
            ModelStatistics(
                name=model.name,
                version=model.version,
                inferences=model.inference_count,
                executions=model.execution_count,
                failures=times.fail.count,
                request_ms=_mean_ms(times.success.ns, times.success.count),
                queue_ms=_mean_ms(times.queue.ns, times.queue.count),
                compute_ms=_mean_ms(compute, times.compute_infer.count),
            )
        )
    return tuple(sorted(found, key=lambda model: (model.name, len(model.version), model.version)))


def _mean_ms(nanoseconds: int, count: int) -> float:
    return nanoseconds / count / _NANOSECONDS_PER_MS if count else 0.0
