"""What can be chosen about the supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SupervisorOptions:
    """How a server is watched and mended.

    Attributes:
        host: Address the health endpoint binds to.
        port: Its port.
        tick_s: How often processes are looked at.
        probe_interval_s: Pause between two probes of a model. A slow model is given longer, so
            that probes never take more than a twentieth of its time.
        probe_timeout_s: How long an answer may take before it counts as missing. A slow model is
            given ten times what its probes usually take.
        strikes: Failed probes in a row that make a model broken. A stub that is dead, or says it
            is not healthy, needs one only.
        mend_timeout_s: How long unloading and loading one model may take.
        max_mends: Mends of one model within ``window_s`` before the whole server is restarted.
        max_restarts: Restarts within ``window_s`` before the supervisor gives up and ends with an
            error, for whoever started it to see.
        window_s: See there.
        backoff_s: Pause before the second restart; doubled with each one more.
        max_backoff_s: Longest pause.
        drain_delay_s: How long a stopping server goes on serving after its health endpoint has
            said 503, so that load balancers have seen it.
    """

    host: str = "127.0.0.1"
    port: int = 8003
    tick_s: float = 0.25
    probe_interval_s: float = 1.0
    probe_timeout_s: float = 2.0
    strikes: int = 2
    mend_timeout_s: float = 30.0
    max_mends: int = 3
    max_restarts: int = 5
    window_s: float = 600.0
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    drain_delay_s: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"the health port must be 1 to 65535, got {self.port}")
        positive = ("tick_s", "probe_interval_s", "probe_timeout_s", "mend_timeout_s", "window_s")
        for name in positive:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("backoff_s", "max_backoff_s", "drain_delay_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("strikes", "max_mends", "max_restarts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
