"""Settings of a client, checked when they are made."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from packshot.contracts import QUALITY
from packshot_client._checks import (
    checked_count,
    checked_name,
    checked_seconds,
    checked_share,
    checked_version,
)
from packshot_client._exceptions import ConfigError
from packshot_client._observation import CallEvent
from packshot_client._security import Security

MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a call that failed is sent again, always within its deadline.

    Sent again are calls that no server took (nobody answers, the server is stopping), that a full
    queue refused, and attempts that ran out of ``attempt_timeout_s``. Scoring has no side
    effects, so asking twice does no harm. A request that made a server *fail* is never handed on:
    it might fail the next one too.

    Attributes:
        max_attempts: The first one included; 1 switches retries off.
        budget: Retries allowed per call, on average over all calls, so that a sick server gets
            at most ``1 + budget`` times its load.
        reserve: Retries that may be saved up for a bad moment, and are there at the start.
        backoff_s: Longest pause before the second attempt; it doubles with each attempt. The
            pause is a random part of it. No pause if another replica is there to ask.
        max_backoff_s: Bound of that.
        attempt_timeout_s: Bound of one attempt, ``None`` for the whole deadline. With it a call
            on a frozen server moves to another one in time. It does not bound the models that
            make pictures, which take as long as the picture is large.
    """

    max_attempts: int = 3
    budget: float = 0.2
    reserve: int = 100
    backoff_s: float = 0.05
    max_backoff_s: float = 1.0
    attempt_timeout_s: float | None = None

    def __post_init__(self) -> None:
        checked_count(self.max_attempts, "max_attempts")
        checked_share(self.budget, "budget")
        checked_count(self.reserve, "reserve", least=0)
        checked_seconds(self.backoff_s, "backoff_s", zero=True)
        checked_seconds(self.max_backoff_s, "max_backoff_s", zero=True)
        if self.attempt_timeout_s is not None:
            checked_seconds(self.attempt_timeout_s, "attempt_timeout_s")

    def pause_s(self, attempts: int, *, full_queue: bool) -> float:
        """A random pause after so many attempts."""
        most_s = min(self.max_backoff_s, self.backoff_s * 2 ** (attempts - 1))
        # A full queue empties by waiting: at least half of it.
        return random.uniform(most_s / 2 if full_queue else 0.0, most_s)


