"""Replicas: which servers there are, which of them live, and whose turn it is. No network here.

Calls go to the living replicas in turn. A replica that nobody answers at, that is stopping, or
that lets an attempt time out gets no calls until a health check says that it lives; health checks
also find a replica that has gone silent before a caller does. When none lives, calls go to all of
them: the health check may be what is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import Enum
from itertools import count
from typing import Final

from packshot_client._config import Connections
from packshot_client._observation import logger

_RETRY_S: Final = 0.25
"""How soon a replica that is down is asked again."""

_SILENT_LIMIT: Final = 2
"""Health checks without any answer until calls that wait for the replica are given up."""


class Check(Enum):
    """What came of a health check."""

    ALIVE = "alive"
    REFUSED = "refused"
    SILENT = "silent"


class Replica:
    """One server.

    Attributes:
        address: Its ``host:port``.
        up: Whether calls should go to it.
        generation: Grows when its connections are given up; calls on older ones are lost.
        model: Model that it lacked when it was taken out; a health check asks for that.
        regions: Shared-memory regions that it has registered.
        check_at: When it is to be asked next whether it lives.
        silent: Health checks in a row without any answer.
    """

    def __init__(self, address: str, check_at: float) -> None:
        self.address = address
        self.up = True
        self.generation = 0
        self.model = ""
        self.regions: set[str] = set()
        self.check_at = check_at
        self.silent = 0

    def __repr__(self) -> str:
        return f"Replica({self.address!r}, {'up' if self.up else 'down'})"


class ReplicaSet:
    """The replicas of one client.

    Args:
        addresses: Of the replicas.
        connections: How often they are checked.
        on_change: Called when a health check is due sooner than was said before.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        connections: Connections,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_change = on_change
        self._connections = connections
        self._clock = clock
        self._turn = count(1)
        self._replicas: tuple[Replica, ...] = ()
        self.update(addresses)

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas)

    def __len__(self) -> int:
        return len(self._replicas)

    def pick(self, avoid: Collection[Replica] = ()) -> Replica:
        """Whose turn it is: of those that live, rather one that is not in ``avoid``."""
        replicas = self._replicas
        if len(replicas) == 1:
            return replicas[0]
        living = [replica for replica in replicas if replica.up] or list(replicas)
        fresh = [replica for replica in living if replica not in avoid]
        choice = fresh or living
        return choice[next(self._turn) % len(choice)]

    def other_than(self, tried: Collection[Replica]) -> bool:
        """Whether there is a living replica that is not in ``tried``."""
        return any(replica.up and replica not in tried for replica in self._replicas)

    def unavailable(self, replica: Replica, *, model: str = "", reason: str) -> None:
        """Take a replica out until a health check finds it alive, and have that made at once."""
        if len(self._replicas) == 1:
            return
        replica.model = model
        replica.check_at = min(replica.check_at, self._clock() + (_RETRY_S if model else 0.0))
        if replica.up:
            replica.up = False
            logger.warning("%s gets no more calls: %s", replica.address, reason)
        self.on_change()

    def due(self) -> list[Replica]:
        """Replicas to check now."""
        if len(self._replicas) == 1:
            return []
        now = self._clock()
        return [replica for replica in self._replicas if replica.check_at <= now]

    def next_due_s(self) -> float:
        """Seconds until a check is due."""
        if len(self._replicas) == 1:
            return self._connections.dns_interval_s
        return max(0.0, min(r.check_at for r in self._replicas) - self._clock())

    def checked(self, replica: Replica, check: Check) -> bool:
        """Note a health check; whether the replica's connections are to be given up."""
        now = self._clock()
        if check is Check.ALIVE:
            replica.silent = 0
            replica.model = ""
            replica.check_at = now + self._connections.health_interval_s
            if not replica.up:
                replica.up = True
                logger.info("%s is alive and gets calls again", replica.address)
            return False
        replica.silent = replica.silent + 1 if check is Check.SILENT else 0
        replica.check_at = now + _RETRY_S
        if replica.up:
            replica.up = False
            logger.warning("%s gets no more calls: health check %s", replica.address, check.value)
        if replica.silent == _SILENT_LIMIT:
            replica.generation += 1
            replica.regions.clear()
            return True
        return False

    def update(self, addresses: Sequence[str]) -> list[Replica]:
        """Take over a new list of addresses; the replicas that are gone."""
        known = {replica.address: replica for replica in self._replicas}
        check_at = self._clock() + self._connections.health_interval_s
        kept = tuple(known.get(address) or Replica(address, check_at) for address in addresses)
        gone = [replica for replica in self._replicas if replica not in kept]
        self._replicas = kept
        return gone
