"""What the calls of a client share, and where one attempt of a call goes."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from dataclasses import dataclass

from packshot_client._addresses import Target
from packshot_client._budgets import Budget, Latencies
from packshot_client._config import Canary, ClientConfig
from packshot_client._observation import Tracer
from packshot_client._replicas import Replica, ReplicaSet


class Dispatcher:
    """What all calls of one client share: replicas, budgets, latencies, observers.

    Args:
        target: Where the servers are.
        config: Of the client.

    Raises:
        ConfigError: Tracing is wanted and not installed.
    """

    def __init__(self, target: Target, config: ClientConfig) -> None:
        self.target = target
        self.config = config
        self.replicas = ReplicaSet(target.replicas, config.connections)
        self.retry_budget = Budget(config.retries.budget, config.retries.reserve)
        hedging = config.hedging
        self.hedge_budget = Budget(hedging.budget, 1.0) if hedging else None
        self.latencies: defaultdict[str, Latencies] = defaultdict(Latencies)
        self.tracer = Tracer() if config.tracing else None
        self.watched = config.tracing or config.on_call is not None
        self.longest_timeout_s = config.timeout_s


@dataclass(kw_only=True, eq=False, slots=True)
class Attempt:
    """One sending of a call.

    Attributes:
        replica: Where to.
        generation: Of the replica's connections.
        timeout_s: Its gRPC deadline.
        metadata: Its headers.
        hedge: Whether it is the second of two at the same time.
    """

    replica: Replica
    generation: int
    timeout_s: float
    metadata: tuple[tuple[str, str], ...]
    hedge: bool = False


def takes_canary(canary: Canary, key: str | None) -> bool:
    """Whether a call goes to the canary: by lot, or always the same for the same key."""
    if key is None:
        return random.random() < canary.share
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < canary.share * 2**64
