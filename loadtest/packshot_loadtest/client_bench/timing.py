"""One timed run of one contender, in a process of its own; prints it as JSON.

    python -m packshot_loadtest.client_bench.timing --contender packshot --face sync \\
        --address localhost:8001 --photo photo.jpg --concurrency 16 --seconds 2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from packshot_loadtest.client_bench.contenders import CONTENDERS, async_call, sync_call

WARM_UP_CALLS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One run.

    Attributes:
        latencies_ms: Of each call.
        wall_s: From the first call to the last answer.
        cpu_s: User and system time of this process meanwhile.
        resident_mib: Its memory after ``checkpoint`` calls, if that was asked, and at the end.
    """

    latencies_ms: tuple[float, ...]
    wall_s: float
    cpu_s: float
    resident_mib: tuple[float, ...]


class _Quota:
    """Says who makes another call: until a time or a number of calls is over."""

    def __init__(self, *, seconds: float | None, count: int | None, checkpoint: int | None) -> None:
        self.latencies: list[float] = []
        self.resident: list[float] = []
        self._checkpoint = checkpoint
        self._count = count
        self._left = iter(range(count)) if count is not None else None
        self.started = time.perf_counter()
        self._end = self.started + seconds if seconds is not None else None
        self._cpu = cpu_s()

    def turns(self) -> Iterator[None]:
        while self._end is None or time.perf_counter() < self._end:
            if self._left is not None:
                number = next(self._left, None)
                if number is None:
                    return
                if number == self._checkpoint:
                    self.resident.append(resident_mib())
            yield

    def add(self, sent: float) -> None:
        # A soak counts memory: it must not keep a list that grows.
        if self._count is None:
            self.latencies.append((time.perf_counter() - sent) * 1000.0)

    def timing(self) -> Timing:
        return Timing(
            latencies_ms=tuple(self.latencies),
            wall_s=time.perf_counter() - self.started,
            cpu_s=cpu_s() - self._cpu,
            resident_mib=(*self.resident, resident_mib()),
        )


def cpu_s() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def time_sync(options: argparse.Namespace) -> Timing:
    """Calls from ``concurrency`` threads."""
    with ExitStack() as stack:
        call = sync_call(options.contender, options.address, options.photo.read_bytes(), stack)
        for _ in range(WARM_UP_CALLS):
            call()
        quota = _Quota(seconds=options.seconds, count=options.count, checkpoint=options.checkpoint)

        def work() -> None:
            for _ in quota.turns():
                sent = time.perf_counter()
                call()
                quota.add(sent)

        threads = [threading.Thread(target=work) for _ in range(options.concurrency)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return quota.timing()


async def time_async(options: argparse.Namespace) -> Timing:
    """Calls from ``concurrency`` tasks."""
    async with AsyncExitStack() as stack:
        call = await async_call(
            options.contender, options.address, options.photo.read_bytes(), stack
        )
        for _ in range(WARM_UP_CALLS):
            await call()
        quota = _Quota(seconds=options.seconds, count=options.count, checkpoint=options.checkpoint)

        async def work() -> None:
            for _ in quota.turns():
                sent = time.perf_counter()
                await call()
                quota.add(sent)

        await asyncio.gather(*(work() for _ in range(options.concurrency)))
        return quota.timing()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=CONTENDERS, required=True)
    parser.add_argument("--face", choices=("sync", "async"), required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int)
    parser.add_argument("--checkpoint", type=int)
    options = parser.parse_args()
    timing = time_sync(options) if options.face == "sync" else asyncio.run(time_async(options))
    print(json.dumps(asdict(timing)))  # noqa: T201 - the parent process reads it


if __name__ == "__main__":
    main()
