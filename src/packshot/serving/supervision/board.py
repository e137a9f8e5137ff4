"""What is known of the health of a server and its models, shared between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

ServerState = Literal["starting", "serving", "mending", "restarting", "draining", "given up"]
_STALLED_AFTER_S = 30.0


@dataclass(frozen=True, kw_only=True)
class ModelHealth:
    """What is known of one model.

    Attributes:
        healthy: Whether its last proof held.
        reason: What is wrong with it, empty if nothing.
        since: When that became so, in seconds of the epoch.
    """

    healthy: bool
    reason: str
    since: float


class HealthBoard:
    """Health of the server and its models.

    Args:
        on_change: Called with a model's name and whether it is healthy, each time that changes.
    """

    def __init__(self, on_change: Callable[[str, bool], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._on_change = on_change
        self._state: ServerState = "starting"
        self._models: dict[str, ModelHealth] = {}
        self._beat = time.monotonic()

    def expect(self, models: Iterable[str]) -> None:
        """The models that must be healthy; all of them count as unproved."""
        with self._lock:
            now = time.time()
            self._models = {
                name: ModelHealth(healthy=False, reason="not proved yet", since=now)
                for name in models
            }
            names = list(self._models)
        self._tell(names, healthy=False)

    def mark(self, model: str, reason: str = "") -> None:
        """Note that a model is healthy, or with a reason that it is not."""
        healthy = not reason
        with self._lock:
            known = self._models.get(model)
            if known is not None and known.healthy == healthy:
                self._models[model] = replace(known, reason=reason)
                return
            self._models[model] = ModelHealth(healthy=healthy, reason=reason, since=time.time())
        self._tell([model], healthy=healthy)

    def mark_all(self, reason: str) -> None:
        """Note one reason why no model is healthy."""
        for model in self.models():
            self.mark(model, reason)

    def set_state(self, state: ServerState) -> None:
        """What the supervisor is doing with the server."""
        with self._lock:
            self._state = state

    def beat(self) -> None:
        """Note that the supervisor itself goes on."""
        with self._lock:
            self._beat = time.monotonic()

    def models(self) -> list[str]:
        """Names of the expected models."""
        with self._lock:
            return list(self._models)

    def is_healthy(self, model: str) -> bool | None:
        """Whether a model is; ``None`` if it is not known."""
        with self._lock:
            known = self._models.get(model)
            return None if known is None else known.healthy

    def is_live(self) -> bool:
        """Whether the supervisor works and has not given up: what a liveness probe asks."""
        with self._lock:
            # Starting and mending take their time; the watching loop never does.
            stalled = time.monotonic() - self._beat > _STALLED_AFTER_S
            return self._state != "given up" and not (stalled and self._state == "serving")

    def is_ready(self) -> bool:
        """Whether callers may be sent here: every model has proved itself, and none drains."""
        with self._lock:
            return (
                self._state == "serving"
                and bool(self._models)
                and all(model.healthy for model in self._models.values())
            )

    def as_json(self) -> dict[str, Any]:
        """All of it, for people."""
        ready = self.is_ready()
        with self._lock:
            return {
                "ready": ready,
                "state": self._state,
                "models": {
                    name: {"healthy": model.healthy, "reason": model.reason, "since": model.since}
                    for name, model in sorted(self._models.items())
                },
            }

    def _tell(self, models: Iterable[str], *, healthy: bool) -> None:
        if self._on_change is not None:
            for model in models:
                self._on_change(model, healthy)
