"""All contenders in one process, one call at a time in random order; prints their timings as JSON.

    python -m packshot_loadtest.client_bench.pairs --face sync --address localhost:8001 \\
        --photo photo.jpg --count 1000

Against a server that takes 20 ms, and now 15 and now 30, a tenth of a millisecond is found only in
differences between calls that were made one right after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict
from pathlib import Path

from packshot_loadtest.client_bench.contenders import CONTENDERS, async_call, sync_call
from packshot_loadtest.client_bench.timing import WARM_UP_CALLS, Timing


class _Laps:
    """Times of the contenders' calls, and the order of the next ones."""

    def __init__(self) -> None:
        self._latencies: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        self._cpu: dict[str, float] = dict.fromkeys(CONTENDERS, 0.0)
        self._drawn = random.Random(0)
        self._started = (0.0, 0.0)

    def order(self) -> list[str]:
        return self._drawn.sample(CONTENDERS, len(CONTENDERS))

    def start(self) -> None:
        self._started = (time.process_time(), time.perf_counter())

    def stop(self, name: str) -> None:
        ended, cpu = time.perf_counter(), time.process_time()
        self._latencies[name].append((ended - self._started[1]) * 1000.0)
        self._cpu[name] += cpu - self._started[0]

    def timings(self) -> dict[str, Timing]:
        return {
            name: Timing(
                latencies_ms=tuple(latencies),
                wall_s=sum(latencies) / 1000.0,
                cpu_s=self._cpu[name],
                resident_mib=(),
            )
            for name, latencies in self._latencies.items()
        }


def pair_sync(address: str, photo: bytes, count: int) -> dict[str, Timing]:
    """``count`` blocking calls of each contender."""
    with ExitStack() as stack:
        calls = {name: sync_call(name, address, photo, stack) for name in CONTENDERS}
        for call in calls.values():
            for _ in range(WARM_UP_CALLS):
                call()
        laps = _Laps()
        for _ in range(count):
            for name in laps.order():
                laps.start()
                calls[name]()
                laps.stop(name)
        return laps.timings()


async def pair_async(address: str, photo: bytes, count: int) -> dict[str, Timing]:
    """As :func:`pair_sync`, awaited."""
    async with AsyncExitStack() as stack:
        calls = {name: await async_call(name, address, photo, stack) for name in CONTENDERS}
        for call in calls.values():
            for _ in range(WARM_UP_CALLS):
                await call()
        laps = _Laps()
        for _ in range(count):
            for name in laps.order():
                laps.start()
                await calls[name]()
                laps.stop(name)
        return laps.timings()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--face", choices=("sync", "async"), required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    case = (options.address, options.photo.read_bytes(), options.count)
    timings = pair_sync(*case) if options.face == "sync" else asyncio.run(pair_async(*case))
    print(json.dumps({name: asdict(timing) for name, timing in timings.items()}))  # noqa: T201 - the parent process reads it


if __name__ == "__main__":
    main()