@dataclass(frozen=True, kw_only=True)
class Hedging:
    """A second request to another replica when the first is late; the first answer wins.

    Attributes:
        delay_s: How late; ``None`` for the 95th percentile of the model's latest answers, which
            is known after some of them.
        budget: Second requests allowed per call, on average.
    """

    delay_s: float | None = None
    budget: float = 0.1

    def __post_init__(self) -> None:
        if self.delay_s is not None:
            checked_seconds(self.delay_s, "delay_s", zero=True)
        checked_share(self.budget, "budget")


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A share of one model's calls goes to a version of it that is on trial.

    When the server does not serve that (any more), the call goes where it would without a canary:
    to the version in ``model_versions``, or to the one that the server chooses.

    Attributes:
        share: How many, 0-1. Calls with the same ``canary_key`` all go the same way; calls
            without one are drawn by lot.
        version: Which version, as text; or
        served_as: Under which name it is served, such as the ``quality_canary`` that
            ``packshot-export publish --canary`` makes.
        model: Of which model; calls of others are left alone. Which versions a model calls on the
            server is the server's business.
    """

    share: float
    version: str = ""
    served_as: str = ""
    model: str = QUALITY.name

    def __post_init__(self) -> None:
        checked_share(self.share, "share")
        checked_name(self.model, "model")
        if bool(self.version) == bool(self.served_as):
            raise ConfigError(
                f"a canary must be either a version or served_as another name, got "
                f"version={self.version!r} and served_as={self.served_as!r}"
            )
        if self.version:
            checked_version(self.version, "version")
        else:
            checked_name(self.served_as, "served_as")


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How replicas are connected to and watched.

    Attributes:
        per_replica: HTTP/2 connections to each; one alone can be a bottleneck.
        keepalive_s: A connection that waits for answers and hears nothing for so long is tested.
        keepalive_timeout_s: How long that test may take before the connection is given up.
        health_interval_s: How often each of several replicas is asked whether it lives. One
            that is not alive gets no calls until it is again.
        health_timeout_s: How long that answer may take.
        dns_interval_s: How often a ``dns:///`` name is resolved anew.
    """

    per_replica: int = 2
    keepalive_s: float = 30.0
    keepalive_timeout_s: float = 5.0
    health_interval_s: float = 2.0
    health_timeout_s: float = 1.0
    dns_interval_s: float = 10.0

    def __post_init__(self) -> None:
        checked_count(self.per_replica, "per_replica")
        for name in (
            "keepalive_s",
            "keepalive_timeout_s",
            "health_interval_s",
            "health_timeout_s",
            "dns_interval_s",
        ):
            checked_seconds(getattr(self, name), name)


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Settings of a client.

    | setting              | what it limits or does                                    |
    |----------------------|-----------------------------------------------------------|
    | ``timeout_s``        | one call with all its retries, from its start to its answer |
    | ``model_timeouts_s`` | the same by name of model; over the image models' own 1 to 5 minutes |
    | ``health_timeout_s`` | each question about the server, such as ``health``         |
    | ``max_in_flight``    | calls of one ``score_many`` that are under way at a time   |
    | ``batch_size``       | images of one ``score_many`` that share a call             |
    | ``max_image_bytes``  | one encoded image, checked before anything is sent         |
    | ``model_versions``   | version to ask for by name of model; the server chooses others |
    | ``retries``          | :class:`Retries`                                           |
    | ``hedging``          | :class:`Hedging`; ``None`` is off                          |
    | ``canary``           | :class:`Canary`; ``None`` is off                           |
    | ``connections``      | :class:`Connections`                                       |
    | ``security``         | :class:`Security`: TLS, headers, credentials               |
    | ``shared_memory``    | ``score_pixels`` hands pixels over in memory; same host only |
    | ``tracing``          | OpenTelemetry spans; needs ``packshot[otel]``              |
    | ``on_call``          | called with a :class:`CallEvent` after each call, for metrics |
    """

    timeout_s: float = 10.0
    model_timeouts_s: Mapping[str, float] = field(default_factory=dict)
    health_timeout_s: float = 2.0
    max_in_flight: int = 8
    batch_size: int = 4
    max_image_bytes: int = 128 * MIB
    model_versions: Mapping[str, str] = field(default_factory=dict)
    retries: Retries = field(default_factory=Retries)
    hedging: Hedging | None = None
    canary: Canary | None = None
    connections: Connections = field(default_factory=Connections)
    security: Security = field(default_factory=Security)
    shared_memory: bool = False
    tracing: bool = False
    on_call: Callable[[CallEvent], None] | None = None

    def __post_init__(self) -> None:
        checked_seconds(self.timeout_s, "timeout_s")
        for name, seconds in self.model_timeouts_s.items():
            checked_seconds(seconds, f"model_timeouts_s[{name!r}]")
        checked_seconds(self.health_timeout_s, "health_timeout_s")
        checked_count(self.max_in_flight, "max_in_flight")
        checked_count(self.batch_size, "batch_size")
        checked_count(self.max_image_bytes, "max_image_bytes")
        for name, version in self.model_versions.items():
            checked_version(version, f"model_versions[{name!r}]")
        for name in (*self.model_timeouts_s, *self.model_versions):
            checked_name(name, "a model in model_timeouts_s or model_versions")
        if self.on_call is not None and not callable(self.on_call):
            raise ConfigError(f"on_call must be a function, got {self.on_call!r}")
